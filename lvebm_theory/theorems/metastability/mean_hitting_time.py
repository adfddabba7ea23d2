r"""Mean hitting times on the line, exactly, and their growth with the barrier.

For T_b the first time at b, started at x < b, with U confining at minus infinity,

    E_x T_b = int_x^b e^{U(y)} int_{-inf}^y e^{-U(z)} dz dy.

Derivation. w(x) = E_x T_b solves U'w' - w'' = 1, w(b) = 0, w' e^{-U} -> 0 at -inf; integrate
twice.

Growth. For U = b (x^2-1)^2 from one well to the other, log E T / b -> 1 (Eyring-Kramers): the
paper's stated limitation, as a measured fact.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import true

_LINE = true("one_dimensional", "d = 1")

theorem = Theorem(
    name="hitting-time",
    title="Mean hitting time on the line, by double quadrature",
    statement=(
        r"\mathbb E_xT_b=\int_x^be^{U(y)}\int_{-\infty}^ye^{-U(z)}\,\mathrm{d}z\,\mathrm{d}y"
    ),
    reference=Reference(key="pavliotis-2014", place="chapter 7, mean first passage times"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_LINE,),
    formula=lambda *, double_integral, **_: double_integral,
)

growth = Theorem(
    name="hitting-time-growth",
    title="Hitting times across a barrier grow like its exponential",
    statement=(
        r"\frac{\mathrm{d}}{\mathrm{d}b}\log\bigl(b\,\mathbb E\,T\bigr)\to1"
        r"\quad\text{for }U=b(x^2-1)^2,\ b\to\infty"
    ),
    reference=Reference(
        key="bovier-eckhoff-gayrard-klein-2004",
        place="the Eyring-Kramers formula for mean hitting times",
    ),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(_LINE,),
    formula=lambda **_: 1.0,
)
