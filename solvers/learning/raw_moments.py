"""Averages over finite pools as a noisy recursion: what one stage of an update does to them.

With a quadratic joint energy theta sees the particles only through averages,

    latents:  (1/nK) sum_ik ( z, x z', z z' )        pool:  (1/M) sum_j ( w, w w' ),

and every step moves these by an affine map plus a noise of known covariance (``wick``). For
location families first moments suffice, the map is affine in theta too, and the noise does not
depend on the state: means and covariances are then exact for every number of particles. Else they
are the leading order in 1/M and 1/(nK).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw

from . import gaussian_values as values
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, GaussianState
from .wick import affine, law_covariance, wick


@dataclass(frozen=True, kw_only=True, eq=False)
class RawMoments:
    """theta and the particle averages as one vector, for K latents per datum and M in the pool."""

    family: GaussianFamily
    data: DataMoments
    latents: int
    pool: int

    @cached_property
    def parts(self) -> dict[str, slice]:
        """Where theta, z, xz, zz, w, ww stand; second moments are empty for location families."""
        f = self.family
        second = 0 if f.location else 1
        sizes = {
            "theta": len(f.names),
            "z": f.dim_z,
            "xz": second * f.dim_x * f.dim_z,
            "zz": second * f.dim_z**2,
            "w": f.dim,
            "ww": second * f.dim**2,
        }
        parts, begin = {}, 0
        for name, size in sizes.items():
            parts[name] = slice(begin, begin + size)
            begin += size
        return parts

    @property
    def size(self) -> int:
        """Length of the vector."""
        return int(self.parts["ww"].stop)

    @property
    def latent_part(self) -> slice:
        """Averages over latents."""
        return slice(self.parts["z"].start, self.parts["zz"].stop)

    @property
    def pool_part(self) -> slice:
        """Averages over the pool."""
        return slice(self.parts["w"].start, self.parts["ww"].stop)

    @property
    def per_latent(self) -> float:
        """1/(nK)."""
        return 1 / (self.data.count * self.latents)

    def vector(self, state: GaussianState) -> FloatArray:
        """The vector of infinitely many particles with these laws."""
        k = self.family.dim_x
        clamped, pool = values.clamped_moments(state, self.data), values.pool_moments(state)
        pieces = [np.asarray(state.theta), clamped[0][k:]]
        if not self.family.location:
            pieces += [clamped[1][:k, k:].ravel(), clamped[1][k:, k:].ravel()]
        pieces.append(pool[0])
        if not self.family.location:
            pieces.append(pool[1].ravel())
        return np.concatenate(pieces)

    def start(
        self, theta: FloatArray, latent_start: InitialLaw, pool_start: InitialLaw
    ) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of the averages of independent particles at time zero."""
        f = self.family
        state = GaussianState(
            theta=theta,
            pool_mean=pool_start.mean,
            pool_covariance=pool_start.covariance,
            latent_slope=np.zeros((f.dim_z, f.dim_x)),
            latent_shift=latent_start.mean,
            latent_covariance=latent_start.covariance,
        )
        nothing = DataMoments(count=1, first=np.zeros(0), second=np.zeros((0, 0)))
        out = np.zeros((self.size, self.size))
        for part, law, data, share in (
            (self.latent_part, latent_start, self.data, self.per_latent),
            (self.pool_part, pool_start, nothing, 1 / self.pool),
        ):
            out[part, part] = share * law_covariance(law, data, first_only=f.location)
        return self.vector(state), out

    def moments(self, vector: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """First and second moments of (data, latents), and of the pool."""
        k, d, dz = self.family.dim_x, self.family.dim, self.family.dim_z
        first = np.concatenate([self.data.first, vector[self.parts["z"]]])
        if self.family.location:
            none = np.zeros((d, d))
            return (first, none), (vector[self.parts["w"]], none)
        xz = vector[self.parts["xz"]].reshape(k, dz)
        second = np.empty((d, d), dtype=vector.dtype)
        second[:k, :k], second[:k, k:] = self.data.second, xz
        second[k:, :k], second[k:, k:] = xz.T, vector[self.parts["zz"]].reshape(dz, dz)
        return (first, second), (vector[self.parts["w"]], vector[self.parts["ww"]].reshape(d, d))

    def conditional_average(self, vector: Array) -> Array:
        """Mean of d_theta E over the data and their latents, (p,)."""
        return self._average(vector, self.moments(vector)[0])

    def joint_average(self, vector: Array) -> Array:
        """Mean of d_theta E over the pool, (p,)."""
        return self._average(vector, self.moments(vector)[1])

    def ascent(self, vector: Array) -> Array:
        """g, shape (p,)."""
        _, derivatives = self.family.coefficients(vector[self.parts["theta"]])
        clamped, pool = self.moments(vector)
        return values.ascent(derivatives, pool, clamped)

    def move_latents(self, vector: Array, step: float, temperature: float) -> Array:
        """Expected averages after one step of the latents at fixed theta."""
        out = vector.copy()
        (z, zz), xz, covariance = self._latents_moved(vector, step, temperature)
        out[self.parts["z"]] = z
        if not self.family.location:
            out[self.parts["xz"]] = xz.ravel()
            out[self.parts["zz"]] = (zz + covariance).ravel()
        return out

    def latent_noise(self, vector: FloatArray, step: float, temperature: float) -> FloatArray:
        """Covariance that such a step adds, (size, size)."""
        out, part = np.zeros((self.size, self.size)), self.latent_part
        (z, zz), xz, covariance = self._latents_moved(vector, step, temperature)
        if self.family.location:
            out[part, part] = self.per_latent * covariance
        else:
            noise = wick(covariance, z, zz, clamped=(self.data, xz))
            out[part, part] = self.per_latent * noise
        return out

    def move_pool(self, vector: Array, step: float, temperature: float) -> Array:
        """Expected averages after one step of the pool at fixed theta."""
        out = vector.copy()
        (w, ww), covariance = self._pool_moved(vector, step, temperature)
        out[self.parts["w"]] = w
        if not self.family.location:
            out[self.parts["ww"]] = (ww + covariance).ravel()
        return out

    def pool_noise(self, vector: FloatArray, step: float, temperature: float) -> FloatArray:
        """Covariance that such a step adds, (size, size)."""
        out, part = np.zeros((self.size, self.size)), self.pool_part
        (w, ww), covariance = self._pool_moved(vector, step, temperature)
        noise = covariance if self.family.location else wick(covariance, w, ww)
        out[part, part] = noise / self.pool
        return out

    def _average(self, vector: Array, moments: tuple[Array, Array]) -> Array:
        _, derivatives = self.family.coefficients(vector[self.parts["theta"]])
        first, second = moments
        quadratic = np.einsum("pij,ij->p", derivatives.precision, second) / 2
        return np.asarray(quadratic - derivatives.shift @ first + derivatives.constant)

    def _latents_moved(
        self, vector: Array, step: float, temperature: float
    ) -> tuple[tuple[Array, Array], Array, FloatArray]:
        """E y and E y y', E x y', and the covariance of e, for z <- y + e."""
        own, _ = self.family.coefficients(vector[self.parts["theta"]])
        k, dz = self.family.dim_x, self.family.dim_z
        matrix = np.hstack(
            [-step * own.precision[k:, :k], np.eye(dz) - step * own.precision[k:, k:]]
        )
        shift = step * own.shift[k:]
        (first, second), _ = self.moments(vector)
        cross = second[:k] @ matrix.T + first[:k, None] * shift
        return affine(matrix, shift, first, second), cross, 2 * temperature * step * np.eye(dz)

    def _pool_moved(
        self, vector: Array, step: float, temperature: float
    ) -> tuple[tuple[Array, Array], FloatArray]:
        """E y and E y y', and the covariance of e, for w <- y + e."""
        own, _ = self.family.coefficients(vector[self.parts["theta"]])
        d = self.family.dim
        _, (first, second) = self.moments(vector)
        moved = affine(np.eye(d) - step * own.precision, step * own.shift, first, second)
        return moved, 2 * temperature * step * np.eye(d)
