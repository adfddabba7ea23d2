"""A target whose exact draws are known, so that a chain can start in stationarity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lvebm_theory.protocols import Energy

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], FloatArray]

_PILOT = 30_000
_PILOT_SEED = 20_240_917


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactTarget:
    """pi proportional to exp(-U) with exact draws.

    Parameters
    ----------
    name : str
    energy : Energy
    draw : callable (rng, n) -> (n, d), independent draws from pi
    length : float
        The smallest length scale of pi: step sizes are proposed in its units.
    precision, mean : arrays (d, d) and (d,), optional
        Of Gaussian targets, whose every linear law is known.
    lipschitz : bool
        Whether grad U is Lipschitz, so that unadjusted schemes have a stationary law.
    error : float
        Total variation distance of the draws from pi, beyond rounding; a proved bound.
    handed : Energy, optional
        What a step is given when that is not ``energy``: on phase space it gets U alone.
    spread : float
        Largest |mean| / sd of a coordinate, at least 10: rounding errors grow with it.
    base : ExactTarget, optional
        On phase space, the target of the positions.
    formula : callable () -> Energy, optional
        The same potential as a formula of the theory's own, for steps compiled by numba.
    """

    name: str
    energy: Energy
    draw: Draw
    length: float = 1.0
    precision: FloatArray | None = None
    mean: FloatArray | None = None
    lipschitz: bool = True
    error: float = 0.0
    handed: Energy | None = None
    spread: float = 10.0
    base: ExactTarget | None = None
    formula: Callable[[], Energy] | None = None

    @property
    def dim(self) -> int:
        """d."""
        return self.energy.dim

    @property
    def for_step(self) -> Energy:
        """The energy that a step is given."""
        return self.energy if self.handed is None else self.handed

    @property
    def gaussian(self) -> bool:
        """Whether mean and precision are known and say all."""
        return self.precision is not None

    def compiled(self) -> ExactTarget:
        """The same with the formula for its energy; ``formula`` must be known."""
        assert self.formula is not None
        return replace(self, handed=self.formula())

    def named(self, name: str) -> ExactTarget:
        """The same under another name."""
        return replace(self, name=name)

    @cached_property
    def pilot(self) -> FloatArray:
        """Draws of a fixed seed that set scales only: their error costs power, not validity."""
        return self.draw(np.random.default_rng(_PILOT_SEED), _PILOT)

    @cached_property
    def scale(self) -> tuple[FloatArray, FloatArray, float, float]:
        """Median (d,) and spread (d,) of x, median and spread of U, by quartiles of the pilot.

        Quartiles, since heavy tails may have no standard deviation; the spread of a normal is its
        standard deviation.
        """
        x = self.pilot
        u = self.energy.potential(x)
        low, mid, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
        u_low, u_mid, u_high = np.quantile(u, [0.25, 0.5, 0.75])
        return (
            np.asarray(mid),
            np.asarray((high - low) / 1.349),
            float(u_mid),
            float(u_high - u_low) / 1.349,
        )
