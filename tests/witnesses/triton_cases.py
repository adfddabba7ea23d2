"""What the fused GPU loop has to do; run by ``test_triton`` in a process of its own.

On the GPU where there is one, else under Triton's interpreter, whose switch must be set before
the first kernel is loaded.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.energies import catalogue
from lvebm_theory.energy import energy
from lvebm_theory.errors import SolverError
from lvebm_theory.formula import atan
from lvebm_theory.formula.generated import load
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.noise.backends import resolution
from solvers.noise.triton_text import imports
from solvers.particles import Histogram, Moments, TestFunctions, mala, tamed_ula, ula
from solvers.particles.triton_engine import TritonEngine, pieces

from .test_backends import energy_of, largest_term

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TRITON: Any = {"backend": "triton", "device": DEVICE}

_WORDS = """
@triton.jit
def words(out, ids, index, key, n, BLOCK: tl.constexpr):
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    here = lane < n
    particle = tl.load(ids + lane, mask=here, other=0).to(tl.uint32)
    place = tl.load(index).to(tl.uint32)
    a = tl.load(key).to(tl.uint32)
    b = tl.load(key + 1).to(tl.uint32)
    c = tl.load(key + 2).to(tl.uint32)
    d = tl.load(key + 3).to(tl.uint32)
    w0, w1, w2, w3 = philox4x32(place, particle, a, b, c, d)
    {body}
"""
_STORE = "tl.store(out + {k} * n + lane, ({value}), mask=here)"


def tensor(a: Any) -> Any:
    return torch.as_tensor(np.asarray(a), device=DEVICE)


def on_device(body: list[str], names: list[str], rows: int, real: str, address: Any) -> Any:
    """Rows of a kernel that reads the four words w0 .. w3 of one Philox call."""
    noise, ids, index = address
    text = imports("philox4x32", *names) + _WORDS.format(body="\n    ".join(body))
    out = torch.zeros((rows, len(ids)), dtype=getattr(torch, real), device=DEVICE)
    load(text).words[(-(-len(ids) // 1024),)](
        out, tensor(ids), tensor([index]), tensor(noise.address), len(ids), BLOCK=1024
    )
    return out.cpu().numpy()


IDS = np.array([0, 1, 2, 77, 2**31 - 1, 2**31, 2**32 - 1])


@pytest.mark.parametrize("index", [0, 1, 123456, 2**31 + 5, 2**32 - 1])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**64 - 1, 0x9E3779B97F4A7C15])
def test_integers_are_those_of_every_back_end(seed: int, index: int) -> None:
    noise = Noise(seed, "a stream")
    stores = [_STORE.format(k=k, value=f"w{k}.to(tl.int64)") for k in range(4)]
    found = on_device(stores, [], 4, "int64", (noise, IDS, index)).T
    assert np.array_equal(found, noise.integers(IDS, index))
    assert not np.array_equal(found, noise.integers(IDS, index ^ 1))
    assert not np.array_equal(found, Noise(seed ^ 2**40, "a stream").integers(IDS, index))


@pytest.mark.parametrize(("bits", "real"), [(53, "float64"), (32, "float64"), (32, "float32")])
@pytest.mark.parametrize("law", ["normals", "uniforms"])
def test_normals_and_uniforms_agree_to_4_ulp(law: Any, bits: Any, real: Any) -> None:
    way, ids, noise = resolution(bits, real), np.arange(20_000), Noise(3, "normals", bits)
    function = getattr(way, law)
    names = ", ".join(f"z{k}" for k in range(way.lanes))
    body = [f"{names} = {function}(w0, w1, w2, w3)"]
    body += [_STORE.format(k=k, value=f"z{k}") for k in range(way.lanes)]
    index = 5 + (2**31 if law == "uniforms" else 0)
    found = on_device(body, [function], way.lanes, real, (noise, ids, index))
    expected = noise.tape(ids, 5 * way.lanes, way.lanes, law=law, dtype=real)
    assert found.dtype == expected.dtype
    assert np.max(np.abs(found - expected) / np.spacing(np.abs(expected))) <= 4
    if law == "normals":
        assert abs(found.std() - 1) < 0.02
    assert np.max(np.abs(found - np.roll(expected, 1, 1)) / np.spacing(np.abs(expected))) > 1e4


def states(e: Any, n: int, dtype: Any) -> Any:
    return 1.5 * Noise(5, "states").normals(n, 0, e.dim, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(catalogue()))
def test_one_step_agrees_to_16_ulp_of_the_largest_term(name: str, dtype: Any) -> None:
    e, h, noise = energy_of(name), 1e-2, Noise(21, "one step")
    x = states(e, 20_000 // e.dim, dtype)
    options: dict[str, Any] = {"step_size": h, "steps": 1, "dtype": dtype}
    compiled = simulate(e, ula, x, noise=noise, **options).final
    fused = simulate(e, ula, x, noise=noise, **TRITON, **options)
    xi = noise.normals(len(x), 0, e.dim, dtype=dtype)
    scale = np.spacing(largest_term(e, x, h, xi).astype(dtype))
    assert fused.final.dtype == dtype
    assert fused.info["backend"] == "triton"
    assert "note" not in fused.info
    assert np.max(np.abs(compiled - fused.final) / scale) <= 16
    # a step longer by a ten-thousandth is seen
    other = simulate(e, ula, x, noise=noise, **options | {"step_size": h * (1 + 1e-4)}).final
    assert np.max(np.abs(other - fused.final) / scale) > 16


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 10, 16])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_mixtures_of_any_small_dimension(dim: int, dtype: Any) -> None:
    """Chunks of 1, 2 or 4 steps; whole Philox calls that straddle steps."""
    means = 0.7 * Noise(8).normals(8, 0, dim)
    e = catalogue()["gaussian_mixture"](means=means, sds=0.9)
    options: dict[str, Any] = {"step_size": 1e-2, "steps": 7, "noise": Noise(6), "dtype": dtype}
    x = states(e, 300, dtype)
    compiled = simulate(e, ula, x, **options).final
    fused = simulate(e, ula, x, **TRITON, **options).final
    assert np.max(np.abs(compiled - fused)) < (1e-13 if dtype == "float64" else 1e-5)
    assert np.sqrt(np.mean((fused - x) ** 2)) > 0.1


@pytest.mark.parametrize("bits", [32, 53])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_resolution_of_the_noise(bits: Any, dtype: Any) -> None:
    e = energy_of("double_well")
    options: dict[str, Any] = {
        "step_size": 1e-2, "steps": 6, "noise": Noise(6, bits=bits), "dtype": dtype
    }  # fmt: skip
    x = states(e, 1000, dtype)
    compiled = simulate(e, ula, x, **options).final
    fused = simulate(e, ula, x, **TRITON, **options).final
    assert np.max(np.abs(compiled - fused)) < (1e-14 if dtype == "float64" else 1e-5)


def test_paths_stay_together() -> None:
    e = energy_of("quartic")
    x = 0.7 * Noise(5, "states").normals(500, 0, e.dim)
    options: dict[str, Any] = {"step_size": 1e-2, "steps": 300, "noise": Noise(6)}
    compiled = simulate(e, ula, x, **options).final
    fused = simulate(e, ula, x, **TRITON, **options).final
    assert np.sqrt(np.mean((compiled - fused) ** 2)) < 1e-10
    assert np.sqrt(np.mean((compiled - x) ** 2)) > 0.1


@pytest.mark.parametrize("scheme", [tamed_ula, mala], ids=lambda s: s.name)
def test_other_schemes_come_from_the_same_trace(scheme: Any) -> None:
    e, x = energy_of("double_well"), Noise(5).normals(3000, 0, 1)
    options: dict[str, Any] = {"step_size": 0.2, "steps": 40, "noise": Noise(6)}
    compiled = simulate(e, scheme, x, **options)
    fused = simulate(e, scheme, x, **TRITON, **options)
    assert np.sqrt(np.mean((compiled.final - fused.final) ** 2)) < 1e-8
    if scheme is mala:
        assert fused.info["accepted"] == pytest.approx(compiled.info["accepted"], rel=1e-12)
        assert 0.3 < fused.info["accepted"] < 0.9


def engine(e: Any, **options: Any) -> TritonEngine:
    return TritonEngine(e, ula, noise=Noise(6), step_size=1e-2, device=DEVICE, **options)


@pytest.mark.parametrize("dim", [1, 3])
def test_blocks_pieces_and_neighbours_change_nothing(dim: int) -> None:
    """Bit for bit: the size of a block, where a run is cut, and who else is there."""
    e = catalogue()["quadratic"](mean=np.zeros(dim))
    x, ids = states(e, 1000, "float64"), np.arange(1000)
    final = []
    for block, cuts in ((64, [0, 23]), (1024, [0, 3, 4, 9, 16, 21, 23]), (256, [0, 8, 23])):
        one = engine(e, block=block)
        ensemble = one.begin(x, ids)
        for a, b in itertools.pairwise(cuts):
            one.advance(ensemble, a, b)
        final.append(one.positions(ensemble))
    some = np.array([5, 900, 17, 18])
    one = engine(e, block=64)
    ensemble = one.begin(x[some], some)
    one.advance(ensemble, 0, 23)
    assert np.array_equal(final[0], final[1])
    assert np.array_equal(final[0], final[2])
    assert np.array_equal(final[0][some], one.positions(ensemble))
    ensemble = one.begin(x[some], some + 1)
    one.advance(ensemble, 0, 23)
    assert not np.array_equal(final[0][some], one.positions(ensemble))


def test_pieces_cover_the_steps_once() -> None:
    for first in range(9):
        for last in range(first, 20):
            found = pieces(first, last, 4)
            steps = [s for a, b, _ in found for s in range(a, b)]
            assert steps == list(range(first, last))
            assert all(a % 4 == b % 4 == 0 for a, b, ragged in found if not ragged)


def test_a_run_on_the_device_holds_its_state_and_nothing_per_step() -> None:
    one = engine(energy_of("double_well"), dtype="float32")
    ensemble = one.begin(np.zeros((5000, 1)), np.arange(5000) + 7)
    assert ensemble.ids is None
    assert ensemble.state.numel() * ensemble.state.element_size() == 4 * 5000
    assert (
        engine(energy_of("double_well")).begin(np.zeros((2, 1)), np.array([3, 5])).ids is not None
    )


def test_sums_in_the_loop_are_the_sums_at_stops() -> None:
    e, x = energy_of("bottleneck"), Noise(5).normals(3000, 0, 2)
    moments = Moments(every=1)
    waves = TestFunctions(functions={"wave": lambda x: np.cos(x[0]) * 0.3, "one": lambda x: 1.0},
                          every=3, name="waves")  # fmt: skip
    cells = Histogram(edges=((-2, 2, 16), (-1, 2, 5)), axes=(0, 1), every=25)
    options: dict[str, Any] = {"step_size": 1e-3, "noise": Noise(6)}
    dense: dict[str, Any] = {"steps": 70, "recorders": [moments, waves, cells]}
    compiled = simulate(e, ula, x, **options, **dense).records
    fused = simulate(e, ula, x, **TRITON, **options, **dense).records
    for name in ("moments", "waves"):
        assert np.max(np.abs(compiled[name].mean - fused[name].mean)) < 1e-13
        assert np.max(np.abs(compiled[name].second - fused[name].second)) < 1e-13
    assert np.all(fused["waves"].of("one") == 1.0)
    assert np.array_equal(compiled["histogram"].counts, fused["histogram"].counts)
    assert np.array_equal(compiled["histogram"].outside, fused["histogram"].outside)
    few = Moments(times=(0.031, 0.07), name="moments")
    sparse = simulate(e, ula, x, **TRITON, **options, recorders=[few]).records["moments"]
    assert np.array_equal(sparse.mean, fused["moments"].mean[[31, 70]])
    assert not np.array_equal(sparse.mean, fused["moments"].mean[[30, 69]])


def test_parameters_are_arguments() -> None:
    e = energy_of("double_well")
    x = 0.5 * states(e, 800, "float64")
    options: dict[str, Any] = {"step_size": 1e-2, "steps": 9, "noise": Noise(6)}
    text = engine(e).text.text
    assert engine(e.with_parameters(b=2.5)).text.text == text
    own = np.linspace(0.5, 2.0, len(x))[:, None]
    for parameters in ([2.5], own):
        compiled = simulate(e, ula, x, parameters=parameters, **options).final
        fused = simulate(e, ula, x, parameters=parameters, **TRITON, **options).final
        assert np.max(np.abs(compiled - fused)) < 1e-13
        assert np.max(np.abs(fused - simulate(e, ula, x, **options).final)) > 1e-2


def test_divergence_is_found_at_its_step() -> None:
    e = energy_of("double_well")
    x = np.append(np.zeros(300), 30.0)[:, None]
    options: dict[str, Any] = {"step_size": 0.05, "steps": 50, "noise": Noise(6)}
    errors = []
    for where in ({}, TRITON):
        with pytest.raises(SolverError) as caught:
            simulate(e, ula, x, **where, **options)
        errors.append(caught.value)
    assert errors[0].step == errors[1].step
    assert np.allclose(errors[0].last_state, errors[1].last_state, rtol=1e-12)
    calm = simulate(e, ula, x[:-1], **TRITON, **options).final
    assert np.all(np.isfinite(calm))


@energy(dim=1)
def with_arctangent(x: Any) -> Any:
    """U(x) = x^2 / 2 + atan(x): Triton has no arctangent."""
    return x[0] ** 2 / 2 + atan(x[0])


def test_what_is_no_formula_for_triton_runs_on_torch_and_says_so() -> None:
    x = Noise(5).normals(100, 0, 1)
    options: dict[str, Any] = {"step_size": 1e-2, "steps": 5, "noise": Noise(6)}
    plain = CallableEnergy(
        name="half_square",
        dim=1,
        potential_function=lambda x: (x**2).sum(1) / 2,
        gradient_function=lambda x: x,
    )
    big = catalogue()["quadratic"](mean=np.zeros(40))
    for e in (with_arctangent(), plain, big):
        start = np.tile(x, e.dim)
        fused = simulate(e, ula, start, **TRITON, **options)
        assert fused.info["backend"] == "torch"
        assert "ran on torch tensors" in fused.info["note"]
        assert np.allclose(fused.final, simulate(e, ula, start, **options).final, atol=1e-12)


FUNCTIONS = (
    "absolute", "cos", "cosh", "erf", "exp", "log", "log1p", "log_cosh", "sign", "sin", "sinh",
    "sqrt", "tan", "tanh",
)  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_formulas(name: str) -> None:
    """U = f((1 + x^2) / 2)^2 / 2, whose gradient holds both f and f', against numba's path."""
    import lvebm_theory.formula as words

    f = getattr(words, name)

    def wrapped(x: Any) -> Any:
        """f((1 + x^2) / 2)^2 / 2."""
        return f((1 + x[0] ** 2) / 2) ** 2 / 2

    wrapped.__name__ = f"with_{name}"
    e = energy(dim=1)(wrapped)()
    x = np.linspace(-1.0, 1.0, 500)[:, None]
    options: dict[str, Any] = {"step_size": 1e-2, "steps": 3, "noise": Noise(6)}
    fused = simulate(e, ula, x, **TRITON, **options)
    assert fused.info["backend"] == "triton"
    assert np.max(np.abs(fused.final - simulate(e, ula, x, **options).final)) < 1e-12
    assert math.isfinite(fused.final.sum())
