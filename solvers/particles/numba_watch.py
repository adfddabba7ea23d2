"""What a compiled loop is given to record on its way, and where it leaves it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from .kernel import Observed
from .record_kernel import cell_counter
from .recorders import Histogram

Array = npt.NDArray[Any]
Arguments = Callable[[], AbstractContextManager[tuple[Any, ...]]]


@contextlib.contextmanager
def nothing() -> Iterator[tuple[Any, ...]]:
    """No further arguments: nothing is recorded."""
    yield ()


@dataclass
class Counted:
    """Counts (rows, cells + 1) to be added to while the particles advance."""

    recorder: Histogram
    slots: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


@dataclass
class Watched:
    """Sums (slots, blocks, functions, 2) and counts to be filled while the particles advance.

    ``slots`` says for every step which row of sums it fills, or -1; ``module`` sums.
    """

    slots: npt.NDArray[np.int64]
    sums: Array
    module: ModuleType | None
    counted: list[Counted] = field(default_factory=list)

    def count(self, histograms: Sequence[tuple[Histogram, Sequence[int]]], steps: int) -> None:
        """Make room for counts after these of the next ``steps`` steps."""
        for recorder, due in histograms:
            slots = np.full(steps + 1, -1, dtype=np.int64)
            slots[list(due)] = 0 if recorder.over_time else np.arange(len(due))
            counts = np.zeros((slots.max() + 1, recorder.size + 1), dtype=np.int64)
            self.counted.append(Counted(recorder, slots, counts))

    def observed(self, block: int) -> Observed:
        """What the loop has to be compiled for."""
        return Observed(
            sums=None if self.module is None else self.module.__name__,
            functions=self.sums.shape[2],
            counts=cell_counter(block).__name__ if self.counted else None,
            histograms=len(self.counted),
        )

    def pieces(self, count: int) -> Arguments:
        """The further arguments of every piece of the loop's work over ``count`` particles.

        Pieces count for themselves and add up when they are done: whole numbers, so that neither
        their order nor their number shows.
        """
        shared = (count, *(() if self.module is None else (self.slots, self.sums)))
        lock = threading.Lock()

        @contextlib.contextmanager
        def arguments() -> Iterator[tuple[Any, ...]]:
            own = [np.zeros_like(c.counts) for c in self.counted]
            cells = [
                argument
                for c, counts in zip(self.counted, own, strict=True)
                for argument in (np.array(c.recorder.axes), *c.recorder.arrays(), c.slots, counts)
            ]
            yield (*shared, *cells)
            with lock:
                for c, counts in zip(self.counted, own, strict=True):
                    c.counts += counts

        return arguments
