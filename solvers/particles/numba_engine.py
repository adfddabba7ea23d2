"""The compiled particle engine: particles in blocks, blocks over threads.

Blocks are independent and every random number is addressed by its particle, so the number of
threads changes nothing, bit for bit. Loops release the interpreter's lock and run in a thread
pool of our own: no process-wide thread count, no second threading layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
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
from ..threads import thread_count
from .kernel import KernelText, Observed, kernel_text
from .numba_watch import Watched, nothing
from .record_kernel import cell_counter, observer
from .recorders import Histogram
from .scheme import Scheme
from .trace import trace

Array = npt.NDArray[Any]


@made_once
def _module(
    scheme: Scheme,
    dim: int,
    source: str,
    real: Real,
    bits: Bits,
    parameters: int,
    own: bool,
    observed: Observed | None = None,
) -> tuple[KernelText, ModuleType]:
    text = kernel_text(
        trace(scheme, dim),
        source,
        real=real,
        bits=bits,
        parameters=parameters,
        own_parameters=own,
        observed=observed,
    )
    return text, load(text.text)


def _aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Zeros that begin with a cache line, so that no vector of the loop straddles two."""
    raw = np.zeros(size * dtype.itemsize + 64, dtype=np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size * dtype.itemsize].view(dtype)


@dataclass
class Ensemble:
    """Particles in the engine's layout; ``state`` is (blocks, rows, block), flattened."""

    state: Array
    ids: npt.NDArray[np.int64]
    count: int

    def copy(self) -> Ensemble:
        """The same particles in other memory."""
        state = _aligned(self.state.size, self.state.dtype)
        state[:] = self.state
        return Ensemble(state, self.ids, self.count)


class NumbaEngine:
    """Advances ensembles under one energy and scheme.

    Parameters
    ----------
    energy : Energy
        With a numba source.
    scheme : Scheme
    dtype : {"float64", "float32"}
    noise : Noise
    step_size : float
    threads : int or None
        None: every core.
    parameters : array (n_p,) or (n, n_p), optional
        In place of the energy's own; one row per particle if two-dimensional.
    """

    backend = "numba"
    compiled = True
    counts_on_the_way = True

    def __init__(
        self,
        energy: Energy,
        scheme: Scheme,
        *,
        noise: Noise,
        step_size: float,
        dtype: Real = "float64",
        threads: int | None = None,
        parameters: npt.ArrayLike | None = None,
    ) -> None:
        source = energy.source("numba")
        if source is None:
            raise ArgumentError(f"{energy.name} has no source to compile")
        p = np.asarray(
            energy.parameter_vector() if parameters is None else parameters, dtype=np.float64
        )
        self._own = p.ndim == 2
        self._scheme, self._dtype, self._noise = scheme, np.dtype(dtype), noise
        self._h = float(step_size)
        self._threads = thread_count(threads)
        self._key = (
            scheme, energy.dim, source, dtype, noise.bits_for(dtype), p.shape[-1], self._own
        )  # fmt: skip
        self.text, self._module = _module(*self._key)
        self.dim = energy.dim
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None
        self._given = p
        self._parameters: Array | None = None
        self._observers: dict[Any, Any] = {}

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def begin(self, x: Array, ids: npt.NDArray[np.int64]) -> Ensemble:
        """Particles at x (n, d), numbered by ids (n,); the last block is filled with copies."""
        n, block = len(x), self.text.block
        blocks = -(-n // block)
        pad = np.minimum(np.arange(blocks * block), n - 1)
        state = _aligned(blocks * self.text.rows * block, self._dtype).reshape(
            blocks, self.text.rows, block
        )
        state[:, : self.dim] = x[pad].reshape(blocks, block, self.dim).transpose(0, 2, 1)
        self._parameters = self._laid_out(pad, blocks)
        ensemble = Ensemble(state.reshape(-1), np.ascontiguousarray(ids[pad]), n)
        self.refresh(ensemble)
        return ensemble

    def _laid_out(self, pad: Array, blocks: int) -> Array:
        p = self._given.astype(self._dtype)
        if not self._own:
            return p
        block = self.text.block
        if len(p) != pad.max() + 1:
            raise ArgumentError(f"need one row of parameters per particle, got {len(p)}")
        return np.ascontiguousarray(
            p[pad].reshape(blocks, block, -1).transpose(0, 2, 1), dtype=self._dtype
        ).reshape(-1)

    def change_parameters(self, ensemble: Ensemble, parameters: npt.ArrayLike) -> None:
        """Go on under other parameters of the same shape; nothing is compiled."""
        p = np.asarray(parameters, dtype=np.float64)
        if p.shape != self._given.shape:
            raise ArgumentError(f"need parameters of shape {self._given.shape}, got {p.shape}")
        self._given = p
        blocks = len(ensemble.ids) // self.text.block
        self._parameters = self._laid_out(
            np.minimum(np.arange(len(ensemble.ids)), ensemble.count - 1), blocks
        )
        self.refresh(ensemble)

    def refresh(self, ensemble: Ensemble) -> None:
        """Recompute what the state keeps besides the position."""
        if self.text.rows > self.dim:
            self._over_blocks(
                ensemble,
                lambda low, high: self._module.initialise(
                    ensemble.state, self._parameters, self._h, low, high
                ),
            )

    def advance(
        self, ensemble: Ensemble, first: int, last: int, watched: Watched | None = None
    ) -> dict[str, float]:
        """Steps first to last - 1 in place.

        Parameters
        ----------
        watched : Watched, optional
            Functions to sum and cells to count on the way, after the steps that its ``slots``
            name.

        Returns
        -------
        dict
            Sum over particles and steps of every entry of the step's info; under "not finite"
            the number of blocks that hold a value which is not finite.
        """
        blocks = len(ensemble.ids) // self.text.block
        info = np.zeros((blocks, len(self.text.info), self.text.block), dtype=self._dtype)
        finite = np.zeros(blocks, dtype=np.int64)
        flat = info.reshape(-1)
        module = self._module
        extra: Callable[[], AbstractContextManager[Any]] = nothing
        if watched is not None:
            module = _module(*self._key, watched.observed(self.text.block))[1]
            extra = watched.pieces(ensemble.count)

        def work(low: int, high: int) -> None:
            with extra() as arguments:
                module.advance(
                    ensemble.state,
                    self._parameters,
                    ensemble.ids,
                    self._h,
                    first,
                    last,
                    low,
                    high,
                    flat,
                    finite,
                    *self._noise.address,
                    *arguments,
                )

        self._over_blocks(ensemble, work)
        result = {
            name: float(info[:, k].reshape(-1)[: ensemble.count].sum(dtype=np.float64))
            for k, name in enumerate(self.text.info)
        }
        result["not finite"] = float(np.sum(finite == 0))
        return result

    def positions(self, ensemble: Ensemble) -> Array:
        """The particles, shape (n, d)."""
        state = ensemble.state.reshape(-1, self.text.rows, self.text.block)[:, : self.dim]
        # a copy always: in one dimension the rearranged state is a view of what the next step moves
        return state.transpose(0, 2, 1).reshape(-1, self.dim)[: ensemble.count].copy()

    def can_watch(self, functions: dict[str, Any]) -> bool:
        """Whether these functions can be compiled into the loop."""
        return self._observer(functions) is not None

    def watch(
        self,
        ensemble: Ensemble,
        functions: dict[str, Any],
        due: Sequence[int],
        steps: int,
        histograms: Sequence[tuple[Histogram, Sequence[int]]] = (),
    ) -> Watched:
        """Room for the sums at these of the next ``steps`` steps, and for counts at theirs."""
        module = self._observer(functions) if functions else None
        slots = np.full(steps + 1, -1, dtype=np.int64)
        slots[list(due)] = np.arange(len(due))
        blocks = len(ensemble.ids) // self.text.block
        watched = Watched(slots, np.zeros((len(due), blocks, len(functions), 2)), module)
        watched.count(histograms, steps)
        return watched

    def observe(self, ensemble: Ensemble, functions: dict[str, Any]) -> Array:
        """Sums over each block of f and f^2, shape (blocks, q, 2).

        Functions that cannot be compiled are called with all coordinates (d, n) at once.
        """
        blocks = len(ensemble.ids) // self.text.block
        sums = np.zeros((blocks, len(functions), 2))
        kernel = self._observer(functions)
        if kernel is None:
            return self._observe_plainly(ensemble, functions, sums)
        self._over_blocks(
            ensemble,
            lambda low, high: kernel.observe(
                ensemble.state, self.text.rows, ensemble.count, low, high, sums
            ),
        )
        return sums

    def _observer(self, functions: dict[str, Any]) -> Any:
        key = tuple(functions.items())
        if key not in self._observers:
            try:
                self._observers[key] = observer(functions, self.dim, self.text.block)
            except (ArgumentError, TypeError, AttributeError):
                self._observers[key] = None
        return self._observers[key]

    def _observe_plainly(self, ensemble: Ensemble, functions: dict[str, Any], sums: Array) -> Array:
        x = self.positions(ensemble).T.astype(np.float64)
        edges = np.arange(0, ensemble.count, self.text.block)
        for q, function in enumerate(functions.values()):
            value = np.broadcast_to(np.asarray(function(x), dtype=np.float64), x.shape[1:])
            sums[:, q, 0] = np.add.reduceat(value, edges)
            sums[:, q, 1] = np.add.reduceat(value**2, edges)
        return sums

    def sizes(self, ensemble: Ensemble) -> npt.NDArray[np.int64]:
        """Particles per group of ``observe``."""
        starts = np.arange(0, len(ensemble.ids), self.text.block)
        return np.minimum(self.text.block, ensemble.count - starts)

    def count_cells(
        self, ensemble: Ensemble, recorder: Histogram
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Counts in the cells of a histogram, and outside."""
        kernel, partial = cell_counter(self.text.block).count_cells, []

        def count(low: int, high: int) -> None:
            counts = np.zeros(recorder.size + 1, dtype=np.int64)
            partial.append(counts)
            kernel(
                ensemble.state, self.text.rows, ensemble.count, low, high,
                np.array(recorder.axes), *recorder.arrays(), counts,
            )  # fmt: skip

        self._over_blocks(ensemble, count)
        total = np.sum(partial, axis=0)
        return total[:-1].reshape(recorder.shape), int(total[-1])

    def _over_blocks(self, ensemble: Ensemble, work: Any) -> None:
        blocks = len(ensemble.ids) // self.text.block
        if self._pool is None or blocks == 1:
            work(0, blocks)
            return
        pieces = min(blocks, 8 * self._threads)
        edges = [blocks * k // pieces for k in range(pieces + 1)]
        futures = [self._pool.submit(work, a, b) for a, b in itertools.pairwise(edges)]
        for future in futures:
            future.result()
