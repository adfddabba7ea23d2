"""Couplings from above and projections from below, from samples."""

import numpy as np
import pytest
from scipy.special import ndtr

from lvebm_theory.errors import ArgumentError
from lvebm_theory.gaussian import Gaussian, wasserstein
from verification.estimate.transport import ReferenceOnLine
from verification.estimate.transport_bounds import coupling_distance, projected_distance

EDGES = np.linspace(-8, 8, 1025)


def test_bounds_enclose_the_distance_between_two_gaussians() -> None:
    n = 20_000
    normals = np.random.default_rng(0).normal(size=(n, 2))
    law = Gaussian([0.6, -0.2], [[1.4, 0.5], [0.5, 0.7]])
    exact = wasserstein(law, Gaussian([0.0, 0.0], np.eye(2)))
    x = law.push_normals(normals)
    above = coupling_distance(x, normals, 1e-3)
    reference = ReferenceOnLine.of(np.diff(ndtr(EDGES)), EDGES, n)
    below = projected_distance(x, np.eye(2), [reference] * 2, 1e-3)
    assert below.lower <= exact <= above.upper
    # the symmetric root is the optimal map from the standard normal, so the coupling is sharp
    assert above.lower <= exact
    assert above.half_width < 0.05 * exact
    marginals = np.hypot(np.hypot(0.6, np.sqrt(1.4) - 1), np.hypot(0.2, np.sqrt(0.7) - 1))
    assert below.lower <= marginals <= below.upper
    # in the eigenbasis of the covariance nothing is lost
    _, axes = np.linalg.eigh(law.covariance)
    sharp = projected_distance(x, axes.T, [reference] * 2, 1e-3)
    assert sharp.lower <= exact <= sharp.upper
    assert sharp.half_width < 0.1 * exact


def test_what_cannot_be_bounded_is_refused() -> None:
    with pytest.raises(ArgumentError, match="pairs"):
        coupling_distance(np.zeros((3, 2)), np.zeros((4, 2)), 0.05)
    reference = ReferenceOnLine.of(np.diff(ndtr(EDGES)), EDGES, 30)
    with pytest.raises(ArgumentError, match="orthonormal"):
        projected_distance(np.zeros((30, 2)), [[1.0, 1.0]], [reference], 0.05)
    with pytest.raises(ArgumentError, match="as many laws"):
        projected_distance(np.zeros((30, 2)), np.eye(2), [], 0.05)
