"""Particle runs: the steps are the formulas, and the run keeps its promises."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import solvers.particles
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.energies.bottleneck import bottleneck
from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.energies.quartic import quartic
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.particles import Scheme, mala, tamed_ula, ula
from solvers.particles.language import minimum, sqrt, squared_norm, where
from solvers.particles.numba_engine import NumbaEngine
from solvers.particles.trace import trace

torch = pytest.importorskip("torch")
BACKENDS = [("numba", "cpu"), ("numpy", "cpu"), ("torch", "cpu")]
if torch.cuda.is_available():
    BACKENDS.append(("torch", "cuda"))


def schemes() -> Iterator[Scheme]:
    for info in pkgutil.iter_modules(solvers.particles.__path__):
        module = import_module(f"solvers.particles.{info.name}")
        for value in vars(module).values():
            if isinstance(value, Scheme) and value.step.__module__ == module.__name__:
                yield value


@pytest.mark.parametrize("scheme", list(schemes()), ids=lambda s: s.name)
def test_every_scheme_has_orders_and_a_source_in_the_bibliography(scheme: Scheme) -> None:
    from lvebm_theory.bibliography import bibliography

    assert scheme.weak_order > 0
    assert scheme.strong_order > 0
    key, _, place = scheme.reference.partition(", ")
    assert key in bibliography()
    assert place
    assert import_module(scheme.step.__module__).__doc__


def test_the_three_schemes_are_found() -> None:
    assert {s.name for s in schemes()} == {"ula", "mala", "tamed-ula"}


# one step against the formula, written out independently in numpy


def by_hand(name: str, x: Any, u: Any, g: Any, h: float, xi: Any, v: Any) -> Any:
    proposal = x - h * g(x) + np.sqrt(2 * h) * xi
    if name == "ula":
        return proposal
    if name == "tamed-ula":
        norm = np.linalg.norm(g(x), axis=1, keepdims=True)
        return x - h * g(x) / (1 + h * norm) + np.sqrt(2 * h) * xi

    def log_q(a: Any, b: Any) -> Any:
        return -np.sum((b - a + h * g(a)) ** 2, axis=1) / (4 * h)

    log_ratio = u(x) - u(proposal) + log_q(proposal, x) - log_q(x, proposal)
    return np.where((np.log(v) < log_ratio)[:, None], proposal, x)


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize("scheme", [ula, tamed_ula, mala], ids=lambda s: s.name)
@pytest.mark.parametrize("make", [double_well, lambda: bottleneck(b=2.0).joint()])
def test_one_step_is_the_formula(make: Any, scheme: Scheme, backend: Any, device: str) -> None:
    energy, h, noise = make(), 0.15, Noise(8, "one step")
    x = 1.3 * Noise(1).normals(700, 0, energy.dim)
    run = simulate(
        energy, scheme, x, step_size=h, steps=1, noise=noise, backend=backend, device=device
    )
    xi, v = noise.normals(700, 0, energy.dim), noise.uniforms(700, 0)[:, 0]
    expected = by_hand(scheme.name, x, energy.potential, energy.gradient, h, xi, v)
    assert np.allclose(run.final, expected, rtol=1e-13, atol=1e-13)
    if scheme is mala:
        moved = np.any(expected != x, axis=1).mean()
        assert 0.2 < moved < 0.99  # rejections happen, so the test has power
        assert run.info["accepted"] == pytest.approx(moved, abs=1e-12)


@pytest.mark.parametrize("scheme", [ula, tamed_ula, mala], ids=lambda s: s.name)
def test_a_run_is_its_pieces(scheme: Scheme) -> None:
    """Two runs that follow each other give the run in one go, wherever the cut falls."""
    energy, noise = bottleneck().joint(), Noise(4)
    x = Noise(1).normals(300, 0, 2)
    whole = simulate(energy, scheme, x, step_size=0.01, steps=23, noise=noise).final
    for cut in (1, 2, 9, 22):
        first = simulate(energy, scheme, x, step_size=0.01, steps=cut, noise=noise).final
        second = simulate(
            energy, scheme, first, step_size=0.01, steps=23 - cut, noise=noise, first_step=cut
        )
        assert np.array_equal(second.final, whole), cut


@pytest.mark.parametrize(
    ("dim", "dtype"), [(1, "float64"), (1, "float32"), (3, "float64"), (30, "float32")]
)
def test_results_do_not_depend_on_threads_or_on_the_other_particles(dim: int, dtype: Any) -> None:
    energy = quadratic(dim=dim, precision=np.eye(dim) + 0.3)
    x = Noise(1).normals(5003, 0, dim)
    options = {"step_size": 0.1, "steps": 11, "noise": Noise(2), "dtype": dtype}
    one = simulate(energy, mala, x, threads=1, **options)
    for threads in (2, 4):
        many = simulate(energy, mala, x, threads=threads, **options)
        assert np.array_equal(one.final, many.final)
        assert one.info["accepted"] == many.info["accepted"]
    few = simulate(energy, mala, x[:100], threads=1, **options)
    assert np.array_equal(one.final[:100], few.final)
    assert one.final.dtype == np.dtype(dtype)


def test_one_compilation_serves_the_family() -> None:
    options: dict[str, Any] = {"noise": Noise(1), "step_size": 0.1}
    narrow, wide = (NumbaEngine(double_well(b=b), ula, **options) for b in (1.0, 7.0))
    assert narrow.text is wide.text


def test_every_particle_can_have_its_own_parameters() -> None:
    x, b = Noise(1).normals(500, 0, 1), np.linspace(0.5, 3.0, 500)
    options: dict[str, Any] = {"step_size": 0.02, "steps": 9, "noise": Noise(2)}
    for scheme in (ula, mala):
        for backend in ("numba", "torch"):
            own = simulate(
                double_well(), scheme, x, parameters=b[:, None], backend=backend, **options
            ).final
            for k in (0, 256, 499):
                alone = simulate(double_well(b=b[k]), scheme, x, backend=backend, **options)
                assert own[k] == pytest.approx(alone.final[k], abs=1e-14)


def test_own_parameters_work_for_energies_with_loops() -> None:
    dim = 7
    rng = np.random.default_rng(0)
    energy = quadratic(dim=dim, precision=2 * np.eye(dim) + 0.1, mean=rng.normal(size=dim))
    own = np.tile(energy.parameter_vector(), (90, 1))
    own[:, -dim:] = rng.normal(size=(90, dim))
    options: dict[str, Any] = {"step_size": 0.02, "steps": 5, "noise": Noise(2)}
    x = Noise(1).normals(90, 0, dim)
    together = simulate(energy, mala, x, parameters=own, **options).final
    for k in (0, 64, 89):
        alone = simulate(energy.with_parameters(mean=own[k, -dim:]), mala, x, **options).final
        assert np.array_equal(together[k], alone[k])


def test_parameters_can_change_during_a_run_without_compiling() -> None:
    x, noise = Noise(1).normals(400, 0, 1), Noise(2)
    engine = NumbaEngine(double_well(b=1.0), mala, noise=noise, step_size=0.05)
    ensemble = engine.begin(x, np.arange(400))
    engine.advance(ensemble, 0, 3)
    engine.change_parameters(ensemble, [4.0])
    engine.advance(ensemble, 3, 8)
    options: dict[str, Any] = {"step_size": 0.05, "noise": noise}
    first = simulate(double_well(b=1.0), mala, x, steps=3, **options).final
    second = simulate(double_well(b=4.0), mala, first, steps=5, first_step=3, **options).final
    assert np.array_equal(engine.positions(ensemble), second)


def test_float32_runs_follow_float64_runs_with_the_same_noise() -> None:
    x = Noise(1).normals(2000, 0, 1).astype(np.float32)
    options: dict[str, Any] = {"step_size": 0.01, "steps": 100, "noise": Noise(3, bits=32)}
    wide = simulate(double_well(), ula, x, **options).final
    narrow = simulate(double_well(), ula, x, dtype="float32", **options).final
    assert narrow.dtype == np.float32
    assert np.sqrt(np.mean((wide - narrow) ** 2)) < 1e-5


# energies without a formula


def test_callables_run_behind_the_same_call_and_info_says_so() -> None:
    plain = CallableEnergy(
        name="well by hand",
        dim=1,
        potential_function=lambda x: (x[:, 0] ** 2 - 1) ** 2,
        gradient_function=lambda x: 4 * x * (x**2 - 1),
    )
    x = Noise(1).normals(1000, 0, 1)
    options: dict[str, Any] = {"step_size": 0.02, "steps": 30, "noise": Noise(2)}
    expected = simulate(double_well(b=1.0), mala, x, **options)
    assert "note" not in expected.info
    for backend in ("numba", "torch", "numpy"):
        run = simulate(plain, mala, x, backend=backend, **options)
        assert np.allclose(run.final, expected.final, atol=1e-12)
        assert run.info["accepted"] == pytest.approx(expected.info["accepted"])
        assert ("note" in run.info) == (backend != "numpy")


# a scheme is data: mutants are made outside


def noise_of_half_the_variance(state: Any, energy: Any, h: Any, draw: Any) -> Any:
    x = state["x"]
    return {"x": x - h * energy.gradient(x) + sqrt(h) * draw.normal}, {}


def always_accepts(state: Any, energy: Any, h: Any, draw: Any) -> Any:
    after, _ = ula.step({"x": state["x"]}, energy, h, draw)
    u, g = energy.potential_gradient(after["x"])
    return {"x": after["x"], "potential": u, "gradient": g}, {"accepted": 1.0}


def stale_init(x: Any, energy: Any) -> Any:
    return {"x": x, "gradient": energy.gradient(x)}


def stale(state: Any, energy: Any, h: Any, draw: Any) -> Any:
    x = state["x"]
    after = x - h * state["gradient"] + sqrt(2 * h) * draw.normal
    return {"x": after, "gradient": energy.gradient(x)}, {"moved": squared_norm(after - x)}


MUTANTS = [
    dataclasses.replace(ula, name="half", step=noise_of_half_the_variance),
    dataclasses.replace(mala, name="always", step=always_accepts),
    dataclasses.replace(ula, name="stale", step=stale, init=stale_init),
]


@pytest.mark.parametrize(
    ("mutant", "dim"),
    [*((m, 2) for m in MUTANTS), (MUTANTS[2], 30)],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_altered_step_runs_the_same_on_every_back_end(mutant: Scheme, dim: int) -> None:
    energy = quadratic(dim=dim, precision=np.eye(dim) + 0.1)
    x, options = Noise(1).normals(200, 0, dim), {"step_size": 0.2, "steps": 6, "noise": Noise(9)}
    runs = [simulate(energy, mutant, x, backend=b, device=d, **options) for b, d in BACKENDS]  # type: ignore[arg-type]
    original = simulate(energy, ula, x, **options)  # type: ignore[arg-type]
    for run in runs[1:]:
        assert np.allclose(run.final, runs[0].final, atol=1e-12)
        assert run.info.keys() == runs[0].info.keys()
        for name in ("moved", "accepted"):
            assert run.info.get(name) == pytest.approx(runs[0].info.get(name))
    assert (mutant.name == "always") == np.allclose(runs[0].final, original.final, atol=1e-9)


def test_where_minimum_and_single_coordinates_are_compiled() -> None:
    def folded(state: Any, energy: Any, h: Any, draw: Any) -> Any:
        x = state["x"]
        y = minimum(abs(x), 2.0) * where(x[0] > x[1], 1.0, -1.0) / (1 + x[1] ** 3 * x[1])
        return {"x": y + 0.0 * draw.uniform}, {"largest": where(y[0] <= y[1], y[1], y[0])}

    scheme = dataclasses.replace(ula, name="folded", step=folded)
    x = 2 * Noise(1).normals(333, 0, 2)
    y = np.minimum(abs(x), 2) * np.where(x[:, :1] > x[:, 1:], 1, -1) / (1 + x[:, 1:] ** 4)
    for backend, device in BACKENDS:
        run = simulate(
            quadratic(dim=2),
            scheme,
            x,
            step_size=0.1,
            steps=1,
            noise=Noise(1),
            backend=backend,
            device=device,  # type: ignore[arg-type]
        )
        assert np.allclose(run.final, y, atol=1e-14)
        assert run.info["largest"] == pytest.approx(y.max(axis=1).mean())


@pytest.mark.parametrize("dim", [3, 30])
def test_every_new_field_is_made_of_the_old_ones(dim: int) -> None:
    """Fields that read each other: in place, the second would see the first one's new value."""

    def init(x: Any, energy: Any) -> Any:
        return {"x": x, "other": 2.0 * x, "first": x[0]}

    def step(state: Any, energy: Any, h: Any, draw: Any) -> Any:
        x, other, first = state["x"], state["other"], state["first"]
        after = {"x": other + first, "other": x - first, "first": x[1] * other[2]}
        return after, {"seen": x[0] + other[1] + first}

    scheme = dataclasses.replace(ula, name="exchange", step=step, init=init)
    x = 0.5 * Noise(1).normals(200, 0, dim)
    options: dict[str, Any] = {"step_size": 0.1, "steps": 4, "noise": Noise(1)}
    runs = [
        simulate(quadratic(dim=dim), scheme, x, backend=b, device=d, **options) for b, d in BACKENDS
    ]
    for run in runs[1:]:
        assert np.allclose(run.final, runs[0].final, rtol=1e-13)
        assert run.info["seen"] == pytest.approx(runs[0].info["seen"])


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (lambda s, e, h, w: ({"x": s["x"], "y": s["x"]}, {}), "fields"),
        (lambda s, e, h, w: ({"x": s["x"][0]}, {}), "fields"),
        (lambda s, e, h, w: ({"x": np.arctan(s["x"])}, {}), "arctan"),
        (lambda s, e, h, w: ({"x": s["x"] if s["x"][0] > 0 else -s["x"]}, {}), "where"),
        (lambda s, e, h, w: ({"x": s["x"] ** 0.5}, {}), "whole"),
        (lambda s, e, h, w: ({"x": s["x"] + np.ones(2)}, {}), "numbers"),
        (lambda s, e, h, w: ({"x": e.gradient(s["x"][0]) + s["x"]}, {}), "vector"),
    ],
)
def test_steps_outside_the_language_are_refused_with_a_reason(step: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        trace(dataclasses.replace(ula, step=step), 2)


# divergence


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_divergence_stops_with_the_last_finite_ensemble(backend: Any, device: str) -> None:
    """ULA on a quartic from N(0, 4): some particle starts beyond 2/sqrt(h) and is thrown out."""
    energy, h = quartic(), 0.1
    start = InitialLaw.normal(0.0, 3.0)
    options: dict[str, Any] = {
        "step_size": h,
        "particles": 3000,
        "noise": Noise(12),
        "backend": backend,
        "device": device,
    }
    with pytest.raises(SolverError, match="diverged") as caught:
        simulate(energy, ula, start, steps=2500, **options)
    error = caught.value
    assert error.step is not None
    assert error.last_state.shape == (3000, 1)
    assert np.all(np.isfinite(error.last_state))
    before = simulate(energy, ula, start, steps=error.step - 1, **options)
    assert np.array_equal(before.final, error.last_state)
    with pytest.raises(SolverError) as again:
        simulate(energy, ula, start, steps=error.step, **options)
    assert again.value.step == error.step
    for safe in (tamed_ula, mala):
        assert np.all(np.isfinite(simulate(energy, safe, start, steps=50, **options).final))


def test_a_later_divergence_is_dated_from_the_start_of_its_run() -> None:
    x = np.zeros((10, 1))
    with pytest.raises(SolverError) as caught:
        simulate(quadratic(dim=1), ula, x + 1.0, step_size=6.0, steps=5000, noise=Noise(1))
    # |1 - h| = 5, so 5^k passes 1.8e308 near k = 441
    assert 430 <= caught.value.step <= 441  # type: ignore[operator]
    with pytest.raises(SolverError) as moved:
        simulate(
            quadratic(dim=1),
            ula,
            x + 1.0,
            step_size=6.0,
            steps=5000,
            noise=Noise(1),
            first_step=77,
        )
    assert 430 <= moved.value.step <= 441  # type: ignore[operator]


# arguments


def test_starts_are_exact_draws_and_the_same_on_every_back_end() -> None:
    start = InitialLaw.mixture((0.25, -2.0, 0.5), (0.75, 1.0, 0.1))
    runs = [
        simulate(
            double_well(),
            ula,
            start,
            step_size=0.01,
            steps=0,
            particles=100_000,
            noise=Noise(3),
            backend=b,
            device=d,  # type: ignore[arg-type]
        ).final
        for b, d in BACKENDS
    ]
    assert all(np.array_equal(run, runs[0]) for run in runs[1:])
    low = runs[0] < -0.2
    assert abs(low.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 1e5)
    assert abs(runs[0][low].std() - 0.5) < 5 * 0.5 / np.sqrt(2 * 25000)


def test_progress_runs_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    simulate(
        double_well(),
        ula,
        np.zeros((5, 1)),
        step_size=0.01,
        steps=2100,
        noise=Noise(3),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[0] == (0, 2100)
    assert seen[-1] == (2100, 2100)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"step_size": 0.0}, "positive"),
        ({"step_size": float("nan")}, "positive"),
        ({"steps": None}, "length"),
        ({"time": 1.0}, "not both"),
        ({"steps": None, "time": 0.015}, "whole number"),
        ({"save_at": [0.105]}, "whole number"),
        ({"backend": "jax"}, "numba, torch or numpy"),
        ({"dtype": "float16"}, "float16"),
        ({"device": "cuda"}, "CPU only"),
        ({"particles": 4}, "shape"),
        ({"start": np.zeros((5, 2))}, "dimension"),
        ({"start": np.array([[np.nan]])}, "finite"),
        ({"start": np.zeros(5)}, "shape"),
        ({"start": InitialLaw.normal(0.0, 1.0)}, "particles"),
        ({"parameters": np.ones((7, 1))}, "one row"),
    ],
)
def test_unusable_arguments_are_refused_with_a_reason(changes: dict[str, Any], match: str) -> None:
    options: dict[str, Any] = {"step_size": 0.01, "steps": 5, "noise": Noise(0)} | changes
    start = options.pop("start", np.zeros((5, 1)))
    with pytest.raises(ArgumentError, match=match):
        simulate(double_well(), ula, start, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named() -> None:
    with pytest.raises(ArgumentError, match="no GPU"):
        simulate(
            double_well(),
            ula,
            np.zeros((5, 1)),
            step_size=0.01,
            steps=5,
            noise=Noise(0),
            backend="torch",
            device="cuda",
        )
