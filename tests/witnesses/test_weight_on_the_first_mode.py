"""E phi_k(X_0) is within its stated width, and that width is part of the late amplitude."""

from dataclasses import replace

import numpy as np
import pytest

from lvebm_theory.constants import spectrum
from lvebm_theory.constants.spectral import Spectrum
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential


def hermite(k: int, mean: float, sd: float) -> float:
    """E He_k(X) / sqrt(k!) for X ~ N(mean, sd^2)."""
    second = mean**2 + sd**2
    return [mean, (second - 1) / 2**0.5, (mean**3 + 3 * mean * sd**2 - 3 * mean) / 6**0.5][k - 1]


@pytest.mark.parametrize(("mean", "sd"), [(0.5, 1.0), (0.5, 0.01), (20.0, 0.1), (1.0, 2.0)])
def test_widths_hold_the_truth_for_ornstein_uhlenbeck(mean: float, sd: float) -> None:
    found, start = spectrum(parse_potential("x**2/2"), 3), InitialLaw.normal(mean, sd)
    for k, value in enumerate(found.overlaps(start), start=1):
        exact, width = hermite(k, mean, sd), found.overlap_error(start, k)
        assert abs(value - exact) <= width < 1e-10 * (1 + abs(exact)) * (1 + mean**2)


@pytest.mark.parametrize("text", ["(x**2 - 1)**2 + 0.3*x", "3*(x**2 - 1)**2 + 2*cos(x)"])
def test_widths_hold_a_sinc_grid_of_the_schroedinger_form(text: str) -> None:
    energy, start = parse_potential(text), InitialLaw.normal(0.7, 0.2)
    # -psi'' + (U'^2/4 - U''/2) psi on sinc nodes; psi_k = phi_k e^(-U/2)
    spacing = 0.03
    x = np.arange(-140, 141) * spacing
    column = x[:, None]
    potential = energy.gradient(column)[:, 0] ** 2 / 4 - energy.hessian(column)[:, 0, 0] / 2
    lag = np.subtract.outer(np.arange(x.size), np.arange(x.size)).astype(float)
    np.fill_diagonal(lag, 1.0)
    kinetic = 2 * (-1.0) ** np.abs(lag) / (lag * spacing) ** 2
    np.fill_diagonal(kinetic, np.pi**2 / (3 * spacing**2))
    _, vectors = np.linalg.eigh(kinetic + np.diag(np.minimum(potential, 1e5)))
    inside = np.abs(x) < 2.0  # 6.5 standard deviations of the start; psi_0 is far above rounding
    phi = vectors[inside, 1] / np.abs(vectors[inside, 0])
    density = np.exp(start.log_density(column[inside])) * spacing
    exact = abs(float(density @ phi))
    found = spectrum(energy, 2)
    value, width = abs(float(found.overlaps(start)[0])), found.overlap_error(start, 1)
    assert abs(value - exact) <= width + 1e-9  # of the start beyond the nodes that are used
    assert width < 1e-8


def test_a_wrong_mode_has_a_wide_weight() -> None:
    found, start = (
        spectrum(parse_potential("(x**2 - 1)**2 + 0.3*x"), 2),
        InitialLaw.normal(0.7, 0.4),
    )
    wrong = replace(found, functions=1.001 * found.functions)
    assert wrong.overlap_error(start, 1) > 1e-3 * abs(found.overlaps(start)[0])
    assert (
        spectrum(parse_potential("x**2 + y**2"), 1).overlap_error(
            InitialLaw.normal([0, 0], [1, 1]), 1
        )
        == np.inf
    )


def test_the_claim_counts_the_width_of_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    from verification.claim import BUDGETS, Context
    from verification.claims.metastability.dependence_on_start import claim

    setting = claim.settings()[0]
    case = claim.cases(setting, "numba")[0]
    context = Context(look=0, alpha=1e-3, seed=0, budget=BUDGETS["quick"])
    sharp = claim.evaluate(setting, [case], context).outcomes[case]
    monkeypatch.setattr(Spectrum, "overlap_error", lambda *_: 0.1)
    wide = claim.evaluate(setting, [case], context).outcomes[case]
    added = 0.1 * (2 * sharp.bound**0.5 + 0.1)
    assert wide.measurement.numerical == pytest.approx(sharp.measurement.numerical + added)
    assert sharp.measurement.numerical < 1e-3 * added
