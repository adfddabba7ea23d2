r"""Second moments stay bounded, with explicit constants, under dissipativity.

    <grad U(x), x> >= a|x|^2 - c  =>
    E|X_t|^2 <= e^{-2at} E|X_0|^2 + ((c + d)/a) (1 - e^{-2at}).

Here and in the theorems beside it x stands for x - z, the displacement from the centre z about
which U is dissipative (the origin where none is named): X - z moves under U(z + .).

Derivation. d/dt E|X|^2 = -2 E<grad U, X> + 2d <= -2a E|X|^2 + 2(c + d); Gronwall.

Equality. U = a|x|^2/2, where c = 0.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import DISSIPATIVE, true


def _bound(
    *,
    dissipativity: Any,
    dissipativity_offset: float,
    dim: int,
    time: float,
    initial_second_moment: float,
    **_: Any,
) -> float:
    a = float(dissipativity.lower)
    kept = math.exp(-2.0 * a * time)
    return kept * initial_second_moment + (dissipativity_offset + dim) / a * (1.0 - kept)


theorem = Theorem(
    name="moment-bound",
    title="Second moments under dissipativity",
    statement=(
        r"\langle\nabla U(x),x\rangle\ge a|x|^2-c\ \Rightarrow\ "
        r"\mathbb E|X_t|^2\le e^{-2at}\,\mathbb E|X_0|^2+\tfrac{c+d}{a}\bigl(1-e^{-2at}\bigr)"
    ),
    reference=Reference(key="khasminskii-2012", place="chapter 3; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(DISSIPATIVE,),
    formula=_bound,
)

quadratic = Theorem(
    name="moment-equality",
    title="Second moments of the Ornstein-Uhlenbeck process",
    statement=(
        r"U=\tfrac a2|x|^2\ \Rightarrow\ "
        r"\mathbb E|X_t|^2=e^{-2at}\,\mathbb E|X_0|^2+\tfrac da\bigl(1-e^{-2at}\bigr)"
    ),
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(true("quadratic", "U = a|x|^2/2"), DISSIPATIVE),
    formula=_bound,
)
