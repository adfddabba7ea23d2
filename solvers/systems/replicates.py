"""Many independent copies of a system, on any back end, with the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError

from ..noise import Noise
from ..noise.backends import Real
from .engines import Engine, engine_of
from .layout import State
from .system import System

Array = npt.NDArray[Any]
_PIECE = 1024  # steps between looks at whether all is finite


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicates:
    """What copies of a system leave behind.

    Attributes
    ----------
    steps : array (T,)
        Numbers of steps done at each record.
    records : mapping of block to array (T, copies, *shape)
    final : mapping of block to array (copies, *shape)
    """

    steps: npt.NDArray[np.int64]
    records: Mapping[str, Array]
    final: Mapping[str, Array]


def replicates(
    system: System,
    start: State,
    /,
    *,
    steps: int,
    noise: Noise,
    copies: int = 1,
    spread: Mapping[str, Any] | None = None,
    record: Sequence[str] = (),
    record_every: int = 1,
    backend: Literal["numpy", "numba", "torch"] = "numba",
    dtype: Real = "float64",
    device: str = "cpu",
    threads: int | None = None,
    **arguments: Any,
) -> Replicates:
    """Run independent copies of a system.

    Copy r reads the tapes of particle r: noise, and so every path, is the same on every back end
    to a few ulp, and copy r is the same whatever the number of copies. Numba compiles a loop from
    the step; numpy and torch run the step as it stands.

    Parameters
    ----------
    system : System
    start : mapping of arrays
        One copy's start.
    steps, copies : int
    noise : Noise
        Blocks draw from streams of their own below it.
    spread : mapping, optional
        Standard deviations (broadcast) of independent normal starts around ``start``, by block.
    record, record_every : blocks to record, every so many steps
    backend, dtype, device, threads
        Threads share out copies, on numba; the result does not depend on them.
    **arguments
        Of the step; numbers that are ``PerStep`` change from step to step.

    Raises
    ------
    ArgumentError
        For unusable arguments, or on numba a step that leaves the language.
    SolverError
        When a block stops being finite; with the step and the last finite state.
    """
    _check(system, start, steps, copies, record, record_every)
    shapes = {n: tuple(np.shape(v)) for n, v in start.items()}
    state = _starts(start, spread or {}, copies, noise)
    engine = engine_of(
        system,
        shapes,
        arguments,
        copies=copies,
        noise=noise,
        record=tuple(record),
        backend=backend,
        dtype=dtype,
        device=device,
        threads=threads,
    )
    engine.begin(state)
    kept: dict[str, list[Array]] = {n: [] for n in record}
    for first in range(0, steps, _PIECE):
        last = min(steps, first + _PIECE)
        before = engine.state()
        for name, values in engine.advance(first, last, record_every).items():
            kept[name].append(values)
        if _lost(engine.state()):
            _report(system, engine, before, first, last)
    empty = {n: np.zeros((0, copies, *shapes[n]), dtype) for n in record}
    return Replicates(
        steps=np.arange(record_every, steps + 1, record_every, dtype=np.int64),
        records={n: np.concatenate([empty[n], *rows]) for n, rows in kept.items()},
        final=engine.state(),
    )


def _starts(
    start: State, spread: Mapping[str, Any], copies: int, noise: Noise
) -> dict[str, npt.NDArray[np.float64]]:
    found = {}
    for name, value in start.items():
        centre = np.asarray(value, dtype=np.float64)
        found[name] = np.broadcast_to(centre, (copies, *centre.shape)).copy()
        if name in spread:
            normals = noise.derive("start", name).normals(copies, 0, max(1, centre.size))
            found[name] += np.asarray(spread[name]) * normals.reshape((copies, *centre.shape))
    return found


def _check(
    system: System,
    start: State,
    steps: int,
    copies: int,
    record: Sequence[str],
    record_every: int,
) -> None:
    system.noise_shapes(start)
    if steps < 0 or copies < 1 or record_every < 1:
        raise ArgumentError(
            "steps >= 0, copies >= 1 and record_every >= 1 are needed, got "
            f"{steps}, {copies}, {record_every}"
        )
    unknown = [n for n in record if n not in start]
    if unknown:
        raise ArgumentError(f"records are of the blocks {', '.join(start)}, got {unknown}")
    for name, value in start.items():
        if not np.size(value) or not np.all(np.isfinite(np.asarray(value, dtype=float))):
            raise ArgumentError(f"the start of {name} needs to be finite numbers, not none")


def _lost(state: Mapping[str, Array]) -> list[str]:
    return [n for n, v in state.items() if not np.all(np.isfinite(v))]


def _report(
    system: System, engine: Engine, before: Mapping[str, Array], first: int, last: int
) -> None:
    """Find the step by going through the piece again, one step at a time."""
    engine.begin(before)
    state = before
    for k in range(first, last):
        engine.advance(k, k + 1, 1)
        following = engine.state()
        if lost := _lost(following):
            copy = int(
                np.flatnonzero(
                    ~np.isfinite(following[lost[0]]).reshape(len(following[lost[0]]), -1).all(1)
                )[0]
            )
            raise SolverError(
                f"{lost[0]} of {system.name} stopped being finite in copy {copy}",
                step=k + 1,
                last_state=state,
            )
        state = following
