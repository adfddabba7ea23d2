"""Step sizes inside the limit of stability, schedules, and their twins."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from lvebm_theory.errors import ArgumentError

from .drawn import Drawn
from .ladders import around

#: step sizes shrink to this share of 2/L
SIMPLE_SHARE = 0.25


def step_sizes(drawn: Drawn, *, stable: bool = True) -> SearchStrategy[float]:
    """Step sizes of an explicit scheme: below 2/L, or above it for the twin.

    For a normal of precision L the scheme x' = x - h grad U(x) + noise has a stationary law exactly
    when h < 2/L.

    Raises
    ------
    ArgumentError
        For a target without a Lipschitz gradient: no step size is inside its limit.
    """
    limit = drawn.stability_limit
    if not limit > 0:
        raise ArgumentError(f"{drawn} has no Lipschitz gradient: no step size is stable everywhere")
    shares = around(SIMPLE_SHARE, 0.01, 0.95) if stable else around(1.5, 1.05, 10.0)
    return shares.map(lambda share: share * limit)


def any_step_sizes(drawn: Drawn) -> SearchStrategy[float]:
    """Step sizes of an adjusted kernel: right at every size, tried from small to far too large."""
    square = drawn.target.length**2
    return around(0.5, 0.01, 20.0).map(lambda share: share * square)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """h_k = h (1 + k)^{-p}, k = 0, 1, ...

    Parameters
    ----------
    first : float
        h.
    exponent : float
        p.
    """

    first: float
    exponent: float

    def __call__(self, k: int) -> float:
        """h_k."""
        return float(self.first * (1.0 + k) ** -self.exponent)

    @property
    def never_stops(self) -> bool:
        """sum h_k is infinite: p <= 1."""
        return self.exponent <= 1

    @property
    def averages_out(self) -> bool:
        """sum h_k^2 is finite: p > 1/2."""
        return self.exponent > 0.5

    def starts_stable(self, limit: float) -> bool:
        """h_0 < 2/L, hence every h_k."""
        return self.first < limit


#: what a schedule is asked to keep, and exponents and shares of 2/L that break it alone
_EXPONENTS = {
    None: (0.75, 0.6, 0.9, 1.0),
    "never stops": (1.5, 1.25, 2.0),
    "averages out": (0.5, 0.25, 0.4),
    "starts stable": (0.75, 0.6, 0.9, 1.0),
}


def schedules(drawn: Drawn, *, breaking: str | None = None) -> SearchStrategy[Schedule]:
    """Robbins-Monro schedules that start inside the limit of stability.

    ``breaking``: "never stops" (sum h_k finite), "averages out" (sum h_k^2 infinite) or
    "starts stable".

    Raises
    ------
    ArgumentError
        For another twin, or a target without a Lipschitz gradient.
    """
    if breaking not in _EXPONENTS:
        named = ", ".join(name for name in _EXPONENTS if name)
        raise ArgumentError(f"a schedule can break {named}, got {breaking!r}")
    firsts = step_sizes(drawn, stable=breaking != "starts stable")
    exponents = st.sampled_from(_EXPONENTS[breaking])
    return st.builds(lambda h, p: Schedule(first=h, exponent=p), firsts, exponents)
