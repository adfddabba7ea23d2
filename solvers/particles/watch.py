"""The recorders of one run: what is due when, taken on the way or at stops."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .recorders import Histogram, Moments, Recorder, TestFunctions
from .records import Counts, SnapshotRecord, Sums, finish

_DENSE = 64  # observations from which a loop of its own is worth compiling
_ROOM = 2**22  # numbers that may be held for sums on the way


class Watch:
    """Feeds the recorders.

    Sums and counts that are due often, on an engine that compiles, are taken inside the loop over
    blocks, so that the particles stay in the caches; everything else at ``stops`` between calls.
    Either way they are the same to the last bit.

    Attributes
    ----------
    stops : set of int
        Steps at which ``look`` must be called.
    """

    def __init__(
        self,
        engine: Any,
        recorders: Sequence[Recorder],
        total: int,
        step_size: float,
        count: int,
    ) -> None:
        self._engine, self._recorders, self._step_size = engine, recorders, step_size
        self._steps = {r.name: r.when.steps(total, step_size) for r in recorders}
        self._due = {name: set(steps) for name, steps in self._steps.items()}
        sums = [r for r in recorders if isinstance(r, Moments | TestFunctions)]
        self._parts = {r.name: r.parts(engine.dim) for r in sums}
        self._sums = {r.name: Sums(r, engine.dim, count) for r in sums}
        self._counts = {r.name: Counts(r) for r in recorders if isinstance(r, Histogram)}
        self._seen: dict[str, list[Any]] = {r.name: [] for r in recorders}
        often = self._often()
        self._dense = [n for n in often if n in self._parts and engine.can_watch(self._parts[n])]
        counting = getattr(engine, "counts_on_the_way", False)
        self._counted = [n for n in often if n in self._counts and counting]
        self.stops = {
            s
            for name, steps in self._steps.items()
            for s in steps
            if s == 0 or name not in (*self._dense, *self._counted)
        } | self._pauses(count)

    def _often(self) -> list[str]:
        """Recorders for which a loop of its own is worth compiling."""
        if not self._engine.compiled:
            return []
        return [
            name
            for name, steps in self._steps.items()
            if len(steps) >= _DENSE and steps[-1] - steps[0] <= 16 * len(steps)
        ]

    def _pauses(self, count: int) -> set[int]:
        """Steps by which the room for sums and counts on the way is full."""
        pauses: set[int] = set()
        functions = max(1, sum(len(self._parts[name]) for name in self._dense))
        slots = max(1, min(256, _ROOM // (2 * functions * (1 + count // 64))))
        rooms = [(self._dense, slots)]
        for name in self._counted:
            recorder = self._counts[name].recorder
            if not recorder.over_time:
                rooms.append(([name], max(1, min(256, _ROOM // (16 * recorder.size)))))
        for names, slots in rooms:
            steps = sorted({s for name in names for s in self._steps[name] if s > 0})
            pauses |= set(steps[slots - 1 :: slots])
        return pauses

    def look(self, ensemble: Any, step: int) -> None:
        """Observe what is due at this stop."""
        for recorder in self._recorders:
            name = recorder.name
            on_the_way = name in self._dense or name in self._counted
            if step not in self._due[name] or (on_the_way and step > 0):
                continue
            match recorder:
                case Moments() | TestFunctions():
                    self._sums[name].add(self._engine.observe(ensemble, self._parts[name]))
                case Histogram():
                    counts, outside = self._engine.count_cells(ensemble, recorder)
                    self._counts[name].add(np.append(counts.reshape(-1), outside))
                case _:
                    self._seen[name].append(self._engine.positions(ensemble))

    def advance(self, ensemble: Any, low: int, high: int, first_step: int) -> dict[str, float]:
        """Go from one stop to the next, taking sums on the way; the engine's info."""
        due = sorted({s for name in self._dense for s in self._within(name, low, high)})
        counted = {name: self._within(name, low, high) for name in self._counted}
        if not due and not any(counted.values()):
            return self._engine.advance(ensemble, first_step + low, first_step + high)  # type: ignore[no-any-return]
        functions = {
            f"{name} {part}": function
            for name in (self._dense if due else ())
            for part, function in self._parts[name].items()
        }
        histograms = [
            (self._counts[name].recorder, [s - low for s in steps])
            for name, steps in counted.items()
            if steps
        ]
        options = {"histograms": histograms} if histograms else {}
        watched = self._engine.watch(
            ensemble, functions, [s - low for s in due], high - low, **options
        )
        info: dict[str, float] = self._engine.advance(
            ensemble, first_step + low, first_step + high, watched
        )
        if not info["not finite"]:
            self._share_out(due, watched.sums)
            names = [name for name, steps in counted.items() if steps]
            for name, found in zip(names, getattr(watched, "counted", ()), strict=True):
                for counts in found.counts:
                    self._counts[name].add(counts)
        return info

    def _within(self, name: str, low: int, high: int) -> list[int]:
        """The steps of a recorder that are due after ``low``, up to ``high``."""
        steps = self._steps[name]
        return steps[bisect.bisect_right(steps, low) : bisect.bisect_right(steps, high)]

    def _share_out(self, due: Sequence[int], sums: npt.NDArray[np.float64]) -> None:
        first = 0
        for name in self._dense:
            last = first + len(self._parts[name])
            for slot, step in enumerate(due):
                if step in self._due[name]:
                    self._sums[name].add(sums[slot, :, first:last])
            first = last

    def records(self, ensemble: Any) -> dict[str, Any]:
        """One record per recorder, by name."""
        result: dict[str, Any] = {}
        for recorder in self._recorders:
            name = recorder.name
            times = np.array([s * self._step_size for s in self._steps[name]])
            seen = self._seen[name]
            match recorder:
                case Moments() | TestFunctions():
                    result[name] = finish(self._sums[name], times, self._engine.sizes(ensemble))
                case Histogram():
                    result[name] = self._counts[name].record(times)
                case _:
                    result[name] = SnapshotRecord(times=times, positions=np.array(seen))
        return result
