"""The recorders of one run: what is due when, taken on the way or at stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .recorders import (
    Histogram,
    HistogramRecord,
    Moments,
    Recorder,
    SnapshotRecord,
    Sums,
    TestFunctions,
    finish,
)

_DENSE = 64  # observations from which a loop of its own is worth compiling
_ROOM = 2**22  # numbers that may be held for sums on the way


class Watch:
    """Feeds the recorders.

    Sums that are due often, on an engine that compiles, are taken inside the loop over blocks,
    so that the particles stay in the caches; everything else at ``stops`` between calls. Either
    way the sums are the same to the last bit.

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
        self._seen: dict[str, list[Any]] = {r.name: [] for r in recorders}
        self._dense = self._worth_compiling()
        dense_steps = sorted({s for name in self._dense for s in self._steps[name] if s > 0})
        functions = max(1, sum(len(self._parts[name]) for name in self._dense))
        slots = max(1, min(256, _ROOM // (2 * functions * (1 + count // 64))))
        self.stops = {
            s
            for name, steps in self._steps.items()
            for s in steps
            if name not in self._dense or s == 0
        } | set(dense_steps[slots - 1 :: slots])

    def _worth_compiling(self) -> list[str]:
        if not self._engine.compiled:
            return []
        return [
            name
            for name, steps in self._steps.items()
            if name in self._parts
            and len(steps) >= _DENSE
            and steps[-1] - steps[0] <= 16 * len(steps)
            and self._engine.can_watch(self._parts[name])
        ]

    def look(self, ensemble: Any, step: int) -> None:
        """Observe what is due at this stop."""
        for recorder in self._recorders:
            name = recorder.name
            if step not in self._due[name] or (name in self._dense and step > 0):
                continue
            match recorder:
                case Moments() | TestFunctions():
                    self._sums[name].add(self._engine.observe(ensemble, self._parts[name]))
                case Histogram():
                    self._seen[name].append(self._engine.count_cells(ensemble, recorder))
                case _:
                    self._seen[name].append(self._engine.positions(ensemble))

    def advance(self, ensemble: Any, low: int, high: int, first_step: int) -> dict[str, float]:
        """Go from one stop to the next, taking sums on the way; the engine's info."""
        due = sorted(
            {s for name in self._dense for s in self._due[name] if low < s <= high}
            if self._dense
            else ()
        )
        if not due:
            return self._engine.advance(ensemble, first_step + low, first_step + high)  # type: ignore[no-any-return]
        functions = {
            f"{name} {part}": function
            for name in self._dense
            for part, function in self._parts[name].items()
        }
        watched = self._engine.watch(ensemble, functions, [s - low for s in due], high - low)
        info: dict[str, float] = self._engine.advance(
            ensemble, first_step + low, first_step + high, watched
        )
        if not info["not finite"]:
            self._share_out(due, watched.sums)
        return info

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
                    result[name] = HistogramRecord(
                        times=times,
                        counts=np.array([c for c, _ in seen]),
                        outside=np.array([o for _, o in seen]),
                        edges=tuple(np.linspace(a, b, int(n) + 1) for a, b, n in recorder.edges),
                    )
                case _:
                    result[name] = SnapshotRecord(times=times, positions=np.array(seen))
        return result
