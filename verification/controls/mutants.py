"""Wrong solvers, as wrappers: those that are tested are those that claims plant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PARTICLES = "particles"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A wrong solver.

    Parameters
    ----------
    name, sentence : str
        Of the control, and what is false in it, for the report.
    change : callable
        Wraps what the witness runs: a scheme -> a scheme for particles; for others what
        ``measure`` of the claim makes of it.
    of : str
        The witness that it mutates.
    """

    name: str
    sentence: str
    change: Callable[..., Any]
    of: str = PARTICLES


def _half_noise(scheme: Any) -> Any:
    from .schemes import with_noise_scaled

    return with_noise_scaled(scheme, 0.5**0.5)


def _double_drift(scheme: Any) -> Any:
    from .schemes import with_drift_scaled

    return with_drift_scaled(scheme, 2.0)


HALF_NOISE = Mutant(
    name="half-noise",
    sentence="a solver with noise sqrt(h) xi in place of sqrt(2h) xi",
    change=_half_noise,
)
DOUBLE_DRIFT = Mutant(
    name="double-drift", sentence="a solver with its drift doubled", change=_double_drift
)
