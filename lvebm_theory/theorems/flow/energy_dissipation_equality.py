r"""Energy dissipation equality: the Langevin flow is the W2 gradient flow of KL(. | pi).

    KL(mu_s|pi) - KL(mu_t|pi) = 1/2 int_s^t |mu'|^2(r) dr + 1/2 int_s^t FI(mu_r|pi) dr,

where |mu'|(r) = lim W2(mu_r, mu_{r+e})/e is the metric speed. For the flow both halves are equal
(|mu'|^2 = FI); the equality characterises the flow among all curves, for which only "at most"
holds.

The claim measures the speed by transport between successive densities, the Fisher information
from the densities, and the drop of KL from its end points: three routes.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import SEMICONVEX, SMOOTH

theorem = Theorem(
    name="energy-dissipation-equality",
    title="The drop of KL is half the action plus half the dissipation",
    statement=(
        r"\mathrm{KL}(\mu_s\,|\,\pi)-\mathrm{KL}(\mu_t\,|\,\pi)="
        r"\tfrac12\int_s^t|\mu'|^2(r)\,\mathrm{d}r"
        r"+\tfrac12\int_s^t\mathrm{FI}(\mu_r\,|\,\pi)\,\mathrm{d}r"
    ),
    reference=Reference(
        key="ambrosio-gigli-savare-2008", place="section 11.2, gradient flows of convex functionals"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(SMOOTH, SEMICONVEX),
    formula=lambda *, action, dissipation, **_: 0.5 * action + 0.5 * dissipation,
)
