"""What the learned law is compared with: blocks of fresh true points, all independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .data import Points
from .sources import Source

# away from the seeds that people choose for training data
FRESH = 2**40


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Blocks (blocks, n, d) of true points in the reader's units, and where they come from.

    Attributes
    ----------
    independent : bool
        False where blocks share rows because a file has too few of them.
    """

    blocks: FloatArray
    source: str
    independent: bool

    @property
    def n(self) -> int:
        """Points of a block."""
        return int(self.blocks.shape[1])


def fresh_truth(source: Source | None, points: Points, *, n: int, blocks: int, seed: int) -> Truth:
    """Blocks of n points that training did not see.

    Simulated data are drawn anew. Of a file, the held-out rows are cut into blocks; where there
    are too few, blocks become smaller, and below 50 rows each block is drawn from them at random.
    """
    if source is not None:
        rows = source.draw(n * blocks, FRESH + seed)
        return Truth(blocks=rows.reshape(blocks, n, -1), source=source.label, independent=True)
    if len(points.held_out) == 0:
        return from_rows(points.train, n, blocks, seed, "the training rows themselves")
    return from_rows(points.held_out, n, blocks, seed, "held-out rows of the file")


def from_rows(rows: FloatArray, n: int, blocks: int, seed: int, source: str) -> Truth:
    """Blocks cut from given rows."""
    if len(rows) < 4:
        raise ArgumentError(f"a comparison needs at least 4 points, got {len(rows)}")
    generator = np.random.Generator(np.random.Philox(seed))
    size = min(n, len(rows) // blocks)
    if size >= min(n, 50):
        order = generator.permutation(len(rows))[: size * blocks]
        return Truth(blocks=rows[order].reshape(blocks, size, -1), source=source, independent=True)
    size = min(n, len(rows) // 2)
    halves = [generator.permutation(len(rows))[: 2 * size] for _ in range((blocks + 1) // 2)]
    stacked = np.concatenate([rows[half].reshape(2, size, -1) for half in halves])[:blocks]
    return Truth(blocks=stacked, source=source, independent=False)
