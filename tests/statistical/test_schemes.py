"""Schemes have the laws and the orders they state.

Fixed seeds; every statistical comparison at alpha = 1e-6 (4.89 standard errors), and with the
power to see the mutants that stand beside it.
"""

from __future__ import annotations

import dataclasses
import math
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.stats import norm

import solvers.particles
from lvebm_theory.energies.cosine_perturbed import cosine_perturbed
from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.errors import SolverError
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.particles import Moments, Scheme, mala, ula
from solvers.particles.language import log, sqrt, squared_norm, where

Z = float(norm.isf(0.5e-6))  # two-sided 1e-6

SCHEMES = {
    value.name: value
    for info in pkgutil.iter_modules(solvers.particles.__path__)
    for value in vars(import_module(f"solvers.particles.{info.name}")).values()
    if isinstance(value, Scheme)
}


def with_noise(factor: float) -> Scheme:
    """ULA with sqrt(factor h) xi; the right factor is 2."""

    def step(state: Any, energy: Any, h: Any, draw: Any) -> Any:
        x = state["x"]
        return {"x": x - h * energy.gradient(x) + sqrt(factor * h) * draw.normal}, {}

    return dataclasses.replace(ula, name=f"noise {factor}", step=step)


# stationary law


def stationary_second_moments(scheme: Scheme, h: float) -> tuple[Any, Any, Any]:
    """Mean of x_i^2 over time and particles, its standard error, and the curvatures."""
    curvatures = np.array([0.5, 1.0, 3.0])
    energy = quadratic(dim=3, precision=np.diag(curvatures))
    start = Noise(1).normals(50_000, 0, 3, backend="numba") / np.sqrt(curvatures)
    run = simulate(
        energy,
        scheme,
        start,
        step_size=h,
        steps=400,
        noise=Noise(77, "stationary"),
        recorders=[Moments(every=4, after=round(200 * h, 10), over_time=True, cross=False)],
    )
    record = run.records["moments"]
    return record.mean[0, 3:], record.standard_error[0, 3:], curvatures


@pytest.mark.parametrize("h", [0.1, 0.3])
def test_ula_has_the_exact_stationary_variance_on_gaussians(h: float) -> None:
    value, error, curvature = stationary_second_moments(ula, h)
    exact = 1 / (curvature * (1 - h * curvature / 2))
    assert np.all(np.abs(value - exact) < Z * error)
    assert np.all(np.abs(value - 1 / curvature) > 2 * Z * error)  # the bias itself is seen


def test_a_wrong_noise_is_seen_at_the_same_budget() -> None:
    value, error, curvature = stationary_second_moments(with_noise(2.1), 0.1)
    exact = 1 / (curvature * (1 - 0.1 * curvature / 2))
    assert np.all(np.abs(value - exact) > Z * error)


def test_ula_follows_the_closed_recursion_of_mean_and_variance() -> None:
    h, a, n = 0.2, 1.7, 200_000
    start = 2.0 + 0.5 * Noise(3).normals(n, 0, 1, backend="numba")
    run = simulate(
        quadratic(dim=1, precision=np.array([[a]])),
        ula,
        start,
        step_size=h,
        steps=12,
        noise=Noise(4),
        recorders=[Moments(every=1)],
    )
    mean, variance = 2.0, 0.25
    for k in range(13):
        record = run.records["moments"]
        assert abs(record.position[k, 0] - mean) < Z * math.sqrt(variance / n)
        assert abs(record.covariance[k, 0, 0] - variance) < Z * variance * math.sqrt(2 / n)
        mean, variance = (1 - a * h) * mean, (1 - a * h) ** 2 * variance + 2 * h


# exactness of MALA: from exact draws, one call and thirty calls change no expectation


def exact_draws(n: int) -> Any:
    """The double well's law by its inverse distribution function."""
    x = np.linspace(-3.2, 3.2, 20_001)
    density = np.exp(-double_well(b=2.0).potential(x[:, None]))
    middle = (density[1:] + density[:-1]) / 2
    cumulated = np.concatenate([[0.0], np.cumsum(middle)])
    keep = np.concatenate([[True], np.diff(cumulated) > 0])
    inverse = PchipInterpolator(cumulated[keep] / cumulated[-1], x[keep])
    return inverse(Noise(9, "exact").uniforms(n, 0, backend="numba"))


def metropolis(sign: float = 1.0, power: float = 1.0, reverse: bool = True) -> Scheme:
    """MALA with a tampered acceptance; the defaults are MALA itself."""

    def step(state: Any, energy: Any, h: Any, draw: Any) -> Any:
        x, u, g = state["x"], state["potential"], state["gradient"]
        forward = sqrt(2 * h) * draw.normal
        y = x - h * g + forward
        v, k = energy.potential_gradient(y)
        correction = (squared_norm(forward) - squared_norm(x - y + h * k)) / (4 * h)
        ratio = u - v + (correction if reverse else 0.0 * u)
        accepted = log(draw.uniform) < sign * power * ratio
        after = {"x": where(accepted, y, x), "potential": where(accepted, v, u)}
        return {**after, "gradient": where(accepted, k, g)}, {}

    return dataclasses.replace(mala, name="tampered", step=step)


@np.errstate(over="ignore", invalid="ignore")
def largest_z(scheme: Scheme, steps: int) -> float:
    """Largest of five paired z statistics of f(X_steps) - f(X_0) from exact draws.

    Infinite for a scheme that throws its particles out of the numbers.
    """
    x = exact_draws(1_000_000)
    try:
        run = simulate(double_well(b=2.0), scheme, x, step_size=0.07, steps=steps, noise=Noise(10))
    except SolverError:
        return math.inf
    y = run.final
    functions: list[Callable[[Any], Any]] = [
        lambda x: x**2,
        lambda x: x**4,
        np.cos,
        lambda x: np.abs(x) < 0.3,
        lambda x: np.abs(x) > 1.4,
    ]
    z = []
    for f in functions:
        difference = (1.0 * f(y) - 1.0 * f(x))[:, 0]
        z.append(abs(difference.mean()) / (difference.std() / math.sqrt(len(x))))
    return max(z) if np.all(np.isfinite(z)) else math.inf


@pytest.mark.parametrize("steps", [1, 30])
def test_mala_leaves_the_target_invariant(steps: int) -> None:
    assert largest_z(mala, steps) < float(norm.isf(0.5e-6 / 5))


@pytest.mark.parametrize(
    "mutant",
    [
        ula,
        metropolis(sign=-1.0),
        metropolis(power=0.9),
        metropolis(reverse=False),
        dataclasses.replace(mala, step=with_noise(2.0).step, init=ula.init),
    ],
    ids=["ula", "flipped", "power 0.9", "no proposal ratio", "no correction"],
)
def test_tampered_acceptances_do_not(mutant: Scheme) -> None:
    assert largest_z(mutant, 30) > 2 * Z


def test_the_untampered_copy_is_mala_bit_for_bit() -> None:
    x = exact_draws(1000)
    options: dict[str, Any] = {"step_size": 0.07, "steps": 20, "noise": Noise(10)}
    runs = [simulate(double_well(b=2.0), s, x, **options).final for s in (mala, metropolis())]
    assert np.array_equal(runs[0], runs[1])


# orders, from paths on one Brownian motion at several step sizes


@dataclasses.dataclass(frozen=True)
class Coarsened:
    """The noise of steps that are ``factor`` fine steps long, on the same Brownian path (d = 1)."""

    fine: Noise
    factor: int

    def tape(
        self, ids: Any, first: int, count: int, *, law: str = "normals", **options: Any
    ) -> Any:
        if law == "uniforms":
            own = self.fine.derive("uniforms", self.factor)
            return own.tape(ids, first, count, law="uniforms", **options)
        rows = self.fine.tape(ids, first * self.factor, count * self.factor, **options)
        return rows.reshape(count, self.factor, -1).sum(axis=1) / math.sqrt(self.factor)


LEVELS = (16, 32, 64)  # steps to time 1/2


def ends(scheme: Scheme, n: int) -> list[Any]:
    """X_{1/2} from 3 at each level, from one Brownian path per particle.

    The energy's gradient is globally Lipschitz, as the orders suppose, and the drift is strong
    all the way, so that the weak error of the mean is not small by a cancellation.
    """
    energy = cosine_perturbed(stiffness=2.0, amplitude=0.5, frequency=2.0)
    return [
        simulate(
            energy,
            scheme,
            np.full((n, 1), 3.0),
            step_size=0.5 / steps,
            steps=steps,
            noise=Coarsened(Noise(31), LEVELS[-1] // steps),  # type: ignore[arg-type]
            backend="numpy",
        ).final[:, 0]
        for steps in LEVELS
    ]


def slope(differences: list[Any], reduce: Callable[[Any], float]) -> tuple[float, float]:
    """log2 ratio of two reduced differences, with a jackknife error over 50 groups."""

    def rate(keep: Any) -> float:
        larger, smaller = (reduce(d[keep]) for d in differences)
        return math.log2(larger / smaller)

    n = len(differences[0])
    groups = np.arange(n) % 50
    left_out = np.array([rate(groups != g) for g in range(50)])
    return rate(groups >= 0), float(np.sqrt(49 * left_out.var()))


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_has_the_orders_it_states(name: str) -> None:
    scheme = SCHEMES[name]
    coarse, middle, fine = ends(scheme, 160_000)
    pairs = [coarse - middle, middle - fine]
    for stated, window, (order, error) in (
        (scheme.strong_order, 0.1, slope(pairs, lambda d: float(np.sqrt(np.mean(d**2))))),
        # the next term of MALA's weak error is only h^{1/2} smaller
        (scheme.weak_order, 0.2, slope(pairs, lambda d: abs(float(np.mean(d))))),
    ):
        assert abs(order - stated) < window + Z * error
        assert window + 2 * Z * error < 0.5  # enough to tell 1/2, 1 and 3/2 apart
