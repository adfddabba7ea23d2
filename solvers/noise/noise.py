"""Counter-based standard normals and uniforms, addressed by (stream, particle, step)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from .backends import Backend, Bits, Real, arithmetic, filler, resolution

if TYPE_CHECKING:
    import torch

Particles = int | range | Sequence[int] | npt.NDArray[np.integer[Any]]

_WORD = 2**32
_UNIFORMS_FROM = 2**31  # Philox indices below address normals, those above uniforms


def _hash_64(*labels: int | str) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for label in labels:
        digest.update(repr(label).encode() + b"\0")
    return int.from_bytes(digest.digest(), "little")


@dataclass(frozen=True)
class Noise:
    """Standard normals as a pure function of (seed, stream, particle, step, coordinate).

    Every particle owns a tape of normals; step s in dimension d reads entries s d to (s+1) d - 1
    of it, and one Philox4x32-10 call makes two of them from 53 bits each (or four from 32). The
    key is the seed; the counter holds (place on the tape, particle, stream), so that different
    addresses never share a call. Hence the value does not depend on the order asked, on the
    number of threads, on the back end (to a few ulp) or on the other particles: runs with one
    Noise are synchronously coupled.

    Parameters
    ----------
    seed : int
        0 <= seed < 2^64.
    stream : int or str
        Independent noise under one seed; a text is hashed to 64 bits.
    bits : 53, 32 or None
        Random bits per radius and angle; None means 53 for float64 and 32 for float32. 53-bit
        noise reaches |z| = 8.57, 32-bit noise 6.76. float64 with 32 bits costs less and follows
        the float32 path; float32 with 53 bits rounds the float64 path.

    Source
    ------
    Salmon et al., SC 2011 (``salmon-moraes-dror-shaw-2011``).
    """

    seed: int
    stream: int | str = 0
    bits: Bits | None = None

    def __post_init__(self) -> None:
        if not 0 <= int(self.seed) < 2**64:
            raise ArgumentError(f"a seed needs 0 <= seed < 2^64, got {self.seed}")
        if isinstance(self.stream, str):
            object.__setattr__(self, "stream", _hash_64(self.stream))
        if not 0 <= int(self.stream) < 2**64:
            raise ArgumentError(f"a stream needs 0 <= stream < 2^64, got {self.stream}")
        if self.bits not in (53, 32, None):
            raise ArgumentError(f"noise has 53 or 32 bits, got {self.bits}")

    def derive(self, *labels: int | str) -> Noise:
        """The noise of a stream named by this one's and the labels; same seed."""
        return Noise(self.seed, _hash_64(int(self.stream), *labels), self.bits)

    def bits_for(self, dtype: Real) -> Bits:
        """Bits per normal in this type."""
        return self.bits or (53 if dtype == "float64" else 32)

    @property
    def address(self) -> tuple[int, int, int, int]:
        """(stream low, stream high, key low, key high), 32 bits each."""
        seed, stream = int(self.seed), int(self.stream)
        return stream % _WORD, stream // _WORD, seed % _WORD, seed // _WORD

    def lanes(self, dtype: Real) -> int:
        """Normals per Philox call."""
        return resolution(self.bits_for(dtype), dtype).lanes

    def integers(
        self,
        particles: Particles,
        index: int,
        *,
        backend: Backend = "numpy",
        device: str | torch.device = "cpu",
    ) -> Any:
        """The four 32-bit words of one Philox call per particle, shape (n, 4), int64."""
        ids = _ids(particles)
        if backend == "numba":
            out = np.empty((ids.size, 4), dtype=np.int64)
            filler(53, "float64").integers(out, ids, index, *self.address)
            return out
        space, lane = _values(backend, ids, device)
        words = arithmetic(backend).philox4x32(lane * 0 + index, lane, *self.address)
        return space.stack([w + lane * 0 for w in words], 1)

    def normals(
        self,
        particles: Particles,
        step: int,
        dim: int,
        *,
        backend: Backend = "numpy",
        dtype: Real = "float64",
        device: str | torch.device = "cpu",
    ) -> Any:
        """Standard normals of one step, shape (n, dim)."""
        return self.tape(particles, step * dim, dim, backend=backend, dtype=dtype, device=device).T

    def uniforms(
        self,
        particles: Particles,
        step: int,
        count: int = 1,
        *,
        backend: Backend = "numpy",
        dtype: Real = "float64",
        device: str | torch.device = "cpu",
    ) -> Any:
        """Uniforms on (0, 1) of one step, shape (n, count); independent of the normals."""
        return self.tape(
            particles,
            step * count,
            count,
            law="uniforms",
            backend=backend,
            dtype=dtype,
            device=device,
        ).T

    def tape(
        self,
        particles: Particles,
        first: int,
        count: int,
        *,
        law: Literal["normals", "uniforms"] = "normals",
        backend: Backend = "numpy",
        dtype: Real = "float64",
        device: str | torch.device = "cpu",
    ) -> Any:
        """Entries first to first + count - 1 of every particle's tape, shape (count, n)."""
        bits = self.bits_for(dtype)
        way = resolution(bits, dtype)
        start, stop = first // way.lanes, -(-(first + count) // way.lanes)
        if first < 0 or count < 1 or stop > _UNIFORMS_FROM:
            raise ArgumentError(
                f"a tape has entries 0 to {_UNIFORMS_FROM * way.lanes - 1}, "
                f"asked for {first} to {first + count - 1}; go on with another stream"
            )
        ids = _ids(particles)
        keep = slice(first - start * way.lanes, first - start * way.lanes + count)
        offset = _UNIFORMS_FROM if law == "uniforms" else 0
        if backend == "numba":
            out = np.empty(((stop - start) * way.lanes, ids.size), dtype=dtype)
            filler(bits, dtype).tape(
                out, ids, start + offset, int(law == "uniforms"), *self.address
            )
            return out[keep]
        space, lane = _values(backend, ids, device)
        index = _values(backend, np.arange(start + offset, stop + offset), device)[1][:, None]
        shared = arithmetic(backend)
        words = shared.philox4x32(index, lane[None, :], *self.address)
        values = getattr(shared.functions, getattr(way, law))(*words)
        rows = space.stack(list(values), 1).reshape(-1, ids.size)[keep]
        return rows.astype(dtype) if backend == "numpy" else rows.to(getattr(space, dtype))


def _ids(particles: Particles) -> npt.NDArray[np.int64]:
    if isinstance(particles, int) and 0 <= particles <= _WORD:
        return np.arange(particles, dtype=np.int64)
    ids = np.asarray(particles)
    if ids.ndim != 1 or (ids.size and (ids.min() < 0 or ids.max() >= _WORD)):
        raise ArgumentError("particles are a count or a list of numbers from 0 to 2^32 - 1")
    return np.ascontiguousarray(ids, dtype=np.int64)


def _values(backend: Backend, a: npt.NDArray[Any], device: str | torch.device) -> tuple[Any, Any]:
    """The array module of a back end, and an array as its value there."""
    if backend == "numpy":
        return np, a
    if backend == "torch":
        import torch

        return torch, torch.as_tensor(a, dtype=torch.int64, device=device)
    raise ArgumentError(f"a back end is numpy, numba or torch, got {backend!r}")
