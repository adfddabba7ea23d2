r"""de Bruijn's identity: relative entropy is lost at the rate of the Fisher information.

    d/dt KL(mu_t | pi) = - FI(mu_t | pi),   FI(mu | pi) = int |grad log(mu/pi)|^2 dmu.

Derivation. With h = mu_t/pi, d_t mu_t = div(pi grad h), so d/dt int mu_t log h =
int log h div(pi grad h) = - int <grad log h, pi grad h> = - int |grad log h|^2 dmu_t.

Convention. Ours is dX = -grad U dt + sqrt(2) dW; for unit noise (generator halved) the same
identity carries a factor 1/2.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import SMOOTH

theorem = Theorem(
    name="de-bruijn",
    title="de Bruijn's identity: -d/dt KL = FI",
    statement=(
        r"-\frac{\mathrm{d}}{\mathrm{d}t}\,\mathrm{KL}(\mu_t\,|\,\pi)"
        r"=\mathrm{FI}(\mu_t\,|\,\pi)"
        r"=\int\Bigl|\nabla\log\frac{\mathrm{d}\mu_t}{\mathrm{d}\pi}\Bigr|^2\mathrm{d}\mu_t"
    ),
    reference=Reference(key="bakry-gentil-ledoux-2014", place="section 5.2, de Bruijn's identity"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(SMOOTH,),
    formula=lambda *, fisher_information, **_: fisher_information,
)
