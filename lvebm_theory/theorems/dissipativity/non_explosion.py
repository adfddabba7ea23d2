r"""Existence: no explosion under dissipativity, quantitatively.

For a locally Lipschitz gradient with <grad U(x), x> >= a|x|^2 - c, a >= 0, the equation has a
unique strong solution for all times, and

    P( sup_{s<=t} |X_s| >= R ) <= ( E|X_0|^2 + 2 (c + d) t ) / R^2.

Derivation. Locally Lipschitz: a unique solution up to the exit time T_R of each ball. Ito:
d|X|^2 = (-2<grad U, X> + 2d) dt + martingale <= 2(c + d) dt + martingale up to T_R, so
R^2 P(T_R <= t) <= E|X_{t and T_R}|^2 <= E|X_0|^2 + 2(c + d) t, and R -> infinity. A global
Lipschitz condition, which would exclude every quartic well, is not needed.

Loose: Markov's inequality is far from the Gaussian tails of the truth.
"""

from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import DISSIPATIVE


def _bound(
    *,
    dissipativity_offset: float,
    dim: int,
    time: float,
    initial_second_moment: float,
    radius: float,
    **_: Any,
) -> float:
    return (initial_second_moment + 2.0 * (dissipativity_offset + dim) * time) / radius**2


theorem = Theorem(
    name="non-explosion",
    title="Solutions exist for all times under dissipativity; probability of far excursions",
    statement=(
        r"\mathbb P\Bigl(\sup_{s\le t}|X_s|\ge R\Bigr)\le"
        r"\frac{\mathbb E|X_0|^2+2(c+d)t}{R^2}"
    ),
    reference=Reference(
        key="khasminskii-2012", place="chapter 3, regularity; bound derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(DISSIPATIVE,),
    formula=_bound,
    loose=True,
)
