"""The lattice law of ULA against the exact AR(1) law and against one step after the other."""

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities.transition_kernel import NODES_PER_DEVIATION, ula_kernel

START = InitialLaw.normal(2.0, 0.1)


def moments(law):
    mean = law.expectation(law.nodes)
    return mean, law.expectation((law.nodes - mean) ** 2)


@pytest.mark.parametrize("h", [0.3, 0.01, 0.001])
def test_gaussian_laws_are_exact_at_every_step(h):
    kernel = ula_kernel(parse_potential("x**2/2"), h, (-14, 14))
    steps = [1, 2, 3, 7, 50, 1000, 40_000]
    for k, law in zip(steps, kernel.after(START, steps, finer=3), strict=True):
        shrink = (1 - h) ** k
        variance = 0.01 * shrink**2 + 2 * h * (1 - shrink**2) / (1 - (1 - h) ** 2)
        mean, spread = moments(law)
        assert mean == pytest.approx(2 * shrink, abs=1e-12)
        assert spread == pytest.approx(variance, abs=1e-12)


@pytest.mark.parametrize("h", [0.3, 0.01])
def test_the_stationary_variance_of_a_gaussian(h):
    law = ula_kernel(parse_potential("x**2/2"), h, (-14, 14)).stationary()
    assert moments(law)[1] == pytest.approx(1 / (1 - h / 2), abs=1e-13)


def test_powers_of_the_kernel_are_single_steps():
    kernel = ula_kernel(parse_potential("x**2/2 + cos(3*x)"), 0.003, (-8, 8))
    (law,) = kernel.after(START, [1])
    counts = [*range(2, 40), 1000]
    masses, done = law.masses, 1
    for k, fast in zip(counts, kernel.after(START, counts), strict=True):
        for _ in range(k - done):
            masses = kernel.matrix @ masses
        done = k
        assert np.abs(fast.masses - masses).sum() < 1e-12


def test_the_stationary_law_is_the_limit():
    kernel = ula_kernel(parse_potential("x**2/2 + cos(3*x)"), 0.05, (-9, 9))
    (late,) = kernel.after(START, [100_000])
    assert np.abs(late.masses - kernel.stationary().masses).sum() < 1e-11


def test_nodes_resolve_a_steep_drift_between_two_wells():
    # at the barrier |1 - h U''| is 3.7: spacings that resolve the noise alone are off by 1e-3
    energy, h, box = parse_potential("x**2/2 + 3*cos(3*x)"), 0.1, (-9, 9)
    found = ula_kernel(energy, h, box).stationary()
    noise_alone = int((box[1] - box[0]) / np.sqrt(2 * h) * NODES_PER_DEVIATION) + 1
    fine, rough = (
        ula_kernel(energy, h, box, nodes=n).stationary() for n in (8 * noise_alone, noise_alone)
    )
    exact = np.array(moments(fine))
    assert np.abs(np.array(moments(found)) - exact).max() < 1e-7
    assert np.abs(np.array(moments(rough)) - exact).max() > 1e-4


def test_what_leaves_the_lattice_is_missed():
    quartic = ula_kernel(parse_potential("x**4"), 0.1, (-6, 6))
    with pytest.raises(SolverError, match="left it"):
        quartic.after(START, [10])
    with pytest.raises(SolverError, match="leaks"):
        quartic.stationary()
    with pytest.raises(ArgumentError, match="at most"):
        ula_kernel(parse_potential("x**2"), 1e-9, (-9, 9))


def test_what_is_lost_is_known_and_widens_distances(monkeypatch):
    from scipy.special import ndtr

    from verification.claims.schemes import lattice_witness

    energy, h, start = parse_potential("x**2/2"), 0.1, InitialLaw.normal(0.0, 1.0)
    (law,) = ula_kernel(energy, h, (-6.3, 6.3)).after(start, [1])
    exact = 2 * ndtr(law.edges[0] / np.sqrt((1 - h) ** 2 + 2 * h))
    assert law.lost == pytest.approx(exact, rel=0.1)
    whole = lattice_witness.distances(energy, start, h, [1], "W2")[0]
    monkeypatch.setattr(lattice_witness, "lattice_box", lambda *_: (-6.3, 6.3))
    cut = lattice_witness.distances(energy, start, h, [1], "W2")[0]
    assert cut.numerical > whole.numerical + 0.9 * np.sqrt(exact) * 12.6
    assert abs(cut.value - whole.value) <= cut.numerical + whole.numerical
