"""numba against torch (and numpy): the same path from the same noise, to rounding.

The compiled loops and the array step share the scheme and the formula, and nothing else: not
the noise's back end, not the energy's printer, not the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lvebm_theory.energies import catalogue
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.particles import Scheme, mala, tamed_ula, ula

torch = pytest.importorskip("torch")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def energy_of(name: str) -> Any:
    found = catalogue()[name]()
    return found.joint() if hasattr(found, "joint") else found


def largest_term(energy: Any, x: Any, h: float, xi: Any) -> Any:
    """Size of the largest term that a step adds up, coordinate by coordinate.

    The gradient of a mixture is itself a sum, over components, of weights times (x - m_k)/s_k^2:
    where these cancel, the largest of them counts.
    """
    drift = np.abs(energy.gradient(x))
    if energy.name == "gaussian_mixture":
        p = energy.parameters
        pulls = [(x - p[f"means_{k}_0"]) / p[f"sds_{k}"] ** 2 for k in (0, 1)]
        drift = np.maximum(*np.abs(pulls)) / 2  # somewhere between the wells both weigh 1/2
    return np.maximum(np.maximum(np.abs(x), h * drift), np.sqrt(2 * h) * np.abs(xi))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", sorted(catalogue()))
def test_one_step_agrees_to_16_ulp_of_the_largest_term(name: str, device: str) -> None:
    """From a million stored states for d = 1 (a million numbers in all for d > 1)."""
    energy, h, noise = energy_of(name), 1e-2, Noise(21, "one step")
    n = 10**6 // energy.dim
    x = 1.5 * Noise(5, "states").normals(n, 0, energy.dim, backend="numba")
    options: dict[str, Any] = {"step_size": h, "steps": 1, "noise": noise}
    compiled = simulate(energy, ula, x, **options).final
    tensor = simulate(energy, ula, x, backend="torch", device=device, **options).final
    scale = largest_term(energy, x, h, noise.normals(n, 0, energy.dim))
    assert np.max(np.abs(compiled - tensor) / np.spacing(scale)) <= 16


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scheme", [ula, tamed_ula], ids=lambda s: s.name)
@pytest.mark.parametrize("name", ["double_well", "quartic", "gaussian_mixture", "bottleneck"])
def test_one_step_agrees_to_16_ulp_in_float32_too(name: str, scheme: Scheme, device: str) -> None:
    energy, h, noise = energy_of(name), 1e-2, Noise(21, "one step")
    x = 1.5 * Noise(5, "states").normals(10**5, 0, energy.dim, backend="numba", dtype="float32")
    options: dict[str, Any] = {"step_size": h, "steps": 1, "noise": noise, "dtype": "float32"}
    compiled = simulate(energy, scheme, x, **options).final
    tensor = simulate(energy, scheme, x, backend="torch", device=device, **options).final
    xi = noise.normals(len(x), 0, energy.dim, dtype="float32")
    scale = largest_term(energy, x, h, xi).astype(np.float32)
    assert compiled.dtype == tensor.dtype == np.float32
    assert np.max(np.abs(compiled - tensor) / np.spacing(scale)) <= 16


# h small enough for the stiffest direction near the starts below
PATHS = {
    "bottleneck": 1e-3,
    "cosine_perturbed": 1e-2,
    "double_well": 1e-2,
    "gaussian_mixture": 1e-2,
    "linear_gaussian": 1e-2,
    "log_cosh": 1e-2,
    "mueller_brown": 1e-4,
    "quadratic": 1e-2,
    "quartic": 1e-2,
    "ring": 1e-3,
    "tilted_double_well": 1e-2,
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PATHS)
def test_paths_of_1000_steps_stay_together(name: str, device: str) -> None:
    """1e-8 everywhere; 1e-10 where Hess U >= 0, since there the flow never expands."""
    energy, n = energy_of(name), 500
    x = 0.7 * Noise(5, "states").normals(n, 0, energy.dim, backend="numba")
    options: dict[str, Any] = {"step_size": PATHS[name], "steps": 1000, "noise": Noise(6)}
    compiled = simulate(energy, ula, x, **options).final
    tensor = simulate(energy, ula, x, backend="torch", device=device, **options).final
    visited = np.concatenate([x, compiled])
    convex = np.linalg.eigvalsh(energy.hessian(visited)).min() >= 0
    difference = np.sqrt(np.mean((compiled - tensor) ** 2))
    assert difference < (1e-10 if convex else 1e-8)
    assert np.sqrt(np.mean((compiled - x) ** 2)) > 0.1  # they went somewhere


def test_some_of_these_energies_are_convex_and_some_are_not() -> None:
    grid = np.linspace(-2, 2, 41)[:, None]
    assert np.all(energy_of("quartic").hessian(grid) >= 0)
    assert np.any(energy_of("double_well").hessian(grid) < 0)


@pytest.mark.parametrize("device", DEVICES)
def test_metropolis_decisions_agree_path_by_path(device: str) -> None:
    energy, x = energy_of("double_well"), Noise(5).normals(3000, 0, 1)
    # at h = 0.2 rare far excursions, where |1 - h U''| > 1, would blow up the last bits
    options: dict[str, Any] = {"step_size": 0.15, "steps": 300, "noise": Noise(6)}
    compiled = simulate(energy, mala, x, **options)
    for backend, where in (("torch", device), ("numpy", "cpu")):
        other = simulate(energy, mala, x, backend=backend, device=where, **options)  # type: ignore[arg-type]
        assert other.info["accepted"] == pytest.approx(compiled.info["accepted"], rel=1e-12)
        assert np.sqrt(np.mean((compiled.final - other.final) ** 2)) < 1e-8
    assert 0.3 < compiled.info["accepted"] < 0.9


@pytest.mark.parametrize("device", DEVICES)
def test_exact_draws_of_the_start_are_shared(device: str) -> None:
    from lvebm_theory.initial import InitialLaw

    start = InitialLaw.normal([0.3, -1.0], [0.5, 2.0])
    options: dict[str, Any] = {
        "step_size": 1e-3,
        "steps": 50,
        "particles": 2000,
        "noise": Noise(6),
    }
    energy = energy_of("bottleneck")
    compiled = simulate(energy, ula, start, **options).final
    tensor = simulate(energy, ula, start, backend="torch", device=device, **options).final
    assert np.max(np.abs(compiled - tensor)) < 1e-11
