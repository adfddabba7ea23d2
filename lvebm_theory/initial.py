"""Initial laws: finite mixtures of axis-aligned Gaussians, exact in every solver.

    mu_0 = sum_k w_k N(m_k, diag(s_k^2))

Grid solvers take exact cell masses, particle solvers take exact draws, closed forms take the
moments; so a start never adds an error of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtr

from .arrays import FloatArray
from .errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class InitialLaw:
    """Mixture of axis-aligned Gaussians.

    Parameters
    ----------
    weights : array (k,), positive, summing to one
    means : array (k, d)
    sds : array (k, d), positive
    """

    weights: FloatArray
    means: FloatArray
    sds: FloatArray

    def __post_init__(self) -> None:
        w, m, s = (np.asarray(a, dtype=float) for a in (self.weights, self.means, self.sds))
        if m.ndim != 2 or s.shape != m.shape or w.shape != m.shape[:1] or w.size == 0:
            raise ArgumentError(
                "an initial law needs weights (k,), means (k, d), sds (k, d), got shapes "
                f"{w.shape}, {m.shape}, {s.shape}"
            )
        if not (np.all(np.isfinite(m)) and np.all(np.isfinite(s)) and np.all(s > 0)):
            raise ArgumentError("an initial law needs finite means and standard deviations > 0")
        if not (np.all(w > 0) and abs(w.sum() - 1.0) < 1e-9):
            raise ArgumentError(f"mixture weights must be > 0 and sum to one, got {w.tolist()}")
        for name, a in (("weights", w / w.sum()), ("means", m), ("sds", s)):
            a.setflags(write=False)
            object.__setattr__(self, name, a)

    @classmethod
    def normal(cls, mean: npt.ArrayLike, sd: npt.ArrayLike) -> InitialLaw:
        """N(mean, diag(sd^2)); scalars mean dimension one."""
        m = np.atleast_1d(np.asarray(mean, dtype=float))
        s = np.broadcast_to(np.asarray(sd, dtype=float), m.shape).copy()
        return cls(weights=np.ones(1), means=m[None, :], sds=s[None, :])

    @classmethod
    def mixture(cls, *components: tuple[float, npt.ArrayLike, npt.ArrayLike]) -> InitialLaw:
        """From (weight, mean, sd) triples."""
        w = np.array([c[0] for c in components], dtype=float)
        m = np.stack([np.atleast_1d(np.asarray(c[1], dtype=float)) for c in components])
        s = np.stack(
            [np.broadcast_to(np.asarray(c[2], dtype=float), m.shape[1:]) for c in components]
        )
        return cls(weights=w, means=m, sds=s)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.means.shape[1])

    @property
    def mean(self) -> FloatArray:
        """E X, shape (d,)."""
        return np.asarray(self.weights @ self.means)

    @property
    def covariance(self) -> FloatArray:
        """Cov X, shape (d, d)."""
        centred = self.means - self.mean
        return np.asarray(
            np.einsum("k,ki,kj->ij", self.weights, centred, centred)
            + np.diag(self.weights @ self.sds**2)
        )

    def log_density(self, x: FloatArray) -> FloatArray:
        """log mu_0 at x (n, d), shape (n,)."""
        z = (np.asarray(x)[:, None, :] - self.means) / self.sds
        terms = (
            -0.5 * (z**2).sum(-1) - np.log(self.sds).sum(-1) - 0.5 * self.dim * np.log(2 * np.pi)
        )
        return np.asarray(logsumexp(terms, axis=1, b=self.weights))

    def cell_masses(self, edges: tuple[FloatArray, ...]) -> FloatArray:
        """Exact mass of every cell of the tensor grid with these edges; mass outside is dropped.

        Parameters
        ----------
        edges : d increasing arrays of lengths n_i + 1

        Returns
        -------
        array (n_1, ..., n_d)
        """
        if len(edges) != self.dim:
            raise ArgumentError(f"need {self.dim} edge arrays, got {len(edges)}")
        total = np.zeros(tuple(len(e) - 1 for e in edges))
        for w, m, s in zip(self.weights, self.means, self.sds, strict=True):
            cell = np.array(w)
            for i, e in enumerate(edges):
                z = (e - m[i]) / s[i]
                # differences of the nearer tail, so that far cells keep relative accuracy
                upper = z[:-1] > 0
                mass = np.where(upper, ndtr(-z[:-1]) - ndtr(-z[1:]), ndtr(z[1:]) - ndtr(z[:-1]))
                cell = cell[..., None] * mass
            total += cell
        return total

    def push_normals(self, uniform: FloatArray, normals: FloatArray) -> FloatArray:
        """Draws from uniforms (n,) that pick components and standard normals (n, d); (n, d)."""
        if len(self.weights) == 1:
            return np.asarray(self.means[0] + self.sds[0] * normals)
        which = np.searchsorted(np.cumsum(self.weights)[:-1], uniform, side="right")
        return np.asarray(self.means[which] + self.sds[which] * normals)

    def __str__(self) -> str:
        def one(m: FloatArray, s: FloatArray) -> str:
            return "*".join(f"normal({a:g}, {b:g})" for a, b in zip(m, s, strict=True))

        if len(self.weights) == 1:
            return one(self.means[0], self.sds[0])
        return " + ".join(
            f"{w:g}*{one(m, s)}" for w, m, s in zip(self.weights, self.means, self.sds, strict=True)
        )
