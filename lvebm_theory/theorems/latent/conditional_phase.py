r"""The conditional phase is never slower than the joint convex bound.

    Hess E(x,z) >= m I, m > 0  =>  Hess_zz E(x,z) >= m I for every x, hence
    KL(q_s | p(.|x)) <= e^{-2ms} KL(q_0 | p(.|x))   for every datum x.

Derivation. Hess_zz is a principal block of Hess; Bakry-Emery gives LSI(m) for p(z|x) proportional
to e^{-E(x,z)}.
"""

import math

from ...theorem import Reference, Relation, Theorem
from ..assumptions import positive

theorem = Theorem(
    name="conditional-never-slower",
    title="The conditional flow is at least as fast as the joint convex bound",
    statement=(
        r"\nabla^2E\ge mI\ \Rightarrow\ "
        r"\mathrm{KL}(q_s\,|\,p(\cdot|x))\le e^{-2ms}\,\mathrm{KL}(q_0\,|\,p(\cdot|x))"
        r"\quad\text{for every }x"
    ),
    reference=Reference(
        key="bakry-emery-1985", place="the criterion; for the block derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(positive("joint_convexity", "Hess E >= m I jointly in (x, z), m > 0"),),
    formula=lambda *, joint_convexity, time, initial_relative_entropy, **_: (
        math.exp(-2.0 * joint_convexity.lower * time) * initial_relative_entropy
    ),
)
