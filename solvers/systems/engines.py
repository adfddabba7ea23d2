"""Engines that advance copies of a system: its step on arrays, and the loop compiled from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula.generated import load

from ..noise import Noise
from ..noise.backends import Real
from ..threads import thread_count
from .loop_module import LoopText, loop_text
from .system import PerStep, System, at_step
from .trace import SystemTrace, is_scalar, trace_system

Array = npt.NDArray[Any]
_LANES = (16, 64)  # copies per group; the larger where a copy is small
_SMALL = 256  # numbers of a copy
_TAPE = 2**16  # normals drawn at once by the array engine


class Engine(Protocol):
    """Advances copies; states are arrays (copies, *shape)."""

    def begin(self, state: Mapping[str, Array]) -> None:
        """Take over a state."""

    def advance(self, first: int, last: int, every: int) -> dict[str, Array]:
        """Steps first to last - 1; records (T, copies, *shape) after every ``every`` steps."""

    def state(self) -> dict[str, Array]:
        """The present state."""


def block_noise(noise: Noise, block: str) -> Noise:
    """The noise of a block: copy r is particle r of it, a step reads as many normals as it has
    entries, in C order."""
    return noise.derive("block", block)


class ArrayEngine:
    """The step as it is written, on numpy or torch."""

    def __init__(
        self,
        system: System,
        shapes: Mapping[str, tuple[int, ...]],
        arguments: Mapping[str, Any],
        *,
        copies: int,
        noise: Noise,
        record: Sequence[str],
        backend: Literal["numpy", "torch"],
        dtype: Real,
        device: str,
    ) -> None:
        self._system, self._shapes, self._copies = system, shapes, copies
        self._noise = {name: block_noise(noise, name) for name in system.noisy}
        self._record, self._dtype = record, dtype
        self._options: Any = {"backend": backend, "dtype": dtype, "device": device}
        self._space: Any = np
        if backend == "torch":
            import torch

            self._space = torch
        self._arguments = {
            n: self._values(a) if isinstance(a, np.ndarray) else a for n, a in arguments.items()
        }

    def _values(self, a: Array) -> Any:
        if self._space is np:
            return np.array(a, dtype=self._dtype)
        return self._space.tensor(
            a, dtype=getattr(self._space, self._dtype), device=self._options["device"]
        )

    def _host(self, value: Any) -> Array:
        return np.asarray(value) if self._space is np else np.asarray(value.detach().cpu().numpy())

    def begin(self, state: Mapping[str, Array]) -> None:
        """Take over a state."""
        self._state = {n: self._values(v) for n, v in state.items()}

    def state(self) -> dict[str, Array]:
        """The present state."""
        return {n: np.array(self._host(v)) for n, v in self._state.items()}

    def _draws(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        sizes = {n: int(np.prod(self._shapes[n])) for n in self._noise}
        many = max(1, _TAPE // max(1, self._copies * sum(sizes.values())))
        for begin in range(first, last, many):
            count = min(many, last - begin)
            rows = {
                n: noise.tape(self._copies, begin * sizes[n], count * sizes[n], **self._options)
                for n, noise in self._noise.items()
            }
            for k in range(count):
                yield {
                    n: r[k * sizes[n] : (k + 1) * sizes[n]].T.reshape(
                        (self._copies, *self._shapes[n])
                    )
                    for n, r in rows.items()
                }

    def advance(self, first: int, last: int, every: int) -> dict[str, Array]:
        """Steps first to last - 1."""
        kept: dict[str, list[Array]] = {n: [] for n in self._record}
        with np.errstate(all="ignore"):
            for step, draw in zip(range(first, last), self._draws(first, last), strict=True):
                now = at_step(self._arguments, step)
                self._state = dict(self._system.step(self._state, draw, **now))
                if (step + 1) % every == 0:
                    for n, rows in kept.items():
                        rows.append(np.array(self._host(self._state[n])))
        empty = {n: np.zeros((0, self._copies, *self._shapes[n]), self._dtype) for n in kept}
        return {n: np.stack(rows) if rows else empty[n] for n, rows in kept.items()}


class CompiledEngine:
    """The loop that numba compiles from the trace of the step; see ``write_loops``."""

    def __init__(
        self,
        system: System,
        shapes: Mapping[str, tuple[int, ...]],
        arguments: Mapping[str, Any],
        *,
        copies: int,
        noise: Noise,
        record: Sequence[str],
        dtype: Real,
        threads: int | None,
    ) -> None:
        start = {n: np.zeros(shape) for n, shape in shapes.items()}
        self._trace: SystemTrace = trace_system(system, start, arguments)
        size = sum(int(np.prod(shape)) for shape in shapes.values())
        lanes = 1 if copies == 1 else _LANES[size <= _SMALL and copies > _LANES[0]]
        bits = noise.bits_for(dtype)
        self._text: LoopText = loop_text(self._trace, record, real=dtype, bits=bits, lanes=lanes)
        self._loop = load(self._text.text).advance
        self._arguments, self._record, self._dtype = arguments, tuple(record), dtype
        self._copies, self._lanes, self._shapes = copies, lanes, dict(shapes)
        self._groups = -(-copies // lanes)
        self._threads = min(thread_count(threads), self._groups)
        self._address = noise.address[2:]
        self._streams = np.array(
            [block_noise(noise, n).address[:2] for n in shapes], dtype=np.int64
        ).reshape(-1, 2)
        self._per_step = max(
            (int(np.prod(shapes[n])) / noise.lanes(dtype) for n in system.noisy), default=0.0
        )
        self._arrays = np.concatenate([np.zeros(0), *(a.ravel() for a in self._trace.arrays)])

    def begin(self, state: Mapping[str, Array]) -> None:
        """Take over a state."""
        self._blocks = {}
        for n, value in state.items():
            rows = np.asarray(value, dtype=self._dtype).reshape(self._copies, -1)
            spare = self._groups * self._lanes - self._copies
            rows = np.concatenate([rows, np.repeat(rows[-1:], spare, 0)])
            grouped = rows.reshape(self._groups, self._lanes, -1).transpose(0, 2, 1)
            self._blocks[n] = np.ascontiguousarray(grouped).reshape(self._groups, -1)

    def _apart(self, name: str, values: Array) -> Array:
        """(..., groups, size * lanes) as (..., copies, *shape)."""
        lead = values.shape[:-2]
        split = values.reshape((*lead, self._groups, -1, self._lanes)).swapaxes(-1, -2)
        rows = split.reshape((*lead, self._groups * self._lanes, *self._shapes[name]))
        at = (slice(None),) * len(lead)
        return np.ascontiguousarray(rows[(*at, slice(self._copies))])

    def state(self) -> dict[str, Array]:
        """The present state."""
        return {n: self._apart(n, values) for n, values in self._blocks.items()}

    def _scalars(self, first: int, last: int) -> Array:
        table = np.zeros((last - first, max(1, len(self._trace.scalars))))
        for j, name in enumerate(self._trace.scalars):
            a = self._arguments[name]
            table[:, j] = [a.at(k) for k in range(first, last)] if isinstance(a, PerStep) else a
        return table

    def advance(self, first: int, last: int, every: int) -> dict[str, Array]:
        """Steps first to last - 1."""
        if last * self._per_step >= 2**31:
            raise ArgumentError(f"{last} steps outlast the tape of their noise; take other streams")
        count = last // every - first // every
        kept = {
            n: np.empty((count, *self._blocks[n].shape), dtype=self._dtype) for n in self._record
        }
        common = (
            first, last, every, self._scalars(first, last), np.array([*self._text.constants, 0.0]),
            np.array([*self._text.sizes, 0], dtype=np.int64), self._arrays, self._streams,
            *self._address, *self._blocks.values(), *kept.values(),
        )  # fmt: skip
        ids = np.arange(self._groups * self._lanes, dtype=np.int64)
        edges = np.linspace(0, self._groups, self._threads + 1).astype(int).tolist()
        if self._threads == 1:
            self._loop(ids, 0, self._groups, *common)
        else:
            with ThreadPoolExecutor(self._threads) as workers:
                jobs = [
                    workers.submit(self._loop, ids, a, b, *common)
                    for a, b in itertools.pairwise(edges)
                ]
                for job in jobs:
                    job.result()
        return {n: self._apart(n, values) for n, values in kept.items()}


def engine_of(
    system: System,
    shapes: Mapping[str, tuple[int, ...]],
    arguments: Mapping[str, Any],
    *,
    copies: int,
    noise: Noise,
    record: Sequence[str],
    backend: Literal["numpy", "numba", "torch"],
    dtype: Real,
    device: str,
    threads: int | None,
) -> Engine:
    """The engine of a back end."""
    for name, value in arguments.items():
        if is_scalar(value) and not isinstance(value, PerStep) and not np.isfinite(value):
            raise ArgumentError(f"the argument {name} needs to be finite, got {value}")
    options: Any = {"copies": copies, "noise": noise, "record": record, "dtype": dtype}
    if backend == "numba":
        if device != "cpu":
            raise ArgumentError(f"numba runs on the cpu, got the device {device!r}")
        return CompiledEngine(system, shapes, arguments, threads=threads, **options)
    if backend == "numpy" or backend == "torch":
        return ArrayEngine(system, shapes, arguments, backend=backend, device=device, **options)
    raise ArgumentError(f"a back end is numpy, numba or torch, got {backend!r}")
