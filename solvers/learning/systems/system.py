"""A source of data: how to draw from it, in which units, and what is known of its law."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

Draw = Callable[[np.random.Generator, int], FloatArray]

#: trajectories integrated together: their state stays in the second-level cache
CHUNK = 2048


@dataclass(frozen=True, kw_only=True)
class System:
    """A law on R^dim with a sampler, seen through fixed units y = (x - centre) / scale.

    Parameters
    ----------
    name, title : str
    dim : int
    coordinates : tuple of str
        What each data coordinate is, with its unit.
    centre, scale : tuple of float
        Fixed constants of the system, never of a sample: about the mean and the standard
        deviation of each coordinate of x, so that y has about mean 0 and variance 1.
    observation_noise : tuple of float
        Standard deviation, in the units of x, of the independent Gaussian error that an
        observed coordinate carries; zeros where the law has a density without it.
    draw : callable (generator, n) -> (n, dim)
        Independent observations in the units of x, the error included.
    log_density_of_data : callable (n, dim) -> (n,), optional
        Log-density of the observations in the units of x, where it is known.
    parameters : mapping
        The constants of the model, for reports.
    reference : str
        Where the system comes from.
    """

    name: str
    title: str
    dim: int
    coordinates: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    observation_noise: tuple[float, ...]
    draw: Draw
    reference: str
    log_density_of_data: Callable[[FloatArray], FloatArray] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("coordinates", "centre", "scale", "observation_noise"):
            if len(getattr(self, name)) != self.dim:
                raise ArgumentError(
                    f"{self.name}: {name} needs {self.dim} entries, got {getattr(self, name)}"
                )
        if min(self.scale) <= 0 or min(self.observation_noise) < 0:
            raise ArgumentError(f"{self.name}: scales must be > 0 and observation noises >= 0")

    def sample(self, n: int, seed: int) -> FloatArray:
        """n independent standardised observations, shape (n, dim).

        The same (n, seed) gives the same numbers: numpy's PCG64, seeded by the system's name and
        ``seed``. Another seed gives an independent set; a larger n is not an extension.

        Raises
        ------
        ArgumentError
            Unless n >= 1 and seed >= 0.
        """
        if n < 1 or seed < 0:
            raise ArgumentError(f"a sample needs n >= 1 and seed >= 0, got n={n}, seed={seed}")
        generator = np.random.Generator(np.random.PCG64([zlib.crc32(self.name.encode()), seed]))
        return self.standardised(self.draw(generator, n))

    def standardised(self, x: FloatArray) -> FloatArray:
        """(x - centre) / scale, shape (n, dim)."""
        return np.asarray((x - np.array(self.centre)) / np.array(self.scale))

    def in_data_units(self, y: FloatArray) -> FloatArray:
        """centre + scale y, shape (n, dim)."""
        return np.asarray(np.array(self.centre) + np.array(self.scale) * y)

    @property
    def noise(self) -> FloatArray:
        """The observation noise in standardised units, shape (dim,)."""
        return np.asarray(np.array(self.observation_noise) / np.array(self.scale))

    @property
    def log_density(self) -> Callable[[FloatArray], FloatArray] | None:
        """Log-density of the standardised observations, (n, dim) -> (n,); None if unknown."""
        known = self.log_density_of_data
        if known is None:
            return None
        volume = float(np.log(self.scale).sum())
        return lambda y: np.asarray(known(self.in_data_units(y)) + volume)


def in_chunks(
    one: Callable[[np.random.Generator, int], FloatArray],
    generator: np.random.Generator,
    n: int,
) -> FloatArray:
    """``one(generator, m)`` called for n in chunks of at most ``CHUNK``; shape (n, ...)."""
    sizes = [min(CHUNK, n - first) for first in range(0, n, CHUNK)]
    return np.concatenate([one(generator, size) for size in sizes])


def runge_kutta(
    slope: Callable[[FloatArray], FloatArray], state: FloatArray, step: float
) -> FloatArray:
    """One classical Runge-Kutta step of order four; the state's shape is slope's."""
    first = slope(state)
    second = slope(state + step / 2 * first)
    third = slope(state + step / 2 * second)
    fourth = slope(state + step * third)
    return np.asarray(state + step / 6 * (first + 2 * (second + third) + fourth))


def at_random_ends(
    advance: Callable[[FloatArray], FloatArray],
    state: FloatArray,
    generator: np.random.Generator,
    first: int,
    last: int,
) -> FloatArray:
    """Each column of ``state`` (k, n) after its own number of steps, uniform in first..last-1.

    A spread of ends averages over the phase of a rotation, which a fixed end would show for long.
    """
    # latest end first: the trajectories still running lead the array
    ends = np.sort(generator.integers(first, last, size=state.shape[1]))[::-1]
    state, running = state.copy(), state.shape[1]
    for step in range(int(ends[0])):
        while ends[running - 1] <= step:
            running -= 1
        state[:, :running] = advance(state[:, :running])
    return np.asarray(generator.permutation(state, axis=1))
