"""Where simulated points come from: a physical system, a mixture, or the model at a known theta."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..discovery import nearest
from .naming import coordinates
from .units import Units

if TYPE_CHECKING:
    from lvebm_theory.initial import InitialLaw
    from solvers.learning.systems import System

    from .config import Config

Modes = tuple[FloatArray, FloatArray, FloatArray]


class Source(Protocol):
    """Something that points can be drawn from as often as one likes."""

    @property
    def label(self) -> str:
        """In words."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """What each coordinate is."""

    @property
    def units(self) -> Units | None:
        """Units of its own; None where the points decide."""

    @property
    def modes(self) -> Modes | None:
        """Weights (K,), means (K, d) and standard deviations (K,) of a round mixture, if it is."""

    def draw(self, n: int, seed: int) -> FloatArray:
        """n independent points (n, d) in the reader's units; the same for the same seed."""


def source_of(config: Config, beside: Path) -> Source | None:
    """The source that ``[data]`` names; None where it names a file.

    Raises
    ------
    ArgumentError
        An unknown system, a law that does not parse, or a model that has no exact sampler.
    """
    data = config.data
    if data.system is not None:
        return SystemSource(_system(data.system))
    if data.law is not None:
        from lvebm_theory.parse_law import parse_initial

        return LawSource(data.law, parse_initial(data.law, data.dim))
    if data.truth is not None:
        from .model import formula_energy

        return ModelSource(formula_energy(config.model, None, beside, data.truth))
    return None


def _system(name: str) -> System:
    from solvers.learning.systems import system_named, systems

    try:
        return system_named(name)
    except ArgumentError as error:
        raise ArgumentError(f"data.system: {error}{nearest(name, systems())}") from error


@dataclass(frozen=True)
class SystemSource:
    """A named system, in its own units."""

    system: System

    @property
    def label(self) -> str:
        """In words."""
        return f"fresh simulations of {self.system.name}"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """With their units."""
        return tuple(self.system.coordinates)

    @property
    def units(self) -> Units:
        """Fixed constants of the system."""
        return Units(shift=np.array(self.system.centre), scale=np.array(self.system.scale))

    @property
    def modes(self) -> Modes | None:
        """Of the ring."""
        if self.system.name != "ring_mixture":
            return None
        from solvers.learning.systems.ring_mixture import MODES, SPREAD, means

        return np.full(MODES, 1 / MODES), means(), np.full(MODES, SPREAD)

    def draw(self, n: int, seed: int) -> FloatArray:
        """Simulated anew."""
        return np.asarray(self.system.in_data_units(self.system.sample(n, seed)), dtype=np.float64)


@dataclass(frozen=True)
class LawSource:
    """A mixture of Gaussians typed as text."""

    text: str
    law: InitialLaw
    units: None = None

    @property
    def label(self) -> str:
        """In words."""
        return f"fresh draws of {self.text}"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """x, or x0, x1, ..."""
        return coordinates("x", self.law.dim)

    @property
    def modes(self) -> Modes | None:
        """Where its components are round."""
        law = self.law
        if len(law.weights) < 2 or not np.allclose(law.sds, law.sds[:, :1]):
            return None
        return law.weights, law.means, law.sds[:, 0]

    def draw(self, n: int, seed: int) -> FloatArray:
        """Exact draws."""
        from solvers.noise import Noise

        noise = Noise(seed, "data")
        uniform = noise.uniforms(n, 0, backend="numba")[:, 0]
        return self.law.push_normals(uniform, noise.normals(n, 0, self.law.dim, backend="numba"))


@dataclass(frozen=True)
class ModelSource:
    """The model itself at a known theta: what is to be found again."""

    energy: Any
    units: None = None
    modes: None = None

    def __post_init__(self) -> None:
        if self.energy.joint().facts.sample is None:
            raise ArgumentError(
                f"data.truth needs an energy with an exact sampler, {self.energy.name} has none at "
                "these parameters"
            )

    @property
    def label(self) -> str:
        """In words."""
        return f"fresh draws of {self.energy!r}"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """x, or x0, x1, ..."""
        return coordinates("x", self.energy.dim_x)

    def draw(self, n: int, seed: int) -> FloatArray:
        """Exact draws, latents left out."""
        generator = np.random.Generator(np.random.Philox(seed))
        drawn = self.energy.joint().facts.sample(generator, n)
        return np.asarray(drawn[:, : self.energy.dim_x], dtype=np.float64)
