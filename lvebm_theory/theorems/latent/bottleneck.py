r"""The bottleneck: a fast conditional phase beside a metastable joint phase.

    E(x, z) = b (x^2 - 1)^2 + (z - a x)^2 / 2:

* z given x is N(ax, 1), so the conditional flow from a translate loses entropy at rate exactly 2,
  for every barrier b;
* the joint gap is at most the gap of the marginal b (x^2 - 1)^2 alone, whatever a, which is of
  order e^{-b} (Eyring-Kramers).

Derivation of the second. The x-marginal of p is proportional to e^{-b(x^2-1)^2} (z integrates
out); a function of x alone has the same variance and the same Dirichlet form under p as under the
marginal, so the joint gap is an infimum over more functions. Coupling can only slow the chain.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import true

theorem = Theorem(
    name="bottleneck",
    title="The joint gap is at most the gap of the marginal well",
    statement=(
        r"E=b(x^2-1)^2+\tfrac12(z-ax)^2\ \Rightarrow\ "
        r"\lambda_{\mathrm{joint}}(a,b)\le\lambda_{\mathrm{well}}(b)"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014",
        place="section 4.2, variational form; derived, see the docstring",
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(),
    formula=lambda *, marginal_gap, **_: marginal_gap.upper,
)

conditional_rate = Theorem(
    name="bottleneck-conditional-rate",
    title="The conditional phase of the bottleneck has rate exactly 2, for every barrier",
    statement=(
        r"z\,|\,x\sim\mathcal N(ax,1):\quad-\frac{\mathrm{d}}{\mathrm{d}s}"
        r"\log\mathrm{KL}(q_s\,|\,p(\cdot|x))=2\quad\text{for translates}"
    ),
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(true("translate_of_gaussian", "q_0 is a translate of z given x"),),
    formula=lambda **_: 2.0,
)
