r"""ULA on a quadratic energy, exactly.

    x' = x - h l x + sqrt(2h) xi   (precision l, 0 < h < 2/l):

    E X_k = (1 - hl)^k E X_0,   Var X_k = v_h + (1 - hl)^{2k} (Var X_0 - v_h),
    v_h = 1 / (l (1 - hl/2)).

Derivation. Var' = (1 - hl)^2 Var + 2h, whose fixed point is 2h/(1 - (1 - hl)^2) = v_h.
"""

from typing import Any

from ...theorem import Assumption, Reference, Relation, Theorem

_STABLE = Assumption(
    text="0 < h < 2/l", holds=lambda q: 0.0 < q["step_size"] < 2.0 / q["precision"]
)


def stationary_variance(precision: float, step_size: float) -> float:
    """v_h = 1/(l (1 - hl/2)) of one coordinate."""
    return 1.0 / (precision * (1.0 - 0.5 * step_size * precision))


def _variance(
    *, precision: float, step_size: float, steps: int, initial_variance: float, **_: Any
) -> float:
    limit = stationary_variance(precision, step_size)
    return limit + (1.0 - step_size * precision) ** (2 * steps) * (initial_variance - limit)


theorem = Theorem(
    name="ula-gaussian",
    title="Variance of ULA on a Gaussian at every step",
    statement=(
        r"\mathrm{Var}\,X_k=v_h+(1-hl)^{2k}(\mathrm{Var}\,X_0-v_h),\qquad"
        r"v_h=\frac1{l(1-hl/2)}"
    ),
    reference=Reference(key="wibisono-2018", place="ULA on Gaussians; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_STABLE,),
    formula=_variance,
)

mean = Theorem(
    name="ula-gaussian-mean",
    title="Mean of ULA on a Gaussian at every step",
    statement=r"\mathbb E\,X_k=(1-hl)^k\,\mathbb E\,X_0",
    reference=Reference(key="wibisono-2018", place="ULA on Gaussians; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_STABLE,),
    formula=lambda *, precision, step_size, steps, initial_mean, **_: (
        (1.0 - step_size * precision) ** steps * initial_mean
    ),
)
