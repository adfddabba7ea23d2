"""What the laws are told: the sampler, what it claims to be, and where it is to be tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray

from .kernel import Kernel
from .learner import Learner
from .meter import Meter
from .schemes.scheme import Scheme
from .targets.exact_target import ExactTarget

Kind = Literal["adjusted", "unadjusted", "exact-discretisation", "learner"]
KINDS: tuple[Kind, ...] = ("adjusted", "unadjusted", "exact-discretisation", "learner")


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A target of the whole state, a step size, and what a pilot saw there.

    Parameters
    ----------
    target : ExactTarget
    step_size : float
    moved : float
        Share of chains that moved.
    rank : int
        Number of the step size among those of its target, from the smallest: evidence is pooled
        over places of one rank.
    displacement : array (k,), optional
        Typical size of a move; it only scales functions.
    """

    target: ExactTarget
    step_size: float
    moved: float = 1.0
    rank: int = 0
    displacement: FloatArray | None = None

    @property
    def label(self) -> str:
        """For the reader, and the name of the place in a stored state."""
        return f"{self.target.name}, step size {self.step_size:.4g}"

    def about(self, steps: int) -> dict[str, Any]:
        """What a reader needs to repeat a trial here, and its rank."""
        return {
            "target": self.target.name,
            "step_size": self.step_size,
            "steps": steps,
            "rank": self.rank,
        }


@dataclass(kw_only=True)
class Subject:
    """One sampler under examination.

    Parameters
    ----------
    kernel : Kernel
    kind : str
        One of ``KINDS``.
    places : sequence of Place, simple ones first
    scheme : Scheme or None
        The documented one-step law, of unadjusted kinds.
    reversible : bool or None
        Whether detailed balance is claimed; None claims nothing.
    first, largest : int
        Samples of a first look, and at most of any.
    given : bool
        Whether the user named the targets: then the sampler may be made for them alone.
    given_steps : bool
        Whether the user named the step sizes: then it is tried at them alone.
    min_dim : int
        The sampler is for targets of at least so many dimensions.
    seed : int
    """

    kernel: Kernel
    kind: Kind
    places: Sequence[Place]
    scheme: Scheme | None = None
    reversible: bool | None = None
    first: int = 1000
    largest: int = 100_000
    given: bool = False
    given_steps: bool = False
    min_dim: int = 1
    seed: int = 0
    moves: dict[str, list[int]] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Chain steps so far."""
        return self.kernel.calls

    @property
    def meter(self) -> Meter:
        """What is spent."""
        return self.kernel.meter

    @property
    def group(self) -> int:
        """Chains of one sample: one, or all walkers of an ensemble."""
        return self.kernel.walkers or 1

    @property
    def fewest(self) -> int:
        """Samples of a first look."""
        return max(1, self.first // self.group)

    @property
    def keeps_target(self) -> bool:
        """Whether pi is invariant for every step size."""
        return self.kind in ("adjusted", "exact-discretisation")

    @property
    def targets(self) -> list[ExactTarget]:
        """The targets of the places, in order, once each."""
        return list({id(p.target): p.target for p in self.places}.values())

    def middle_place(self, target: ExactTarget) -> Place:
        """The place of a target where rejections and acceptances are most alike."""
        here = [p for p in self.places if p.target is target]
        if all(p.moved == 1.0 for p in here):
            return here[len(here) // 2]
        return min(here, key=lambda p: abs(p.moved - 0.6))

    def rounding(self, place: Place) -> float:
        """A bound of what rounding and draws add to the mean of a payoff."""
        return 8 * self.kernel.rounding * place.target.spread + 2 * place.target.error

    def advance(
        self, place: Place, x: FloatArray, rng: np.random.Generator, steps: int = 1
    ) -> FloatArray:
        """States (n, k) after some steps; moves are counted for the coverage of branches."""
        after = self.kernel.advance(x, place.target, place.step_size, rng, steps)
        if steps == 1:
            seen = self.moves.setdefault(place.label, [0, 0])
            seen[0] += int(np.any(after != x, axis=1).sum())
            seen[1] += len(x)
        return after

    def draw(self, place: Place, rng: np.random.Generator, count: int) -> FloatArray:
        """Exact draws (n, k), a whole number of ensembles of them."""
        size = self.kernel.walkers or 1
        x = place.target.draw(rng, max(1, count // size) * size)
        return self.representable(x)

    def representable(self, x: FloatArray) -> FloatArray:
        """States as the sampler's floats hold them, so that a chain that stays is seen to stay."""
        if self.kernel.rounding < 1e-10:
            return x
        return x.astype(np.float32).astype(np.float64)

    def averaged(self, payoffs: FloatArray) -> FloatArray:
        """One row per sample: chains that interact count as one, by their average."""
        size = self.kernel.walkers
        if size is None:
            return payoffs
        return np.asarray(payoffs.reshape(-1, size, payoffs.shape[1]).mean(axis=1))


@dataclass(kw_only=True)
class LearnerSubject:
    """One learner under examination.

    Parameters
    ----------
    learner : Learner
    order : {"sequential", "simultaneous"}
        Whether theta moves with the new particles or with the old ones.
    first, largest, seed : as for ``Subject``
    """

    learner: Learner
    order: str = "sequential"
    first: int = 64
    largest: int = 4096
    seed: int = 0
    kind: Kind = "learner"
    group: int = 1

    @property
    def calls(self) -> int:
        """Updates so far."""
        return self.learner.calls

    @property
    def meter(self) -> Meter:
        """What is spent."""
        return self.learner.meter


def child(rng: np.random.Generator) -> np.random.Generator:
    """A generator for the step alone, so that it cannot touch the draws."""
    return np.random.default_rng(rng.integers(2**63, size=2))
