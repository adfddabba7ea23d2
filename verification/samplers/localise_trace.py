"""A step with its randomness and its energy in the examiner's hands.

A generator writes down what is drawn and lets chosen draws be replaced; an energy writes down
where it is asked, and its potential and gradient may be changed apart. So a draw that decides can
be told from a draw that moves, and what a change of one input does is seen without statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from .kernel import StepError
from .subject import Subject
from .targets.exact_target import ExactTarget

Sort = Literal["normal", "uniform", "exponential", "integer"]
Slope = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One call of the generator: what was drawn, in standard form."""

    sort: Sort
    values: FloatArray


class TracingGenerator(np.random.Generator):
    """A generator that notes its draws and replaces those it is told to.

    Parameters
    ----------
    seed : int
    given : mapping from the number of a draw to its standard values
    """

    def __init__(self, seed: int, given: Mapping[int, FloatArray] | None = None) -> None:
        super().__init__(np.random.PCG64(seed))
        self.given = dict(given or {})
        self.draws: list[Draw] = []

    def _noted(self, sort: Sort, values: Any) -> Any:
        found = np.asarray(values, dtype=np.float64)
        own = self.given.get(len(self.draws))
        if own is not None:
            # a generator that is made anew in every call may ask for other shapes
            found = np.array(own).reshape(found.shape) if own.size == found.size else found
        self.draws.append(Draw(sort=sort, values=found))
        return found if found.shape else float(found)

    def standard_normal(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Noted."""
        return self._noted("normal", super().standard_normal(size))

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Noted in units of its scale."""
        shape = np.broadcast(np.asarray(loc), np.asarray(scale)).shape if size is None else size
        return loc + scale * self._noted("normal", super().standard_normal(shape or None))

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Noted."""
        return self._noted("uniform", super().random(size))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Noted as uniform on (0, 1)."""
        shape = np.broadcast(np.asarray(low), np.asarray(high)).shape if size is None else size
        return low + (np.asarray(high) - low) * self._noted(
            "uniform", super().random(shape or None)
        )

    def standard_exponential(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Noted."""
        return self._noted("exponential", super().standard_exponential(size))

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        """Noted in units of its scale."""
        shape = np.asarray(scale).shape if size is None else size
        return scale * self._noted("exponential", super().standard_exponential(shape or None))

    def integers(self, *args: Any, **kwargs: Any) -> Any:
        """Noted; replaced by whole numbers."""
        found = super().integers(*args, **kwargs)
        noted = self._noted("integer", found)
        return np.asarray(noted).astype(np.asarray(found).dtype) if np.ndim(found) else found


@dataclass
class TracedEnergy:
    """An energy that notes where it is asked; a part may be added to potential or gradient alone.

    Parameters
    ----------
    energy : Energy
    lift : callable (n, d) -> (n,), added to the potential alone
    push : callable (n, d) -> (n, d), added to the gradient alone
    factor : float, of potential and gradient (0: flat)
    """

    energy: Energy
    lift: Slope | None = None
    push: Slope | None = None
    factor: float = 1.0
    potentials: list[FloatArray] = field(default_factory=list)
    gradients: list[FloatArray] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "energy":
            raise AttributeError(name)
        return getattr(self.energy, name)

    @property
    def dim(self) -> int:
        """d."""
        return self.energy.dim

    def potential(self, x: FloatArray) -> FloatArray:
        """U, noted."""
        self.potentials.append(np.array(x))
        found = self.factor * self.energy.potential(x)
        return found if self.lift is None else found + self.lift(x)

    def gradient(self, x: FloatArray) -> FloatArray:
        """The gradient, noted."""
        self.gradients.append(np.array(x))
        found = self.factor * self.energy.gradient(x)
        return found if self.push is None else found + self.push(x)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One call: the states after it, the draws, and where the energy was asked."""

    after: FloatArray
    draws: list[Draw]
    energy: TracedEnergy


@dataclass(frozen=True, kw_only=True)
class Hands:
    """One place, and a seed that every call starts from.

    Parameters
    ----------
    subject : Subject
    target : ExactTarget
    step_size : float
    seed : int
    """

    subject: Subject
    target: ExactTarget
    step_size: float
    seed: int = 4711

    def run(
        self,
        x: FloatArray,
        given: Mapping[int, FloatArray] | None = None,
        energy: TracedEnergy | None = None,
        seed: int | None = None,
    ) -> Run:
        """One call from x with some draws replaced."""
        traced = TracedEnergy(self.target.for_step) if energy is None else energy
        rng = TracingGenerator(self.seed if seed is None else seed, given)
        place = replace(self.target, handed=traced)
        after = self.subject.kernel.advance(x, place, self.step_size, rng)
        self.subject.kernel.caller.views.pop(id(traced), None)
        return Run(after=after, draws=rng.draws, energy=traced)

    def traceable(self, x: FloatArray) -> bool:
        """Whether draws are seen and a step replays from them: plain numpy, whole chains."""
        caller = self.subject.kernel.caller
        if caller.backend != "numpy" or caller.layout != "whole" or self.subject.kernel.walkers:
            return False
        if "rng" not in self.subject.kernel.names:
            return False
        try:
            first, again = self.run(x), self.run(x)
        except StepError:  # it wants an energy of its own kind
            return False
        return bool(first.draws) and np.array_equal(first.after, again.after, equal_nan=True)


def closest(level: float, sort: Sort, high: bool) -> float:
    """The draw whose uniform has the logarithm ``level``, counted from its low or high end."""
    if sort == "exponential":
        return -level
    small = math.exp(level)
    return (
        float(np.nextafter(1.0, 0.0)) if high and small < 1e-16 else (1 - small if high else small)
    )
