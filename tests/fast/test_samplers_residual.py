"""The residual of invariance by quadrature: no chance, an error width, and what it sees."""

import numpy as np
import pytest

from lvebm_theory.errors import ArgumentError
from verification.samplers.residual import acceptance, box_of, invariance_residual


def potential(x):
    return x[:, 0] ** 2 / 2


def functions(x):
    return np.stack([np.tanh(x[:, 0]), x[:, 0] ** 2 / (x[:, 0] ** 2 + 2)], axis=1)


def walk(power=1.0, size=1.0):
    def step(x, xi, u):
        y = x + size * xi
        return np.where((np.log(u) < power * (potential(x) - potential(y)))[:, None], y, x)

    return step


BOX = (-9.0, 9.0)


def test_acceptance_is_found_by_bisection():
    x, xi = np.array([[0.3], [0.0]]), np.array([[1.0], [0.0]])
    jump, below, above = acceptance(walk(), x, xi)
    assert np.isclose(jump[0], np.exp(0.3**2 / 2 - 1.3**2 / 2), rtol=1e-10)
    assert below[0, 0] == 1.3
    assert above[0, 0] == 0.3
    assert jump[1] == 1.0


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_a_random_walk_leaves_the_normal_as_it_is(size):
    found = invariance_residual(walk(size=size), functions, potential, BOX, rejects=True)
    assert found.jumps
    assert np.all(np.abs(found.values) <= found.widths)
    assert found.widths.max() < 1e-3


def test_a_fault_of_one_part_in_a_thousand_is_seen():
    found = invariance_residual(walk(power=0.999), functions, potential, BOX, rejects=True)
    assert abs(found.values[1]) > 5 * found.widths[1]


def test_without_rejection_the_mean_over_the_noise_is_exact():
    rho = 0.6

    def autoregression(x, xi, u):
        return rho * x + np.sqrt(1 - rho**2) * xi

    found = invariance_residual(autoregression, functions, potential, BOX, rejects=False)
    assert np.abs(found.values).max() < 1e-9

    def louder(x, xi, u):
        return rho * x + 1.001 * np.sqrt(1 - rho**2) * xi

    found = invariance_residual(louder, functions, potential, BOX, rejects=False)
    assert abs(found.values[1]) > found.widths[1]


def test_a_step_with_several_jumps_is_not_judged():
    def twice(x, xi, u):
        return np.where(((u > 0.3) & (u < 0.6))[:, None], x, -x)

    assert not invariance_residual(twice, functions, potential, BOX, rejects=True).jumps


def test_boxes_hold_the_mass_and_heavy_tails_have_none():
    low, high = box_of(potential, 0.0, 1.0)
    assert -9.5 < low < -8.5
    assert 8.5 < high < 9.5
    assert box_of(lambda x: 2 * np.log1p(x[:, 0] ** 2), 0.0, 1.0) is None
    with pytest.raises(ArgumentError, match="low < high"):
        invariance_residual(walk(), functions, potential, (1.0, -1.0), rejects=True)


def test_a_box_around_the_bulk_is_not_used_where_draws_lie_beyond(monkeypatch):
    from types import SimpleNamespace

    from verification.samplers.laws import invariance_residual as law

    def mixture(x):
        far = 0.05 * np.exp(-((x[:, 0] - 200.0) ** 2) / 2)
        return -np.log(np.exp(-(x[:, 0] ** 2) / 2) + far + 1e-300)

    draws = np.append(np.random.default_rng(0).normal(size=1900), 200.0 + np.zeros(100))[:, None]
    scale = (np.zeros(1), np.ones(1), 0.0, 1.0)
    assert box_of(mixture, 0.0, 1.0)[1] < 20  # the far mode is not seen from here
    energy = SimpleNamespace(potential=mixture)

    def going_on(_):
        raise RuntimeError("goes on")

    monkeypatch.setattr(law, "dictionary_of", going_on)
    subject = SimpleNamespace(kernel=SimpleNamespace(names=("xi",), rounding=0.0))
    far, near = (
        SimpleNamespace(
            target=SimpleNamespace(scale=scale, pilot=pilot, energy=energy), step_size=0.1
        )
        for pilot in (draws, draws[:1900])
    )
    assert law._of_target(subject, far) is None
    with pytest.raises(RuntimeError, match="goes on"):
        law._of_target(subject, near)
