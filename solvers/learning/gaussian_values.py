"""What learning is about, in closed form, while every law is Gaussian.

The conditional phase is z | x ~ N(slope x + shift, V), the joint phase w ~ N(m, S); data enter by
their first two moments only. J comes from expected energies and entropies, L and the relative
entropies from normalised laws: the identity J = L - E KL + KL is not built in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian, relative_entropy

from .gaussian_family import Array, GaussianFamily, Quadratic, positive_definite


@dataclass(frozen=True, kw_only=True)
class DataMoments:
    """Number n, mean (dim_x,) and raw second moment (dim_x, dim_x) of the data."""

    count: int
    first: FloatArray
    second: FloatArray

    @classmethod
    def of(cls, data: npt.ArrayLike, dim_x: int) -> DataMoments:
        """From data (n, dim_x)."""
        x = checked_data(data, dim_x)
        return cls(count=len(x), first=x.mean(axis=0), second=np.asarray(x.T @ x / len(x)))


def checked_data(data: npt.ArrayLike, dim_x: int) -> FloatArray:
    """Data as a float array (n, dim_x); refuses other shapes, no data, and values not finite."""
    x = np.asarray(data, dtype=float)
    if x.ndim != 2 or x.shape[1] != dim_x or len(x) == 0:
        raise ArgumentError(f"data must have shape (n, {dim_x}) with n >= 1, got {x.shape}")
    if not np.all(np.isfinite(x)):
        bad = int(np.sum(~np.isfinite(x).all(axis=1)))
        raise ArgumentError(f"data must be finite, {bad} of {len(x)} rows are not")
    return x


@dataclass(frozen=True, kw_only=True)
class GaussianState:
    """theta (p,), the pool's law and the conditional law of the latents given x.

    Attributes
    ----------
    pool_mean, pool_covariance : arrays (d,), (d, d)
    latent_slope, latent_shift, latent_covariance : arrays (dim_z, dim_x), (dim_z,), (dim_z, dim_z)
    """

    theta: Array
    pool_mean: Array
    pool_covariance: Array
    latent_slope: Array
    latent_shift: Array
    latent_covariance: Array


def clamped_moments(state: GaussianState, data: DataMoments) -> tuple[Array, Array]:
    """First (d,) and raw second (d, d) moments of (x, z), x from the data, z from its latents."""
    slope, shift = state.latent_slope, state.latent_shift
    k, size = len(data.first), len(data.first) + len(shift)
    drawn = slope @ data.first
    cross = data.first[:, None] * shift + data.second @ slope.T
    mixed = shift[:, None] * drawn
    first = np.empty(size, dtype=shift.dtype)
    second = np.empty((size, size), dtype=shift.dtype)
    first[:k], first[k:] = data.first, shift + drawn
    second[:k, :k], second[:k, k:], second[k:, :k] = data.second, cross, cross.T
    second[k:, k:] = (
        state.latent_covariance
        + slope @ data.second @ slope.T
        + shift[:, None] * shift
        + mixed
        + mixed.T
    )
    return first, second


def pool_moments(state: GaussianState) -> tuple[Array, Array]:
    """First and raw second moments of the pool."""
    mean = state.pool_mean
    return mean, state.pool_covariance + mean[:, None] * mean


def ascent(
    derivatives: Quadratic, joint: tuple[Array, Array], clamped: tuple[Array, Array]
) -> Array:
    """g = E_joint d_theta E - E_conditional d_theta E, (p,), from first and second moments."""
    first, second = joint[0] - clamped[0], joint[1] - clamped[1]
    quadratic = derivatives.precision.reshape(len(derivatives.shift), -1) @ second.ravel() / 2
    return np.asarray(quadratic - derivatives.shift @ first)


def gradient(family: GaussianFamily, state: GaussianState, data: DataMoments) -> Array:
    """g at a state: the direction in which theta moves, shape (p,)."""
    _, derivatives = family.coefficients(state.theta)
    return ascent(derivatives, pool_moments(state), clamped_moments(state, data))


def equilibrium(family: GaussianFamily, theta: FloatArray) -> GaussianState:
    """The model and its posteriors at theta: the state at which L = J.

    Raises
    ------
    SolverError
        When exp(-E_theta) has no finite integral.
    """
    model = family.model(theta)
    own, _ = family.coefficients(theta)
    k = family.dim_x
    covariance = np.linalg.inv(own.precision[k:, k:])
    return GaussianState(
        theta=np.asarray(theta, dtype=float),
        pool_mean=model.mean,
        pool_covariance=model.covariance,
        latent_slope=-covariance @ own.precision[k:, :k],
        latent_shift=covariance @ own.shift[k:],
        latent_covariance=covariance,
    )


def log_likelihood(family: GaussianFamily, theta: FloatArray, data: DataMoments) -> float:
    """L = E_data log p_theta(x), nats."""
    marginal = family.model(theta).marginal(range(family.dim_x))
    centred = _centred(data, marginal.mean)
    quadratic = np.trace(np.linalg.solve(marginal.covariance, centred))
    return float(0.5 * (marginal.dim - quadratic) - marginal.entropy)


def likelihood_gradient(family: GaussianFamily, theta: FloatArray, data: DataMoments) -> FloatArray:
    """grad L(theta), shape (p,): Fisher's identity at the model and its posteriors."""
    return gradient(family, equilibrium(family, theta), data)


def model_relative_entropy(family: GaussianFamily, state: GaussianState) -> float:
    """KL(p | p_theta), nats."""
    return relative_entropy(
        Gaussian(state.pool_mean, state.pool_covariance), family.model(state.theta)
    )


def posterior_relative_entropy(
    family: GaussianFamily, state: GaussianState, data: DataMoments
) -> float:
    """E_data KL(q_x | p_theta(z | x)), nats."""
    own, _ = family.coefficients(state.theta)
    k = family.dim_x
    precision = own.precision[k:, k:]
    if not positive_definite(precision):
        raise SolverError(family.not_normalisable(state.theta), last_state=state.theta)
    slope = state.latent_slope + np.linalg.solve(precision, own.precision[k:, :k])
    shift = state.latent_shift - np.linalg.solve(precision, own.shift[k:])
    # the means differ by slope x + shift, an affine function of the datum
    difference = (
        np.outer(shift, shift)
        + np.outer(shift, slope @ data.first)
        + np.outer(slope @ data.first, shift)
        + slope @ data.second @ slope.T
    )
    zero = np.zeros(family.dim_z)
    spread = relative_entropy(
        Gaussian(zero, state.latent_covariance), Gaussian.from_precision(zero, precision)
    )
    return float(spread + 0.5 * np.trace(precision @ difference))


def saddle(family: GaussianFamily, state: GaussianState, data: DataMoments) -> float:
    """J = E_data{H(q_x) - E_q E} + E_p E - H(p), from expected energies and entropies."""
    own, _ = family.coefficients(state.theta)

    def energy(first: Array, second: Array) -> float:
        return float(np.sum(own.precision * second) / 2 - own.shift @ first)

    clamped = Gaussian(np.zeros(family.dim_z), state.latent_covariance)
    pool = Gaussian(state.pool_mean, state.pool_covariance)
    return (
        clamped.entropy
        - energy(*clamped_moments(state, data))
        + energy(*pool_moments(state))
        - pool.entropy
    )


def _centred(data: DataMoments, centre: FloatArray) -> FloatArray:
    """E (x - centre)(x - centre)'."""
    gap = data.first - centre
    return np.asarray(data.second - np.outer(data.first, data.first) + np.outer(gap, gap))
