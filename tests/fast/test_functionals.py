"""Functionals of cell masses against closed forms and naive sums."""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from lvebm_theory.functionals import (
    GibbsRatio,
    chi_square,
    entropy,
    expectation,
    fisher_information,
    relative_entropy,
)
from lvebm_theory.initial import InitialLaw

EDGES = np.linspace(-9.0, 9.0, 1801)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
GIBBS = InitialLaw.normal(0.0, 1.0).cell_masses((EDGES,))
GIBBS = GIBBS / GIBBS.sum()
LOG_GIBBS = np.log(GIBBS)


def law(mean, sd):
    masses = InitialLaw.normal(mean, sd).cell_masses((EDGES,))
    return masses / masses.sum()


def test_entropies_are_the_plain_sums():
    p = law(0.7, 0.6)
    assert relative_entropy(p, LOG_GIBBS) == pytest.approx((p * np.log(p / GIBBS)).sum(), rel=1e-12)
    assert chi_square(p, LOG_GIBBS) == pytest.approx(((p - GIBBS) ** 2 / GIBBS).sum(), rel=1e-12)


def test_gaussian_values():
    p = law(0.7, 0.6)
    exact = (0.36 - 1 - np.log(0.36) + 0.49) / 2
    assert relative_entropy(p, LOG_GIBBS) == pytest.approx(exact, rel=1e-4)
    information = 0.49 + (1 - 1 / 0.36) ** 2 * 0.36
    assert fisher_information(p, LOG_GIBBS, [CENTRES]) == pytest.approx(information, rel=1e-3)
    volumes = np.diff(EDGES)
    assert entropy(p, volumes) == pytest.approx(np.log(2 * np.pi * np.e * 0.36) / 2, rel=1e-4)
    assert expectation(p, CENTRES) == pytest.approx(0.7, rel=1e-10)


@pytest.mark.parametrize("size", [1e-3, 1e-7, 1e-30])
def test_small_excesses_keep_relative_accuracy(size):
    tilt = CENTRES * (CENTRES**2 < 25)
    excess = size * GIBBS * (tilt - (GIBBS * tilt).sum())
    p = GIBBS + excess
    w = excess / GIBBS
    series = (GIBBS * (w**2 / 2 - w**3 / 6 + w**4 / 12)).sum()
    assert relative_entropy(p, LOG_GIBBS, excess) == pytest.approx(series, rel=1e-9)
    assert chi_square(p, LOG_GIBBS, excess) == pytest.approx((GIBBS * w**2).sum(), rel=1e-12)
    slopes = np.gradient(w, CENTRES)[np.abs(CENTRES) < 4.9]
    weights = GIBBS[np.abs(CENTRES) < 4.9]
    info = fisher_information(p, LOG_GIBBS, [CENTRES], excess)
    inner = (weights * slopes**2).sum()
    # the jump of the tilt at |x| = 5 adds a share of about 1e-2
    assert info == pytest.approx(inner, rel=0.05)


def test_masses_where_gibbs_underflows():
    log_gibbs = np.array([0.0, -2000.0])
    p = np.array([0.25, 0.75])
    exact = 0.25 * np.log(0.25) + 0.75 * (np.log(0.75) + 2000)
    assert relative_entropy(p, log_gibbs) == pytest.approx(exact, rel=1e-12)
    assert chi_square(p, log_gibbs) == np.inf


def test_fisher_information_in_the_plane_adds_up():
    x = CENTRES[::10]
    edges = np.append(x - 0.05, x[-1] + 0.05)
    axis = [InitialLaw.normal(m, s).cell_masses((edges,)) for m, s in ((0.0, 1.0), (0.5, 0.7))]
    gibbs, p = np.outer(axis[0], axis[0]), np.outer(axis[1], axis[0])
    plane = fisher_information(p, np.log(gibbs), [x, x])
    line = fisher_information(axis[1], np.log(axis[0]), [x])
    assert plane == pytest.approx(line, rel=1e-9)


def test_bad_masses_are_refused():
    with pytest.raises(ArgumentError, match=">= 0"):
        relative_entropy([-0.1, 1.1], [-1.0, -1.0])
    with pytest.raises(ArgumentError, match="shape"):
        GibbsRatio.of([0.5, 0.5], [0.0])
    with pytest.raises(ArgumentError, match="axes"):
        fisher_information([0.5, 0.5], np.log([0.5, 0.5]), [])
