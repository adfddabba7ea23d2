"""The same step on whole arrays (d, n): numpy for any energy, torch on any device.

Nothing is generated here: the scheme's step runs as it is written. So this engine is the second
witness of the compiled one, and the one that takes energies without a formula.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula.generated import load
from lvebm_theory.protocols import Energy

from ..noise import Noise
from ..noise.backends import Real
from .recorders import Histogram
from .scheme import Scheme, State

Array = npt.NDArray[Any]
_GROUP = 256  # particles per group of an average
_PIECE = 128 * _GROUP  # particles at a time on a CPU: their arrays stay in the caches


@functools.lru_cache(maxsize=256)
def _torch_module(source: str) -> ModuleType:
    return load(source)


class ArrayEnergy:
    """An energy on coordinates-lead arrays, for the steps."""

    def __init__(self, energy: Energy, space: Any, parameters: Any) -> None:
        self._energy, self._space, self._p = energy, space, parameters
        source = energy.source("torch") if space is not np else None
        self._module = None if source is None else _torch_module(source)

    @property
    def native(self) -> bool:
        """True if torch evaluates the energy itself, without a way through numpy."""
        return self._module is not None or self._space is np

    def potential(self, x: Any) -> Any:
        """U, shape (n,)."""
        if self._module is not None:
            return self._module.potential(x, self._p)
        return self._through_numpy(self._energy.potential, x)

    def gradient(self, x: Any) -> Any:
        """grad U, shape (d, n)."""
        if self._module is not None:
            return self._module.gradient(x, self._p)
        return self._through_numpy(self._energy.gradient, x)

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        """U and grad U."""
        return self.potential(x), self.gradient(x)

    def _through_numpy(self, function: Any, x: Any) -> Any:
        if self._space is np:
            return np.asarray(function(x.T.astype(np.float64)).T).astype(x.dtype)
        values = function(x.detach().cpu().numpy().T.astype(np.float64)).T
        return self._space.as_tensor(np.ascontiguousarray(values)).to(x)


class _Tape:
    """Noise of consecutive steps, several steps per Philox call."""

    def __init__(self, noise: Noise, ids: Array, dim: int, options: dict[str, Any]) -> None:
        self._noise, self._ids, self._dim, self._options = noise, ids, dim, options
        self._held: dict[str, tuple[int, int, Any]] = {}

    def _rows(self, law: Literal["normals", "uniforms"], step: int, width: int, last: int) -> Any:
        begin, end, rows = self._held.get(law, (0, 0, None))
        if not begin <= step < end:
            begin, end = step, min(last, step + max(1, 8 // width))
            rows = self._noise.tape(
                self._ids, begin * width, (end - begin) * width, law=law, **self._options
            )
            self._held[law] = begin, end, rows
        assert rows is not None
        return rows[(step - begin) * width : (step - begin + 1) * width]

    def draw(self, step: int, last: int) -> Any:
        """The noise of one step; what is not read is not computed."""
        tape, dim = self, self._dim

        class Lazy:
            @property
            def normal(self) -> Any:
                return tape._rows("normals", step, dim, last)

            @property
            def uniform(self) -> Any:
                return tape._rows("uniforms", step, 1, last)[0]

        return Lazy()


@dataclass
class ArrayEnsemble:
    """States of pieces of the ensemble."""

    pieces: list[State]
    ids: list[Array]
    count: int

    def copy(self) -> ArrayEnsemble:
        """The same particles; steps never write in place, so sharing is safe."""
        return ArrayEnsemble([dict(state) for state in self.pieces], self.ids, self.count)


class ArrayEngine:
    """Advances ensembles on numpy or torch; see ``NumbaEngine`` for the arguments."""

    compiled = False

    def __init__(
        self,
        energy: Energy,
        scheme: Scheme,
        *,
        backend: Literal["numpy", "torch"],
        noise: Noise,
        step_size: float,
        dtype: Real = "float64",
        device: str = "cpu",
        threads: int | None = None,
        parameters: npt.ArrayLike | None = None,
    ) -> None:
        self.backend, self.dim, self._device = backend, energy.dim, device
        self._dtype: Real = dtype
        self._scheme, self._h, self._noise, self._energy = scheme, float(step_size), noise, energy
        self._space: Any = np
        if backend == "torch":
            import torch

            self._space = torch
        self._threads = threads or 1
        self._given = np.asarray(
            energy.parameter_vector() if parameters is None else parameters, dtype=np.float64
        )
        if parameters is not None and not ArrayEnergy(energy, self._space, None)._module:
            raise ArgumentError(
                "parameters other than the energy's own need a back end with its formula "
                f"(numba or torch); {energy.name} on {backend} has none"
            )

    @contextlib.contextmanager
    def _threads_of_torch(self) -> Iterator[None]:
        """Short elementwise loops lose more to waiting threads than they gain: one by default."""
        if self._space is np:
            yield
            return
        before = self._space.get_num_threads()
        self._space.set_num_threads(self._threads)
        try:
            yield
        finally:
            self._space.set_num_threads(before)

    def close(self) -> None:
        """Nothing to let go."""

    def _piece_energy(self, ids: slice) -> ArrayEnergy:
        p = self._given if self._given.ndim == 1 else self._given[ids].T
        if self._space is not np:
            p = self._values(p)
        return ArrayEnergy(self._energy, self._space, p)

    def _values(self, a: Array) -> Any:
        if self._space is np:
            return np.ascontiguousarray(a, dtype=self._dtype)
        return self._space.as_tensor(np.ascontiguousarray(a)).to(
            device=self._device, dtype=getattr(self._space, self._dtype)
        )

    def _slices(self, count: int) -> list[slice]:
        size = _PIECE if self._device == "cpu" else max(1, count)
        return [slice(a, min(count, a + size)) for a in range(0, count, size)]

    def begin(self, x: Array, ids: npt.NDArray[np.int64]) -> ArrayEnsemble:
        """Particles at x (n, d), numbered by ids (n,)."""
        slices = self._slices(len(x))
        pieces = [self._scheme.init(self._values(x[s].T), self._piece_energy(s)) for s in slices]
        return ArrayEnsemble(pieces, [ids[s] for s in slices], len(x))

    def change_parameters(self, ensemble: ArrayEnsemble, parameters: npt.ArrayLike) -> None:
        """Go on under other parameters of the same shape."""
        p = np.asarray(parameters, dtype=np.float64)
        if p.shape != self._given.shape:
            raise ArgumentError(f"need parameters of shape {self._given.shape}, got {p.shape}")
        self._given = p
        self.refresh(ensemble)

    def refresh(self, ensemble: ArrayEnsemble) -> None:
        """Recompute what the state keeps besides the position."""
        for k, s in enumerate(self._slices(ensemble.count)):
            ensemble.pieces[k] = self._scheme.init(ensemble.pieces[k]["x"], self._piece_energy(s))

    def advance(self, ensemble: ArrayEnsemble, first: int, last: int) -> dict[str, float]:
        """Steps first to last - 1; sums of info, and the pieces that are not finite."""
        sums: dict[str, float] = {}
        bad = 0
        options = {"backend": self.backend, "dtype": self._dtype, "device": self._device}
        with self._threads_of_torch(), np.errstate(all="ignore"):
            for k, s in enumerate(self._slices(ensemble.count)):
                energy, state = self._piece_energy(s), ensemble.pieces[k]
                tape = _Tape(self._noise, ensemble.ids[k], self.dim, options)
                for step in range(first, last):
                    state, info = self._scheme.step(state, energy, self._h, tape.draw(step, last))
                    for name, value in info.items():
                        sums[name] = sums.get(name, 0.0) + self._total(value, s.stop - s.start)
                ensemble.pieces[k] = state
                bad += not bool(self._space.isfinite(state["x"]).all())
        return {**sums, "not finite": float(bad)}

    def _total(self, value: Any, count: int) -> float:
        """Sum over particles, in double precision; a number counts for every particle."""
        if not hasattr(value, "sum"):
            return float(value) * count
        return float(value.sum(dtype=self._space.float64))

    def positions(self, ensemble: ArrayEnsemble) -> Array:
        """The particles, shape (n, d)."""
        parts = [state["x"] for state in ensemble.pieces]
        arrays = parts if self._space is np else [p.detach().cpu().numpy() for p in parts]
        return np.ascontiguousarray(np.concatenate(arrays, axis=1).T)

    def observe(self, ensemble: ArrayEnsemble, functions: dict[str, Any]) -> Array:
        """Sums over groups of particles of f and f^2, shape (groups, q, 2)."""
        rows = []
        for state in ensemble.pieces:
            x = state["x"].astype(np.float64) if self._space is np else state["x"].double()
            row = []
            for function in functions.values():
                value = function(x) + 0.0 * x[0]  # a constant function too has n values
                row.append(self._group_sums(value))
                row.append(self._group_sums(value * value))
            rows.append(np.stack(row, axis=1).reshape(-1, len(functions), 2))
        return np.concatenate(rows)

    def _group_sums(self, value: Any) -> Array:
        """Sums over groups of ``_GROUP`` particles."""
        whole = len(value) // _GROUP * _GROUP
        sums = [value[:whole].reshape(-1, _GROUP).sum(1)]
        if whole < len(value):
            sums.append(value[whole:].sum().reshape(1))
        if self._space is np:
            return np.concatenate(sums)
        return np.asarray(self._space.cat(sums).cpu().numpy())

    def count_cells(
        self, ensemble: ArrayEnsemble, recorder: Histogram
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Counts in the cells of a histogram, and outside."""
        lows, scales, cells = recorder.arrays()
        x = self.positions(ensemble)[:, list(recorder.axes)].astype(np.float64)
        with np.errstate(invalid="ignore"):
            place = (x - lows) * scales
            inside = np.all((place >= 0.0) & (place < cells), axis=1)
        flat = np.ravel_multi_index(
            tuple(place[inside].astype(np.int64).T), tuple(int(c) for c in cells)
        )
        counts = np.bincount(flat, minlength=int(np.prod(cells)))
        return counts.reshape(recorder.shape), int(ensemble.count - inside.sum())

    def sizes(self, ensemble: ArrayEnsemble) -> npt.NDArray[np.int64]:
        """Particles per group of ``observe``."""
        sizes = []
        for ids in ensemble.ids:
            whole, rest = divmod(len(ids), _GROUP)
            sizes += [_GROUP] * whole + [rest] * (rest > 0)
        return np.array(sizes)
