"""The fused GPU engine: a block of particles makes all its steps in registers.

The loop is generated from the scheme's trace and the energy's formula, like that of the numba
engine, and reads the same noise: the integers are equal, the rest agrees to rounding. Particles
need their state and nothing else, whatever the number of steps; sums are taken inside the loop.
Under TRITON_INTERPRET=1 the same text runs on the CPU, slowly, for tests.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula.generated import load
from lvebm_theory.protocols import Energy

from ..noise import Noise
from ..noise.backends import Bits, Real
from ..source_text import made_once
from .inline import scalar_function
from .recorders import Histogram
from .scheme import Scheme
from .trace import trace
from .triton_kernel import TritonText, kernel_text

Array = npt.NDArray[Any]

#: no contraction of a b + c: see ``noise.triton_text``
OPTIONS: dict[str, Any] = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": False}
_LARGEST_DIM = 24  # coordinates that, with their gradient and noise, stay in registers
_GROUPS = 4096  # sums per function that leave the card
_PIECE = 2**24  # particles that are moved or counted at a time


def interpreted() -> bool:
    """Whether Triton's interpreter stands in for the GPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def installed() -> bool:
    """Whether triton can be imported."""
    return importlib.util.find_spec("triton") is not None


def straight_source(energy: Energy) -> str | None:
    """The energy in Triton's words; None if there is no formula, or not one for registers."""
    if energy.dim > _LARGEST_DIM:
        return None
    try:
        source = energy.source("triton")
    except ArgumentError:  # a function that Triton lacks
        return None
    if source is None or scalar_function(source, "gradient") is None:
        return None
    return source


def block_size(dim: int, real: Real, count: int) -> int:
    """Particles per program of 128 threads.

    Several per thread hide latencies while the registers last; few particles are spread over as
    many processors as there may be.
    """
    per_thread = 4 if dim <= 2 else 2 if dim <= 4 else 1
    if real == "float64":
        per_thread = max(1, per_thread // 2)
    while per_thread > 1 and count < 1024 * 128 * per_thread:
        per_thread //= 2
    return 128 * per_thread


@made_once
def _module(
    scheme: Scheme,
    dim: int,
    source: str,
    real: Real,
    bits: Bits,
    parameters: int,
    own: bool,
    functions: tuple[tuple[str, Any], ...] = (),
    recording: bool = False,
) -> tuple[TritonText, ModuleType]:
    text = kernel_text(
        trace(scheme, dim),
        source,
        real=real,
        bits=bits,
        parameters=parameters,
        own_parameters=own,
        functions=dict(functions),
        recording=recording,
    )
    return text, load(text.text)


@dataclass
class TritonEnsemble:
    """Particles on the device: ``state`` (rows, n); ``ids`` None when numbered from first_id."""

    state: Any
    ids: Any
    first_id: int
    count: int

    def copy(self) -> TritonEnsemble:
        """The same particles in other memory."""
        return TritonEnsemble(self.state.clone(), self.ids, self.first_id, self.count)


@dataclass
class TritonWatched:
    """Where to record, after which steps, and the sums (slots, groups, functions, 2)."""

    slots: Array
    functions: tuple[tuple[str, Any], ...]
    sums: Array


class TritonEngine:
    """Advances ensembles on a GPU; see ``NumbaEngine`` for the arguments.

    Parameters
    ----------
    device : str
        "cuda", "cuda:1", ...; "cpu" under the interpreter.
    block : int, optional
        Particles per program, a power of two; results do not depend on it, sums do by rounding.

    Raises
    ------
    ArgumentError
        Without triton, or for an energy that ``straight_source`` refuses.
    """

    backend = "triton"
    compiled = True

    def __init__(
        self,
        energy: Energy,
        scheme: Scheme,
        *,
        noise: Noise,
        step_size: float,
        dtype: Real = "float64",
        device: str = "cuda",
        parameters: npt.ArrayLike | None = None,
        block: int | None = None,
    ) -> None:
        if not installed():
            raise ArgumentError("the back end triton needs the optional extra 'gpu'")
        source = straight_source(energy)
        if source is None:
            raise ArgumentError(f"{energy.name} has no formula for Triton's loops")
        import torch

        p = np.asarray(
            energy.parameter_vector() if parameters is None else parameters, dtype=np.float64
        )
        self._torch, self._device = torch, torch.device(device)
        self._own = p.ndim == 2
        self._noise, self._h, self.dim = noise, float(step_size), energy.dim
        self._real = getattr(torch, dtype)
        self._key = (
            scheme, energy.dim, source, dtype, noise.bits_for(dtype), p.shape[-1], self._own
        )  # fmt: skip
        self.text, self._plain = _module(*self._key)
        self._block = block or (2**14 if interpreted() else None)
        self.dtype: Real = dtype
        self._given = p
        self._parameters: Any = None
        self._constants = self._tensor(np.array([*self.text.constants(self._h), 0.0]))
        self._nothing = torch.zeros(1, dtype=torch.float64, device=self._device)

    @property
    def kernel(self) -> Any:
        """The loop without recording."""
        return self._plain.advance

    def close(self) -> None:
        """Nothing to let go."""

    def _tensor(self, a: Array) -> Any:
        return self._torch.as_tensor(np.ascontiguousarray(a, dtype=self.dtype), device=self._device)

    def _on_device(self) -> Any:
        if self._device.type == "cuda":
            return self._torch.cuda.device(self._device)
        return contextlib.nullcontext()

    def block(self, count: int) -> int:
        """Particles per program."""
        return self._block or block_size(self.dim, self.dtype, count)

    def _programs(self, count: int) -> int:
        return -(-count // self.block(count))

    def begin(self, x: Array, ids: npt.NDArray[np.int64]) -> TritonEnsemble:
        """Particles at x (n, d), numbered by ids (n,)."""
        state = self._torch.zeros((self.text.rows, len(x)), dtype=self._real, device=self._device)
        first, consecutive = int(ids[0]), True
        for a in range(0, len(x), _PIECE):
            b = min(len(x), a + _PIECE)
            state[: self.dim, a:b] = self._tensor(x[a:b].T)
            consecutive &= np.array_equal(ids[a:b], np.arange(first + a, first + b))
        numbers = None if consecutive else self._torch.as_tensor(ids, device=self._device)
        ensemble = TritonEnsemble(state, numbers, first, len(x))
        self._lay_out(len(x))
        self.refresh(ensemble)
        return ensemble

    def _lay_out(self, count: int) -> None:
        if self._own and len(self._given) != count:
            raise ArgumentError(f"need one row of parameters per particle, got {len(self._given)}")
        p = self._given.T if self._own else np.append(self._given, 0.0)
        self._parameters = self._tensor(p)

    def change_parameters(self, ensemble: TritonEnsemble, parameters: npt.ArrayLike) -> None:
        """Go on under other parameters of the same shape; nothing is compiled."""
        p = np.asarray(parameters, dtype=np.float64)
        if p.shape != self._given.shape:
            raise ArgumentError(f"need parameters of shape {self._given.shape}, got {p.shape}")
        self._given = p
        self._lay_out(ensemble.count)
        self.refresh(ensemble)

    def refresh(self, ensemble: TritonEnsemble) -> None:
        """Recompute what the state keeps besides the position."""
        if self.text.rows == self.dim:
            return
        with self._on_device():
            self._plain.initialise[(self._programs(ensemble.count),)](
                ensemble.state, self._parameters, self._constants,
                ensemble.count, ensemble.count, BLOCK=self.block(ensemble.count), **OPTIONS,
            )  # fmt: skip

    def advance(
        self,
        ensemble: TritonEnsemble,
        first: int,
        last: int,
        watched: TritonWatched | None = None,
    ) -> dict[str, float]:
        """Steps first to last - 1 in place; see ``NumbaEngine.advance``."""
        text, module = self.text, self._plain
        block, own_ids = self.block(ensemble.count), ensemble.ids is not None
        slots, sums, records = self._nothing, self._nothing, None
        if watched is not None:
            text, module = _module(*self._key, watched.functions, True)
            records = self._room(watched.sums.shape[0], ensemble.count, text.functions)
            slots, sums = self._torch.as_tensor(watched.slots, device=self._device), records
        ids = ensemble.ids if own_ids else self._nothing
        programs = self._programs(ensemble.count)
        shape = (programs, max(1, len(text.info)))
        info = self._torch.zeros(shape, dtype=self._torch.float64, device=self._device)
        total = self._torch.zeros_like(info)
        lost = self._torch.zeros(programs, dtype=self._torch.int32, device=self._device)
        with self._on_device():
            for low, high, ragged in pieces(first, last, text.chunk):
                module.advance[(programs,)](
                    ensemble.state, self._parameters, self._constants, ids, info, lost, slots, sums,
                    ensemble.count, ensemble.count, ensemble.first_id, low, high,
                    low // text.chunk, -(-high // text.chunk), *_words(self._noise.address),
                    BLOCK=block, CONSECUTIVE=not own_ids, RAGGED=ragged,
                    **OPTIONS,
                )  # fmt: skip
                total += info
                if records is not None:
                    slots = slots[high - low :]
        if watched is not None:
            watched.sums[:] = self._grouped(records)
        result = {name: float(total[:, k].sum()) for k, name in enumerate(text.info)}
        result["not finite"] = float((lost > 0).sum())
        return result

    def _room(self, slots: int, count: int, functions: int) -> Any:
        shape = (slots, self._programs(count), functions, 2)
        return self._torch.zeros(shape, dtype=self._torch.float64, device=self._device)

    def _group(self, count: int) -> int:
        """Programs per group of sums."""
        return -(-self._programs(count) // _GROUPS)

    def _grouped(self, sums: Any) -> Array:
        """Sums over each group of programs, (slots, groups, functions, 2), on the host."""
        slots, programs, functions, _ = sums.shape
        size = -(-programs // _GROUPS)
        if size > 1:
            padded = self._torch.nn.functional.pad(sums, (0, 0, 0, 0, 0, -programs % size))
            sums = padded.reshape(slots, -1, size, functions, 2).sum(2)
        return np.asarray(sums.cpu().numpy())

    def positions(self, ensemble: TritonEnsemble) -> Array:
        """The particles, shape (n, d)."""
        return np.array(ensemble.state[: self.dim].T.cpu().numpy(), order="C")

    def can_watch(self, functions: dict[str, Any]) -> bool:
        """Whether these functions can be compiled into the loop."""
        return self._recorder(functions) is not None

    def _recorder(self, functions: dict[str, Any]) -> tuple[TritonText, ModuleType] | None:
        try:
            return _module(*self._key, tuple(functions.items()), True)
        except (ArgumentError, TypeError, AttributeError):
            return None

    def watch(
        self,
        ensemble: TritonEnsemble,
        functions: dict[str, Any],
        due: Sequence[int],
        steps: int,
    ) -> TritonWatched:
        """Room for the sums at these of the next ``steps`` steps."""
        slots = np.full(steps + 1, -1, dtype=np.int64)
        slots[list(due)] = np.arange(len(due))
        groups = -(-self._programs(ensemble.count) // self._group(ensemble.count))
        sums = np.zeros((len(due), groups, len(functions), 2))
        return TritonWatched(slots, tuple(functions.items()), sums)

    def observe(self, ensemble: TritonEnsemble, functions: dict[str, Any]) -> Array:
        """Sums over each group of particles of f and f^2, shape (groups, q, 2).

        Functions that cannot be compiled are called with all coordinates (d, n) at once.
        """
        found = self._recorder(functions)
        if found is None:
            return self._observe_plainly(ensemble, functions)
        sums = self._room(1, ensemble.count, len(functions))
        with self._on_device():
            found[1].observe[(self._programs(ensemble.count),)](
                ensemble.state, sums, ensemble.count, ensemble.count,
                BLOCK=self.block(ensemble.count), **OPTIONS,
            )  # fmt: skip
        return np.asarray(self._grouped(sums)[0])

    def _observe_plainly(self, ensemble: TritonEnsemble, functions: dict[str, Any]) -> Array:
        x = self.positions(ensemble).T.astype(np.float64)
        edges = np.arange(
            0, ensemble.count, self.block(ensemble.count) * self._group(ensemble.count)
        )
        sums = np.zeros((len(edges), len(functions), 2))
        for q, function in enumerate(functions.values()):
            value = np.broadcast_to(np.asarray(function(x), dtype=np.float64), x.shape[1:])
            sums[:, q, 0] = np.add.reduceat(value, edges)
            sums[:, q, 1] = np.add.reduceat(value**2, edges)
        return sums

    def sizes(self, ensemble: TritonEnsemble) -> npt.NDArray[np.int64]:
        """Particles per group of ``observe``."""
        size = self.block(ensemble.count) * self._group(ensemble.count)
        return np.minimum(size, ensemble.count - np.arange(0, ensemble.count, size))

    def count_cells(
        self, ensemble: TritonEnsemble, recorder: Histogram
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Counts in the cells of a histogram, and outside."""
        lows, scales, cells = recorder.arrays()
        total = self._torch.zeros(int(np.prod(cells)), dtype=self._torch.int64)
        for start in range(0, ensemble.count, _PIECE):
            flat: Any = 0
            inside: Any = True
            for axis, low, scale, n in zip(recorder.axes, lows, scales, cells, strict=True):
                place = (ensemble.state[axis, start : start + _PIECE].double() - low) * scale
                within = (place >= 0.0) & (place < int(n))
                inside = within & inside
                flat = flat * int(n) + self._torch.where(within, place, 0.0).long()
            total += self._torch.bincount(flat[inside], minlength=len(total)).cpu()
        counts = total.numpy().reshape(recorder.shape)
        return counts, int(ensemble.count - counts.sum())


def pieces(first: int, last: int, chunk: int) -> list[tuple[int, int, bool]]:
    """(first, last, ragged) of the launches: whole chunks in one, the odd ends apart."""
    low, high = -(-first // chunk) * chunk, last // chunk * chunk
    if low >= high:
        return [(first, last, True)] if last > first else []
    ends = [(first, low, True), (low, high, False), (high, last, True)]
    return [(a, b, ragged) for a, b, ragged in ends if b > a]


def _words(address: tuple[int, ...]) -> list[int]:
    """32-bit words as signed numbers: every seed has the same kernel argument types."""
    return [word - 2**32 if word >= 2**31 else word for word in address]
