"""A target whose exact draws are known, so that a chain can start in stationarity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.protocols import Energy

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
    data : int
        The last so many coordinates are data: part of the exact draws, never moved by a step.
    pilots : int
        Draws that set scales; fewer where a draw is dear.

    Examples
    --------
    An energy of one's own, with draws from it (``potential`` takes (n, d) and returns (n,); where
    no ``gradient_function`` is known, the laws that need one are left out):

    >>> import numpy as np
    >>> from lvebm_theory.callables import CallableEnergy
    >>> laplace = ExactTarget(
    ...     name="my Laplace",
    ...     energy=CallableEnergy(
    ...         name="my Laplace", dim=2, potential_function=lambda x: np.abs(x).sum(axis=1)
    ...     ),
    ...     draw=lambda rng, n: rng.laplace(size=(n, 2)),
    ... )
    >>> laplace.dim
    2
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
    data: int = 0
    pilots: int = _PILOT

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
        return self.draw(np.random.default_rng(_PILOT_SEED), self.pilots)

    @property
    def has_gradient(self) -> bool:
        """Whether the gradient of U is known, not merely differences of U."""
        if isinstance(self.energy, CallableEnergy):
            return self.energy.gradient_function is not None
        return callable(getattr(self.energy, "gradient", None))

    @cached_property
    def scale(self) -> tuple[FloatArray, FloatArray, float, float]:
        """Median (d,) and spread (d,) of x, median and spread of U, by quartiles of the pilot.

        Quartiles, since heavy tails may have no standard deviation; the spread of a normal is its
        standard deviation.
        """
        x = self.pilot
        u = self.energy.potential(x)
        mid, spread = _middle(x)
        u_mid, u_spread = _middle(np.asarray(u)[:, None])
        return mid, spread, float(u_mid[0]), float(u_spread[0])


def _middle(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and spread by quartiles, by the standard deviation where half the values are one."""
    low, mid, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / 1.349
    still = ~(spread > 0)
    spread[still] = x.std(axis=0)[still]
    spread[~(spread > 0)] = 1.0
    return np.asarray(mid), np.asarray(spread)
