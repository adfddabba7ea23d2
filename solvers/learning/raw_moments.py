"""Averages over finite pools as a noisy recursion: drift and covariance of one step.

With a quadratic joint energy theta sees the particles only through averages,

    latents:  (1/nK) sum_ik ( z, x z', z z' )        pool:  (1/M) sum_j ( w, w w' ),

and a step w <- y + e with y = F w + c and e ~ N(0, V) moves them by an affine map plus a noise of
mean zero whose covariance follows from Wick's theorem, per particle

    Cov(e_a, e_b) = V_ab,              Cov(e_a, (ww')_bc) = y_b V_ac + y_c V_ab,
    Cov((ww')_ab, (ww')_cd) = y_a y_c V_bd + y_a y_d V_bc + y_b y_c V_ad + y_b y_d V_ac
                              + V_ac V_bd + V_ad V_bc.

The last two terms vanish in continuous time. For location families first moments suffice, the map
is affine in theta too, and the noise does not depend on the state: means and covariances are then
exact for every number of particles. Else they are the leading order in 1/M and 1/(nK).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lvebm_theory.initial import InitialLaw

from . import gaussian_values as values
from .gaussian_family import Array, GaussianFamily
from .gaussian_values import DataMoments, GaussianState

FloatArray = npt.NDArray[np.float64]


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

    def vector(self, state: GaussianState) -> FloatArray:
        """The vector of infinitely many particles with these laws."""
        clamped, pool = values.clamped_moments(state, self.data), values.pool_moments(state)
        return self._joined(state.theta, clamped, pool)

    def ascent(self, vector: Array) -> Array:
        """g, shape (p,)."""
        theta = vector[self.parts["theta"]]
        _, derivatives = self.family.coefficients(theta)
        if self.family.location:
            first = vector[self.parts["w"]] - np.concatenate(
                [self.data.first, vector[self.parts["z"]]]
            )
            return np.asarray(-derivatives.shift @ first)
        clamped, pool = self._moments(vector)
        return values.ascent(derivatives, pool, clamped)

    def inner_step(self, vector: Array, h_q: float, h_p: float, temperature: float) -> Array:
        """Expected averages after one step of both particle systems at fixed theta."""
        theta, (pool, latent), (p_shift, l_shift, drive) = self._maps(vector, h_q, h_p)
        if self.family.location:
            own = latent @ vector[self.parts["z"]] + l_shift + drive @ self.data.first
            return np.concatenate([theta, own, pool @ vector[self.parts["w"]] + p_shift])
        (w, ww) = self._moments(vector)[1]
        y, yy = _affine(pool, p_shift, w, ww)
        z, xz, zz = self._latent_affine(vector, latent, l_shift, drive)
        zz = zz + 2 * temperature * h_q * np.eye(self.family.dim_z)
        yy = yy + 2 * temperature * h_p * np.eye(self.family.dim)
        return np.concatenate([theta, z, xz.ravel(), zz.ravel(), y, yy.ravel()])

    def inner_noise(
        self, vector: FloatArray, h_q: float, h_p: float, temperature: float
    ) -> FloatArray:
        """Covariance that one such step adds, (size, size)."""
        _, (pool, latent), (p_shift, l_shift, drive) = self._maps(vector, h_q, h_p)
        out = np.zeros((self.size, self.size))
        f = self.family
        v_q = 2 * temperature * h_q * np.eye(f.dim_z)
        v_p = 2 * temperature * h_p * np.eye(f.dim)
        per_latent = 1 / (self.data.count * self.latents)
        if f.location:
            out[self.latent_part, self.latent_part] = per_latent * v_q
            out[self.pool_part, self.pool_part] = v_p / self.pool
            return out
        w, ww = self._moments(vector)[1]
        noise = wick(v_p, *_affine(pool, p_shift, w, ww))
        out[self.pool_part, self.pool_part] = noise / self.pool
        z, xz, zz = self._latent_affine(vector, latent, l_shift, drive)
        noise = wick(v_q, z, zz, clamped=(self.data, xz))
        out[self.latent_part, self.latent_part] = per_latent * noise
        return out

    def start(
        self, theta: FloatArray, latent_start: InitialLaw, pool_start: InitialLaw
    ) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of the averages of independent particles at time zero."""
        blank = DataMoments(count=1, first=np.zeros(0), second=np.zeros((0, 0)))
        out = np.zeros((self.size, self.size))
        per_latent = 1 / (self.data.count * self.latents)
        location = self.family.location
        first = _law_covariance(latent_start, self.data, first_only=location)
        out[self.latent_part, self.latent_part] = per_latent * first
        second = _law_covariance(pool_start, blank, first_only=location)
        out[self.pool_part, self.pool_part] = second / self.pool
        f = self.family
        state = GaussianState(
            theta=theta,
            pool_mean=pool_start.mean,
            pool_covariance=pool_start.covariance,
            latent_slope=np.zeros((f.dim_z, f.dim_x)),
            latent_shift=latent_start.mean,
            latent_covariance=latent_start.covariance,
        )
        return self.vector(state), out

    def drift(self, vector: Array, eta: float, latent_speed: float) -> Array:
        """d/dt of theta and the expected averages in continuous time."""
        rate = np.zeros(self.size, dtype=vector.dtype)
        quadratic, _ = self.family.coefficients(vector[self.parts["theta"]])
        k = self.family.dim_x
        precision, b = quadratic.precision, quadratic.shift
        inner, cross = precision[k:, k:], precision[k:, :k]
        x, xx = self.data.first, self.data.second
        w, z = vector[self.parts["w"]], vector[self.parts["z"]]
        rate[self.parts["theta"]] = eta * self.ascent(vector)
        rate[self.parts["w"]] = b - precision @ w
        rate[self.parts["z"]] = latent_speed * (b[k:] - cross @ x - inner @ z)
        if self.family.location:
            return rate
        d, dz = self.family.dim, self.family.dim_z
        ww = vector[self.parts["ww"]].reshape(d, d)
        xz = vector[self.parts["xz"]].reshape(k, dz)
        zz = vector[self.parts["zz"]].reshape(dz, dz)
        # written for ww that is not symmetric either, so that its odd part decays too
        own = np.outer(b, w) + np.outer(w, b) - precision @ ww - ww @ precision
        rate[self.parts["ww"]] = (own + 2 * np.eye(d)).ravel()
        pulled = np.outer(x, b[k:]) - xx @ cross.T - xz @ inner.T
        rate[self.parts["xz"]] = latent_speed * pulled.ravel()
        driven = np.outer(b[k:], z) - cross @ xz
        moved = driven + driven.T - inner @ zz - zz @ inner + 2 * np.eye(dz)
        rate[self.parts["zz"]] = latent_speed * moved.ravel()
        return rate

    def diffusion(self, vector: FloatArray, latent_speed: float) -> FloatArray:
        """Covariance added per unit of time in continuous time, (size, size)."""
        f = self.family
        out = np.zeros((self.size, self.size))
        v_q, v_p = 2 * latent_speed * np.eye(f.dim_z), 2 * np.eye(f.dim)
        per_latent = 1 / (self.data.count * self.latents)
        if f.location:
            out[self.latent_part, self.latent_part] = per_latent * v_q
            out[self.pool_part, self.pool_part] = v_p / self.pool
            return out
        w, ww = self._moments(vector)[1]
        out[self.pool_part, self.pool_part] = wick(v_p, w, ww, quartic=False) / self.pool
        xz = vector[self.parts["xz"]].reshape(f.dim_x, f.dim_z)
        zz = vector[self.parts["zz"]].reshape(f.dim_z, f.dim_z)
        noise = wick(v_q, vector[self.parts["z"]], zz, clamped=(self.data, xz), quartic=False)
        out[self.latent_part, self.latent_part] = per_latent * noise
        return out

    def _joined(
        self, theta: Array, clamped: tuple[Array, Array], pool: tuple[Array, Array]
    ) -> FloatArray:
        k = self.family.dim_x
        pieces = [np.asarray(theta), clamped[0][k:]]
        if not self.family.location:
            pieces += [clamped[1][:k, k:].ravel(), clamped[1][k:, k:].ravel()]
        pieces.append(pool[0])
        if not self.family.location:
            pieces.append(pool[1].ravel())
        return np.concatenate(pieces)

    def _moments(self, vector: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """First and second moments of (data, latents), and of the pool."""
        k, d, dz = self.family.dim_x, self.family.dim, self.family.dim_z
        xz = vector[self.parts["xz"]].reshape(k, dz)
        zz = vector[self.parts["zz"]].reshape(dz, dz)
        first = np.concatenate([self.data.first, vector[self.parts["z"]]])
        second = np.empty((d, d), dtype=vector.dtype)
        second[:k, :k], second[:k, k:] = self.data.second, xz
        second[k:, :k], second[k:, k:] = xz.T, zz
        return (first, second), (vector[self.parts["w"]], vector[self.parts["ww"]].reshape(d, d))

    def _maps(
        self, vector: Array, h_q: float, h_p: float
    ) -> tuple[Array, tuple[Array, Array], tuple[Array, Array, Array]]:
        """theta; 1 - hP and 1 - hP_zz; h_p b, h_q b_z and -h_q P_zx."""
        theta = vector[self.parts["theta"]]
        own, _ = self.family.coefficients(theta)
        k = self.family.dim_x
        return (
            theta,
            (
                np.eye(self.family.dim) - h_p * own.precision,
                np.eye(self.family.dim_z) - h_q * own.precision[k:, k:],
            ),
            (h_p * own.shift, h_q * own.shift[k:], -h_q * own.precision[k:, :k]),
        )

    def _latent_affine(
        self, vector: Array, latent: Array, shift: Array, drive: Array
    ) -> tuple[Array, Array, Array]:
        """E y, E x y', E y y' for y = latent z + drive x + shift."""
        (first, second), _ = self._moments(vector)
        k = self.family.dim_x
        matrix = np.hstack([drive, latent])
        own, both = _affine(matrix, shift, first, second)
        cross = second[:k] @ matrix.T + np.outer(first[:k], shift)
        return own, cross, both


def _affine(matrix: Array, shift: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """First and second moments of matrix w + shift."""
    image = matrix @ first
    mixed = np.outer(image, shift)
    return image + shift, matrix @ second @ matrix.T + mixed + mixed.T + np.outer(shift, shift)


def wick(
    covariance: FloatArray,
    first: FloatArray,
    second: FloatArray,
    *,
    clamped: tuple[DataMoments, FloatArray] | None = None,
    quartic: bool = True,
) -> FloatArray:
    """Covariance of (w, x w', w w') for w = y + e, e ~ N(0, V), averaged over y and x.

    Parameters
    ----------
    covariance : V (d, d)
    first, second : E y (d,), E y y' (d, d)
    clamped : data moments and E x y'; without them there is no block x w'
    quartic : whether to keep the terms V V
    """
    d = len(first)
    if clamped is None:
        data = DataMoments(count=1, first=np.zeros(0), second=np.zeros((0, 0)))
        cross = np.zeros((0, d))
    else:
        data, cross = clamped
    k = len(data.first)
    v = covariance
    w_ww = np.einsum("b,ac->abc", first, v) + np.einsum("c,ab->abc", first, v)
    x_ww = np.einsum("ac,bd->abcd", cross, v) + np.einsum("ad,bc->abcd", cross, v)
    four = np.einsum("ac,bd->abcd", second, v)
    four = four + four.transpose(0, 1, 3, 2)
    four = four + four.transpose(1, 0, 2, 3)
    if quartic:
        pair = np.einsum("ac,bd->abcd", v, v)
        four = four + pair + pair.transpose(0, 1, 3, 2)
    begin, end = d, d + k * d
    out = np.zeros((end + d * d, end + d * d))
    out[:begin, :begin] = v
    out[begin:end, begin:end] = np.einsum("ac,bd->abcd", data.second, v).reshape(k * d, k * d)
    out[end:, end:] = four.reshape(d * d, d * d)
    out[:begin, begin:end] = np.einsum("b,ac->abc", data.first, v).reshape(d, k * d)
    out[:begin, end:] = w_ww.reshape(d, d * d)
    out[begin:end, end:] = x_ww.reshape(k * d, d * d)
    upper = np.triu(np.ones((3, 3)), 1).astype(bool)
    blocks = (slice(0, begin), slice(begin, end), slice(end, None))
    for i, j in zip(*np.nonzero(upper), strict=True):
        out[blocks[j], blocks[i]] = out[blocks[i], blocks[j]].T
    return out


def _law_covariance(law: InitialLaw, data: DataMoments, *, first_only: bool) -> FloatArray:
    """Covariance of (z, x z', z z') for one draw z of an initial law, averaged over the data."""
    if first_only:
        return law.covariance
    d, k = law.dim, len(data.first)
    size = d + k * d + d * d
    total = np.zeros((size, size))
    average = np.zeros(d + d * d)
    outer = np.zeros((d + d * d, d + d * d))
    for weight, mean, sd in zip(law.weights, law.means, law.sds, strict=True):
        v = np.diag(sd**2)
        cross = np.outer(data.first, mean)
        total += weight * wick(v, mean, np.outer(mean, mean), clamped=(data, cross))
        expected = np.concatenate([mean, (v + np.outer(mean, mean)).ravel()])
        average += weight * expected
        outer += weight * np.outer(expected, expected)
    between = outer - np.outer(average, average)
    if math.isclose(float(np.abs(between).max()), 0.0, abs_tol=1e-300):
        return total
    first, mixed = between[:d, :d], between[:d, d:]
    blocks = (slice(0, d), slice(d, d + k * d), slice(d + k * d, None))
    total[blocks[0], blocks[0]] += first
    total[blocks[2], blocks[2]] += between[d:, d:]
    total[blocks[1], blocks[1]] += np.einsum("ac,bd->abcd", data.second, first).reshape(
        k * d, k * d
    )
    x_first = np.einsum("b,ac->abc", data.first, first).reshape(d, k * d)
    x_mixed = np.einsum("a,bc->abc", data.first, mixed).reshape(k * d, d * d)
    for (i, j), block in (((0, 1), x_first), ((0, 2), mixed), ((1, 2), x_mixed)):
        total[blocks[i], blocks[j]] += block
        total[blocks[j], blocks[i]] += block.T
    return total
