r"""Contraction of W2 between two copies of the flow of a strongly convex energy.

    Hess U >= m I, m > 0  =>  W2(mu_t, nu_t) <= e^{-mt} W2(mu_0, nu_0);  nu_t = pi is allowed.

Derivation. Run both copies with the same Brownian motion from an optimal pair: d/dt |X-Y|^2 =
-2 <grad U(X) - grad U(Y), X - Y> <= -2m |X-Y|^2 path by path.

Equality. U = m|x|^2/2 and two starts that are translates of each other.

A log-Sobolev constant in place of m gives a FALSE statement when U is not convex: two wells pull
neighbours apart before they bring everybody together. Forced there, it must come out violated.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import CONVEX, true


def _contracted(*, convexity: Any, time: float, initial_w2: float, **_: Any) -> float:
    return math.exp(-float(convexity.lower) * time) * initial_w2


theorem = Theorem(
    name="w2-contraction",
    title="W2 between two copies contracts at rate m if Hess U >= m > 0",
    statement=(
        r"W_2(\mu_t,\nu_t)\le e^{-mt}\,W_2(\mu_0,\nu_0)\quad\text{if }\nabla^2U\ge mI,\ m>0"
    ),
    reference=Reference(
        key="bolley-gentil-guillin-2012", place="introduction; derivation in the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(CONVEX,),
    formula=_contracted,
)

translates = Theorem(
    name="w2-contraction-equality",
    title="Translated copies of a quadratic flow approach at exactly e^{-mt}",
    statement=(
        r"U=\tfrac m2|x|^2,\ \nu_0=\mu_0(\cdot-a)\ \Rightarrow\ W_2(\mu_t,\nu_t)=e^{-mt}|a|"
    ),
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(
        true("translates", "U = m|x|^2/2 and the two starts are translates of each other"),
        CONVEX,
    ),
    formula=_contracted,
)
