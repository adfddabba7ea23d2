r"""The HWI inequality: entropy (H), transport (W) and Fisher information (I).

    Hess U >= K I, K of either sign  =>  KL(mu|pi) <= W2(mu,pi) sqrt(FI(mu|pi)) - (K/2) W2^2(mu,pi).

Equality. mu a translate of pi = N(b, I/m): KL = m a^2/2, W2 = a, FI = m^2 a^2.

For K < 0 the term with K cannot be dropped: between two wells KL stays near log 2 while FI is
exponentially small.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import SEMICONVEX, SMOOTH, TRANSLATE


def _bound(*, convexity: Any, w2: float, fisher_information: float, **_: Any) -> float:
    return w2 * math.sqrt(fisher_information) - 0.5 * float(convexity.lower) * w2**2


theorem = Theorem(
    name="hwi",
    title="HWI: KL <= W2 sqrt(FI) - (K/2) W2^2 for Hess U >= K",
    statement=(
        r"\mathrm{KL}(\mu\,|\,\pi)\le W_2(\mu,\pi)\sqrt{\mathrm{FI}(\mu\,|\,\pi)}"
        r"-\tfrac K2W_2^2(\mu,\pi)\quad\text{if }\nabla^2U\ge K"
    ),
    reference=Reference(key="otto-villani-2000", place="Theorem 3"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(SEMICONVEX, SMOOTH),
    formula=_bound,
)

translate_of_gaussian = Theorem(
    name="hwi-equality",
    title="HWI is an equality for translates of a Gaussian",
    statement=(
        r"\pi=\mathcal N(b,\tfrac1mI),\ \mu=\mathcal N(b+a,\tfrac1mI)\ \Rightarrow\ "
        r"\mathrm{KL}=W_2\sqrt{\mathrm{FI}}-\tfrac m2W_2^2"
    ),
    reference=Reference(key="otto-villani-2000", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE, SEMICONVEX),
    formula=_bound,
)
