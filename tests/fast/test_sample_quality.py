"""Distances between samples: stated coverage, exact cases, modes and scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from lvebm_theory.errors import ArgumentError
from verification.estimate.mode_coverage import binomial_interval, mode_coverage
from verification.estimate.reconstruction import energy_score, energy_scores, error_of_mean
from verification.estimate.sample_quality import (
    directions,
    energy_distance,
    sliced_distance,
    sliced_distance_at,
    sliced_w2,
)
from verification.measurement import Measurement

ALPHA, RUNS = 0.1, 120
# of samples X = N(0, I) and Y = N(shift, scale^2 I) in the plane
LAWS = {"equal": (0.0, 1.0), "near": (0.1, 1.0), "shifted": (0.8, 1.0), "wider": (0.0, 1.5)}


def _pair(rng, shift: float, scale: float, n: int = 800):
    x = rng.normal(size=(n, 2))
    return x, np.array([shift, 0.0]) + scale * rng.normal(size=(n, 2))


def _covers(intervals, truth: float) -> bool:
    wrong = sum(not m.lower - 1e-12 <= truth <= m.upper + 1e-12 for m in intervals)
    return bool(binom.sf(wrong - 1, len(intervals), ALPHA) > 1e-3)


def _cut(m: Measurement) -> Measurement:
    """An interval that claims too much: four tenths as wide."""
    return Measurement(value=m.value, statistical=0.4 * m.half_width, confidence=m.confidence)


@pytest.mark.parametrize("law", LAWS)
def test_the_sliced_distance_of_laws_is_covered(law) -> None:
    shift, scale = LAWS[law]
    truth = np.sqrt(shift**2 / 2 + (1 - scale) ** 2)
    rng = np.random.default_rng(1)
    found = [
        sliced_distance(*_pair(rng, shift, scale), ALPHA, projections=16, blocks=10)
        for _ in range(RUNS)
    ]
    assert _covers(found, truth)
    if truth > 0.3:
        assert np.mean([m.half_width for m in found]) < 0.35 * truth
        assert not _covers([_cut(m) for m in found], truth)


@pytest.mark.parametrize("law", LAWS)
def test_the_energy_distance_is_covered(law) -> None:
    shift, scale = LAWS[law]
    rng = np.random.default_rng(2)
    found = [energy_distance(*_pair(rng, shift, scale, 400), ALPHA) for _ in range(RUNS)]
    truth = _gaussian_energy_distance(shift, scale)
    assert _covers(found, truth)
    assert not _covers([_cut(m) for m in found], truth)


def _gaussian_energy_distance(shift: float, scale: float) -> float:
    """E|N(m, v I)| = sqrt(pi v / 2) 1F1(-1/2; 1; -|m|^2 / (2v)) in the plane."""
    from scipy.special import hyp1f1

    def mean_length(m: float, v: float) -> float:
        return float(np.sqrt(np.pi * v / 2) * hyp1f1(-0.5, 1.0, -(m**2) / (2 * v)))

    return 2 * mean_length(shift, 1 + scale**2) - mean_length(0, 2) - mean_length(0, 2 * scale**2)


def test_the_distance_at_a_size_is_that_of_fresh_samples() -> None:
    rng = np.random.default_rng(3)
    size = 100
    truth = np.sqrt(
        np.mean([sliced_w2(*_pair(rng, 0.0, 1.0, size), projections=16) ** 2 for _ in range(400)])
    )
    found = [
        sliced_distance_at(*_pair(rng, 0.0, 1.0), size, ALPHA, projections=16) for _ in range(60)
    ]
    assert _covers(found, truth)
    # two equal laws are at no distance, but samples of them are
    assert truth > 0.1
    assert not _covers(found, 0.0)


def test_a_shift_along_one_axis_is_known_exactly() -> None:
    x = np.random.default_rng(4).normal(size=(300, 2))
    assert sliced_w2(x, x + np.array([3.0, 4.0])) == pytest.approx(5 / np.sqrt(2), abs=1e-3)
    assert sliced_w2(x[:, :1], x[:, :1] + 2) == pytest.approx(2.0)
    assert sliced_w2(x[:200], x) > 0
    assert np.allclose(np.linalg.norm(directions(5, 7), axis=1), 1)
    second = np.einsum("ki,kj->ij", directions(2, 9), directions(2, 9)) / 9
    assert np.allclose(second, np.eye(2) / 2)


RING = 2 * np.pi * np.arange(8) / 8
MIXTURE = {
    "weights": np.full(8, 1 / 8),
    "means": np.stack([np.cos(RING), np.sin(RING)], 1),
    "sds": np.full(8, 0.15),
}


def _ring(rng, modes, n=2000):
    which = rng.choice(modes, size=n)
    return MIXTURE["means"][which] + 0.15 * rng.normal(size=(n, 2))


def test_modes_are_hit_missed_or_left_open() -> None:
    rng = np.random.default_rng(5)
    whole = mode_coverage(_ring(rng, range(8)), alpha=1e-6, **MIXTURE)
    assert (whole.hit, whole.missed) == (8, 0)
    assert whole.outside < 0.01
    part = mode_coverage(_ring(rng, [0, 1, 2, 3, 4]), alpha=1e-6, **MIXTURE)
    assert part.hit == 5
    assert part.missed >= 2  # a neighbour's tail may leave one open
    few = mode_coverage(_ring(rng, range(8), 12), alpha=1e-6, **MIXTURE)
    assert few.hit + few.missed < 8
    # a smear over the disc is in the regions, a cloud elsewhere is not
    away = mode_coverage(rng.normal(size=(2000, 2)) + 9, alpha=1e-6, **MIXTURE)
    assert (away.hit, away.missed, away.outside) == (0, 8, 1.0)


def test_binomial_intervals_cover() -> None:
    rng = np.random.default_rng(6)
    for p in (0.02, 0.5, 1.0):
        lower, upper = binomial_interval(rng.binomial(60, p, size=500), 60, ALPHA)
        wrong = int(((p < lower - 1e-12) | (p > upper + 1e-12)).sum())
        assert binom.sf(wrong - 1, 500, ALPHA) > 1e-6


def test_the_score_prefers_the_true_conditional_law() -> None:
    rng = np.random.default_rng(7)
    n, draws = 1500, 16

    # the truth is +-1 with a little noise: its mean is in neither mode
    def modes(shape):
        return rng.choice([-1.0, 1.0], size=shape) + 0.1 * rng.normal(size=shape)

    truth = modes((n, 1))
    right, collapsed, broad = modes((n, draws, 1)), 0.1 * rng.normal(size=(n, draws, 1)), None
    broad = rng.normal(size=(n, draws, 1))
    scores = [energy_score(y, truth, 1e-6) for y in (right, collapsed, broad)]
    assert scores[0].upper < scores[2].lower < scores[1].lower
    # while the error of the mean prefers the collapsed law, that sits between the modes
    assert error_of_mean(collapsed, truth, 0.01).value < error_of_mean(right, truth, 0.01).value
    exact = np.full((3, 4, 2), 2.0)
    assert np.allclose(energy_scores(exact, np.full((3, 2), 2.0)), 0)


def test_bad_samples_are_refused() -> None:
    x = np.zeros((40, 2))
    for call, text in (
        (lambda: sliced_distance_at(x, x, 30, 0.1), "interval needs two blocks"),
        (lambda: sliced_distance(x, x, 0.1), "blocks"),
        (lambda: energy_distance(x, x[:, :1], 0.1), "shapes"),
        (lambda: energy_distance(x, x, 1.5), "alpha"),
        (lambda: directions(0, 3), "dim"),
        (lambda: mode_coverage(x, weights=[1], means=[[0]], sds=[1], alpha=0.1), "means"),
        (lambda: energy_scores(np.zeros((3, 1, 2)), np.zeros((3, 2))), "draws"),
    ):
        with pytest.raises(ArgumentError, match=text):
            call()
