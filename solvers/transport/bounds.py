"""Cheap bounds on W2 in any dimension: Gelbrich and sliced from below, couplings from above."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import Gaussian, wasserstein

from .one_dimensional import w2_samples


def gelbrich_lower(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """W2 between the Gaussians with the clouds' moments: never above W2 (Gelbrich 1990).

    It is the dual bound of quadratic potentials, hence sharp exactly when the optimal map is
    affine. x (n, d), y (m, d).
    """
    return wasserstein(*(Gaussian(p.mean(0), np.cov(p.T, bias=True)) for p in _clouds(x, y)))


def sliced_lower(x: npt.ArrayLike, y: npt.ArrayLike, *, frames: int = 16, seed: int = 0) -> float:
    """max over orthonormal frames Q of [ sum_k W2^2(q_k . x, q_k . y) ]^{1/2} <= W2.

    |x - y|^2 is the sum of the squares along the frame, and each projection of a coupling couples
    the projections. The coordinate frame is always among them; the others are uniform (in two
    dimensions equally spaced angles), from a fixed seed.
    """
    a, b = _clouds(x, y)
    best = 0.0
    for frame in _frames(a.shape[1], frames, seed):
        best = max(best, sum(w2_samples(a @ q, b @ q) ** 2 for q in frame.T))
    return float(np.sqrt(best))


def coupling_upper(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """[ mean |x_i - y_i|^2 ]^{1/2} >= W2 between the clouds paired by index, both (n, d).

    For two runs on the same noise this is the synchronous coupling.
    """
    a, b = _clouds(x, y)
    if len(a) != len(b):
        raise ArgumentError(f"a coupling pairs equal numbers, got {len(a)} and {len(b)}")
    return float(np.sqrt(np.mean(((a - b) ** 2).sum(1))))


def _frames(dim: int, count: int, seed: int) -> list[FloatArray]:
    frames = [np.eye(dim)]
    if dim == 2:
        angles = np.arange(1, count) * np.pi / (2 * count)
        frames += [np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) for t in angles]
    elif dim > 2:
        rng = np.random.Generator(np.random.Philox(seed))
        frames += [np.linalg.qr(rng.normal(size=(dim, dim)))[0] for _ in range(count - 1)]
    return frames


def _clouds(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = (np.asarray(p, dtype=float) for p in (x, y))
    for p in (a, b):
        if p.ndim != 2 or p.shape[1] != a.shape[1] or p.size == 0 or not np.all(np.isfinite(p)):
            raise ArgumentError(
                f"need finite clouds (n, d) and (m, d), got shapes {a.shape} and {b.shape}"
            )
    return a, b
