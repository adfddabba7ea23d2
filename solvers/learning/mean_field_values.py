"""What learning is about, from densities on nodes: likelihood, relative entropies, and J.

J takes expected energies and entropies only; L has grids of its own, whatever the densities' are.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

from lvebm_theory import functionals
from lvebm_theory.arrays import FloatArray

from .mean_field_frame import Frame
from .mean_field_level import MeanFieldState
from .plane_fields import PlaneFields

_POINTS = 401  # per axis of the likelihood's grids


def log_likelihood(fields: PlaneFields, frame: Frame, data: FloatArray, theta: FloatArray) -> float:
    """L = mean over data (n, 1) of log int e^{-E(x, z)} dz, less log Z; nats.

    The trapezoidal rule on boxes at whose edges the integrands vanish.
    """
    x, z = np.linspace(*frame.pool_x, _POINTS), np.linspace(*frame.pool_z, _POINTS)
    joint = fields.potential(x[:, None], z[None], theta)
    log_z = logsumexp(-joint) + math.log((x[1] - x[0]) * (z[1] - z[0]))
    latent = np.linspace(*frame.latent_z, _POINTS)
    values, counts = np.unique(data[:, 0], return_counts=True)
    clamped = fields.potential(values[:, None], latent[None], theta)
    evidence = logsumexp(-clamped, axis=1) + math.log(latent[1] - latent[0])
    return float(counts @ evidence / counts.sum() - log_z)


def posterior_relative_entropy(fields: PlaneFields, state: MeanFieldState) -> float:
    """E_data KL(q_x | posterior), nats."""
    plane = state.latent_plane
    logs = -fields.potential(plane.x, plane.z, state.theta)
    logs = logs - logsumexp(logs, axis=1, keepdims=True)
    return float(
        sum(
            w * functionals.relative_entropy(q, log_gibbs)
            for w, q, log_gibbs in zip(plane.weights, state.latents, logs, strict=True)
        )
    )


def model_relative_entropy(fields: PlaneFields, state: MeanFieldState) -> float:
    """KL(p | p_theta), nats."""
    plane = state.pool_plane
    logs = -fields.potential(plane.x, plane.z, state.theta)
    return functionals.relative_entropy(state.pool, logs - logsumexp(logs))


def saddle(fields: PlaneFields, state: MeanFieldState) -> float:
    """J = E_data{H(q_x) - E_q E} + E_p E - H(p), nats."""
    first, second = state.latent_plane, state.pool_plane
    own = fields.potential(first.x, first.z, state.theta)
    clamped = sum(
        w * (functionals.entropy(q, first.cell) - functionals.expectation(q, u))
        for w, q, u in zip(first.weights, state.latents, own, strict=True)
    )
    joint = fields.potential(second.x, second.z, state.theta)
    pool = functionals.expectation(state.pool, joint) - functionals.entropy(state.pool, second.cell)
    return float(clamped + pool)
