r"""Evolution variational inequality (EVI) along the flow of a K-convex energy.

    Hess U >= K I  (K of either sign)  =>  for every nu with KL(nu|pi) finite and s < t,

    W2^2(mu_t, nu)/2 <= e^{-K(t-s)} W2^2(mu_s, nu)/2
                        + int_s^t e^{-K(t-r)} (KL(nu|pi) - KL(mu_r|pi)) dr.

It is d/dt W2^2(mu_t,nu)/2 + (K/2) W2^2(mu_t,nu) <= KL(nu|pi) - KL(mu_t|pi), multiplied by e^{Kt}
and integrated, with no monotonicity of KL used, so that it stays sharp.

Equality. pi = N(0, 1/m) and mu_0, nu both translates of pi: with shifts a_r = a e^{-mr} and b,
W2^2 = (a_r - b)^2, KL = m (shift)^2/2, and -m a(a-b) + (m/2)(a-b)^2 = m b^2/2 - m a^2/2.

Convention. The source has W2 and the functional as here (no factor 1/2 in the cost).
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import SEMICONVEX, SMOOTH, TRANSLATE


def _right_hand_side(
    *, convexity: Any, elapsed: float, initial_w2: float, weighted_excess: Any, **_: Any
) -> float:
    k = convexity.lower
    return 0.5 * math.exp(-k * elapsed) * initial_w2**2 + float(weighted_excess(k))


_STATEMENT = (
    r"\tfrac12W_2^2(\mu_t,\nu)\;%s\;\tfrac12e^{-K(t-s)}W_2^2(\mu_s,\nu)"
    r"+\int_s^te^{-K(t-r)}\bigl(\mathrm{KL}(\nu\,|\,\pi)-\mathrm{KL}(\mu_r\,|\,\pi)\bigr)"
    r"\mathrm{d}r"
)

theorem = Theorem(
    name="evi",
    title="Evolution variational inequality with Hess U >= K",
    statement=_STATEMENT % r"\le" + r"\quad\text{if }\nabla^2U\ge K",
    reference=Reference(
        key="ambrosio-gigli-savare-2008", place="section 11.2, evolution variational inequality"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(SMOOTH, SEMICONVEX),
    formula=_right_hand_side,
)

translates_of_gaussian = Theorem(
    name="evi-equality",
    title="EVI is an equality between translates of a Gaussian",
    statement=_STATEMENT % "=" + r"\quad\text{for translates of }\pi=\mathcal N(b,\tfrac1mI)",
    reference=Reference(key="ambrosio-gigli-savare-2008", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE, SEMICONVEX),
    formula=_right_hand_side,
)
