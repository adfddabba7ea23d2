"""Data of the sweep, drawn once per system and kept beside the results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvebm_theory.arrays import FloatArray
from solvers.learning.systems import System, system_named

from ..keeping import written_aside
from .plan import Sizes

# seeds from here are never those of training data
_HELD_OUT = 1_000_000


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What no method sees: the same for every method and seed of a system.

    Attributes
    ----------
    truth, fresh : arrays (blocks * n, d)
        For the sliced distance of a model's samples, and of two true samples.
    """

    truth: FloatArray
    fresh: FloatArray


def training_data(system: System, sizes: Sizes, seed: int, folder: Path) -> FloatArray:
    """The data that a method of this seed sees, (train, d)."""
    return _kept(folder, system, sizes.train, seed)


def held_out(system: System, sizes: Sizes, folder: Path) -> HeldOut:
    """Two sets of fresh data."""
    count = sizes.sample * sizes.blocks
    count = max(count, sizes.likelihood, sizes.masked)
    return HeldOut(
        truth=_kept(folder, system, count, _HELD_OUT),
        fresh=_kept(folder, system, count, _HELD_OUT + 1),
    )


def _kept(folder: Path, system: System, count: int, seed: int) -> FloatArray:
    """A sample, from its file where it is there; a simulated one takes seconds to draw."""
    where = folder / "data" / f"{system.name}-{count}-{seed}.npy"
    if where.exists():
        return np.asarray(np.load(where, allow_pickle=False))
    drawn = system.sample(count, seed)
    where.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(where) as aside, aside.open("wb") as stream:
        np.save(stream, drawn, allow_pickle=False)
    return drawn


def prepare(systems: set[str], seeds: set[int], sizes: Sizes, folder: Path) -> None:
    """Draws everything that runs of these systems and seeds will ask for."""
    for name in sorted(systems):
        system = system_named(name)
        held_out(system, sizes, folder)
        for seed in sorted(seeds):
            training_data(system, sizes, seed, folder)
