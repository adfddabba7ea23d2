"""A latent model p(x) = int N(z; 0, I) N(x; g(z), diag s^2) dz with a learned decoder g.

What a variational autoencoder and particle gradient descent both end with. Draws are exact:
latents from the prior, then data. With one or two latents p(x) and the posterior are taken on a
lattice of latents; with more, importance weights bound log p(x) from below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..likelihood.bracket import Bracket, mean_lower_side
from .fitting import FitRecord

_REACH = 6.5  # prior mass outside, two latents: 2e-10
_NODES = {1: 4096, 2: 320}


@dataclass(frozen=True, kw_only=True)
class DecoderModel:
    """The learned model.

    Parameters
    ----------
    name : str
    dim, dim_z : int
    decoder : torch module
        z (m, dim_z) -> g(z) (m, dim).
    noise : array (dim,)
        s, standard deviations.
    record : FitRecord
    propose : callable, optional
        x (n, dim) -> (means, sds) of Gaussians (n, dim_z) that approximate the posterior.
    """

    name: str
    dim: int
    dim_z: int
    decoder: Any
    noise: FloatArray
    record: FitRecord
    propose: Callable[[FloatArray], tuple[FloatArray, FloatArray]] | None = None

    def decode(self, z: FloatArray) -> FloatArray:
        """g(z) at z (m, dim_z), shape (m, dim), in double precision."""
        import torch

        with torch.no_grad():
            parts = [
                self.decoder(torch.as_tensor(z[i : i + 65536])).numpy()
                for i in range(0, len(z), 65536)
            ]
        return np.asarray(np.concatenate(parts), dtype=float)

    def sample(self, n: int, seed: int) -> FloatArray:
        """Independent exact draws from the model, shape (n, dim)."""
        rng = np.random.Generator(np.random.Philox(seed))
        centres = self.decode(rng.standard_normal((n, self.dim_z)))
        return np.asarray(centres + self.noise * rng.standard_normal((n, self.dim)))

    def log_density(
        self, x: npt.ArrayLike, *, nodes: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """log p(x) at x (n, dim) and its error width, both (n,), by quadrature over z.

        Parameters
        ----------
        nodes : int, optional
            Per axis of the lattice, even; fewer are faster and the widths say what they cost.

        Raises
        ------
        ArgumentError
            More than two latents.
        """
        points = self._data(x)
        z, log_mass = self._lattice(nodes)
        centres = self.decode(z)
        whole, widths = np.empty(len(points)), np.empty(len(points))
        rows = max(1, 4_000_000 // len(z))
        everything = np.arange(self.dim)
        for first in range(0, len(points), rows):
            logs = self._log_joint(points[first : first + rows], centres, log_mass, everything)
            here = slice(first, first + len(logs))
            peak = logs.max(1)
            np.exp(np.subtract(logs, peak[:, None], out=logs), out=logs)
            # sums over the lattices of twice the spacing, which follow each other
            sums = logs.reshape(len(logs), 2**self.dim_z, -1).sum(2)
            total = sums.sum(1)
            whole[here] = peak + np.log(total)
            with np.errstate(divide="ignore"):
                apart = np.log(sums * 2**self.dim_z / total[:, None])
            widths[here] = np.abs(apart).max(1)
        return whole, widths + 1e-9

    def log_likelihood(self, x: npt.ArrayLike, *, alpha: float, seed: int) -> Bracket:
        """The bracket of mean_i log p(x_i): by quadrature, or from below with more latents."""
        if self.dim_z in _NODES:
            values, widths = self.log_density(x)
            return Bracket.from_width(float(values.mean()), float(widths.mean()))
        return self.importance_weighted(x, alpha=alpha, seed=seed)

    def importance_weighted(
        self, x: npt.ArrayLike, *, draws: int = 500, alpha: float, seed: int
    ) -> Bracket:
        """The lower side of mean_i log p(x_i): E mean_k p(x_i, z_ik) / q(z_ik) = p(x_i).

        Proposals are the encoder's Gaussians, half again as wide, or the prior without one. They
        must not depend on x_i through what is random here. Source: Burda et al. 2016, theorem 1.
        """
        estimates = self.log_estimates(x, draws=draws, seed=seed)
        return Bracket(lower=mean_lower_side(estimates, alpha), route="importance weights")

    def log_estimates(self, x: npt.ArrayLike, *, draws: int, seed: int) -> FloatArray:
        """log of the mean importance weight at each x (n, dim), shape (n,)."""
        points = self._data(x)
        rng = np.random.Generator(np.random.Philox(seed))
        normals = rng.standard_normal((len(points), draws, self.dim_z))
        if self.propose is None:
            means, sds = np.zeros((len(points), self.dim_z)), np.ones((len(points), self.dim_z))
        else:
            means, sds = self.propose(points)
            sds = 1.5 * sds
        z = means[:, None] + sds[:, None] * normals
        log_ratio = 0.5 * (normals**2 - z**2).sum(2) + np.log(sds).sum(1)[:, None]
        centres = self.decode(z.reshape(-1, self.dim_z)).reshape(len(points), draws, self.dim)
        residual = (points[:, None] - centres) / self.noise
        log_weights = log_ratio - 0.5 * (residual**2).sum(2) - self._log_scale(np.arange(self.dim))
        return np.asarray(logsumexp(log_weights, axis=1) - math.log(draws))

    def reconstruct(
        self, x: npt.ArrayLike, observed: npt.ArrayLike, *, draws: int, seed: int
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Draws (n, draws, dim) of x given its observed coordinates, and what was done.

        The posterior of z given the observed part is taken on the lattice, so draws are exact up
        to its spacing; then x from the decoder. One mask (dim,) for all data.
        """
        mask = np.asarray(observed, dtype=bool)
        if mask.shape != (self.dim,) or mask.all():
            raise ArgumentError(f"need a mask ({self.dim},) with a missing coordinate, got {mask}")
        points = np.where(mask, np.asarray(x, dtype=float), 0.0)
        seen = np.flatnonzero(mask)
        z, log_mass = self._lattice()
        centres = self.decode(z)
        rng = np.random.Generator(np.random.Philox(seed))
        out = np.empty((len(points), draws, self.dim))
        rows = max(1, 4_000_000 // len(z))
        for first in range(0, len(points), rows):
            some = points[first : first + rows]
            logs = self._log_joint(some, centres, log_mass, seen)
            levels = np.cumsum(np.exp(logs - logs.max(1, keepdims=True)), axis=1)
            for i, level in enumerate(levels):
                pick = np.searchsorted(level, rng.random(draws) * level[-1], side="right")
                out[first + i] = centres[np.minimum(pick, len(z) - 1)]
        out += self.noise * rng.standard_normal(out.shape)
        out[:, :, seen] = points[:, None, seen]
        return out, {"scheme": "lattice of latents", "nodes": len(z)}

    def _lattice(self, count: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Nodes (m, dim_z), those of each coarser lattice together, and log prior mass (m,)."""
        if self.dim_z not in _NODES:
            raise ArgumentError(f"latents are taken on a lattice up to 2, got {self.dim_z}")
        nodes = count or _NODES[self.dim_z]
        if nodes < 2 or nodes % 2:
            raise ArgumentError(f"a lattice needs an even number of nodes, got {nodes}")
        side = 2 * _REACH / nodes
        axis = -_REACH + (np.arange(nodes) + 0.25) * side
        grids = np.meshgrid(*[axis] * self.dim_z, indexing="ij")
        z = np.stack([g.ravel() for g in grids], axis=1)
        index = np.indices((nodes,) * self.dim_z).reshape(self.dim_z, -1) % 2
        z = z[np.argsort(2 ** np.arange(self.dim_z) @ index, kind="stable")]
        log_mass = -0.5 * (z**2).sum(1) + self.dim_z * (
            math.log(side) - 0.5 * math.log(2 * math.pi)
        )
        return z, np.asarray(log_mass)

    def _log_scale(self, which: npt.NDArray[np.int64]) -> float:
        return float(np.log(self.noise[which]).sum() + which.size / 2 * math.log(2 * math.pi))

    def _log_joint(
        self,
        x: FloatArray,
        centres: FloatArray,
        log_mass: FloatArray,
        which: npt.NDArray[np.int64],
    ) -> FloatArray:
        """log of prior mass times N(x_which; g_which(z), s^2): (n, m)."""
        a, b = x[:, which] / self.noise[which], centres[:, which] / self.noise[which]
        squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        return np.asarray(log_mass - 0.5 * squares - self._log_scale(which))

    def _data(self, x: npt.ArrayLike) -> FloatArray:
        points = np.asarray(x, dtype=float)
        if points.ndim != 2 or points.shape[1] != self.dim or not np.all(np.isfinite(points)):
            raise ArgumentError(f"need finite data (n, {self.dim}), got shape {points.shape}")
        return points
