"""The vectorisable elementary functions against 40 digits, and what compilers make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import mp

from lvebm_theory.energy import energy
from lvebm_theory.formula import cos, exp, log, log1p, sin, tanh
from lvebm_theory.formula.generated import load
from solvers import elementary
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.particles import ula
from solvers.particles.elementary_module import elementary_functions

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # both branches are computed

rng = np.random.default_rng(0)
SMALL = 2.0 ** rng.uniform(-30, 0, 500)
POINTS = {
    "exp": [rng.uniform(-80, 80, 3000), rng.uniform(-1, 1, 1000), SMALL],
    "exp_below": [-rng.uniform(0, 80, 3000), -rng.uniform(0, 1, 1000), -SMALL],
    "natural_log": [2.0 ** rng.uniform(-100, 100, 2000), rng.uniform(0.5, 2, 2000)],
    "log1p": [SMALL, -0.9 * SMALL, rng.uniform(-0.5, 3, 2000), 2.0 ** rng.uniform(0, 60, 500)],
    "sin": [rng.uniform(-10, 10, 2000), rng.uniform(-1000, 1000, 2000), SMALL],
    "cos": [rng.uniform(-10, 10, 2000), rng.uniform(-1000, 1000, 2000), SMALL],
    "tanh": [rng.uniform(-10, 10, 2000), rng.uniform(-0.6, 0.6, 2000), SMALL],
}
EXACT = {"exp_below": mp.exp, "natural_log": mp.log, "log1p": lambda x: mp.log(1 + x)}


def compiled(real: Any) -> dict[str, Any]:
    """Compiled loops y[i] = f(x[i]) by the names of ``POINTS``."""
    names = {"exp": "exp", "log": "natural_log"} | {
        n: n for n in ("exp_below", "log1p", "tanh", "sin", "cos")
    }
    text = "import numpy as np\nfrom numba import njit\n" + elementary_functions(real)
    for name in names:
        text += (
            f'\n\n@njit(error_model="numpy")\ndef map_{name}(x, y):\n'
            f"    for i in range(x.size):\n        y[i] = {name}(x[i])\n"
        )
    module = load(text)
    return {ours: getattr(module, f"map_{name}") for name, ours in names.items()}


@pytest.mark.parametrize("how", ["numpy", "compiled"])
@pytest.mark.parametrize("bits", ["64", "32"])
@pytest.mark.parametrize("name", POINTS)
def test_values_are_within_3_ulp(name: str, bits: str, how: str) -> None:
    mp.dps = 40
    dtype = np.float64 if bits == "64" else np.float32
    x = np.concatenate(POINTS[name]).astype(dtype)
    if how == "numpy":
        values = getattr(elementary, f"{name}_{bits}")(x)
    else:
        values = np.empty_like(x)
        compiled(f"float{bits}")[name](x, values)
    assert values.dtype == dtype
    exact = [EXACT.get(name, getattr(mp, name, None))(mp.mpf(float(v))) for v in x]
    for value, truth in zip(values, exact, strict=True):
        ulp = float(np.spacing(dtype(abs(float(truth)))))
        assert abs(mp.mpf(float(value)) - truth) <= 3 * ulp


@pytest.mark.parametrize("bits", ["64", "32"])
def test_ends_of_the_number_line(bits: str) -> None:
    dtype = np.float64 if bits == "64" else np.float32

    def at(name: str, *points: float) -> Any:
        return getattr(elementary, f"{name}_{bits}")(np.array(points, dtype)).tolist()

    inf, nan = float("inf"), float("nan")
    assert at("exp", inf, -inf, 0.0, 1e6, -1e6) == [inf, 0.0, 1.0, inf, 0.0]
    tiny = at("exp_below", -inf, -1e6)
    assert at("exp_below", 0.0) == [1.0]
    assert 0 <= min(tiny) <= max(tiny) < 2e-38
    assert at("natural_log", inf, 0.0, 1.0) == [inf, -inf, 0.0]
    assert at("log1p", inf, 0.0, -1.0) == [inf, 0.0, -inf]
    assert at("tanh", inf, -inf, 0.0, 50.0) == [1.0, -1.0, 0.0, 1.0]
    assert at("sin", 0.0) == [0.0]
    assert at("cos", 0.0) == [1.0]
    for name in POINTS:
        assert np.all(np.isnan(at(name, nan)))
    assert np.all(np.isnan(at("natural_log", -1.0, -inf)))
    tiny = 1e-310 if bits == "64" else 1e-40
    assert at("natural_log", tiny)[0] == pytest.approx(np.log(np.float64(dtype(tiny))), rel=1e-6)


@pytest.mark.parametrize("real", ["float64", "float32"])
def test_compiled_functions_have_the_same_bits_one_by_one(real: Any) -> None:
    """Vector code and the scalar code of remainders and single calls agree to the last bit."""
    for name, function in compiled(real).items():
        x = np.concatenate(POINTS[name]).astype(real)[:1003]
        together, alone = np.empty_like(x), np.empty_like(x)
        function(x, together)
        for k in range(len(x)):
            function(x[k : k + 1], alone[k : k + 1])
        assert np.array_equal(together, alone), name


@pytest.mark.parametrize("real", ["float64", "float32"])
def test_a_loop_with_every_function_is_vectorised(real: Any) -> None:
    """No call is left in the loop, and its arithmetic is on packed numbers."""
    text = (
        "import math\nimport numpy as np\nfrom numba import njit\n"
        + elementary_functions(real)
        + '\n\n@njit(error_model="numpy")\ndef loop(x, y):\n    for i in range(256):\n'
        "        y[np.uint64(i)] = exp(x[np.uint64(i)]) + tanh(sin(log(x[np.uint64(i)])))\n"
    )
    module = load(text)
    x = np.linspace(0.1, 3.0, 256).astype(real)
    module.loop(x, np.empty_like(x))
    assembly = next(iter(module.loop.inspect_asm().values()))
    packed, single = ("mulpd", "mulsd") if real == "float64" else ("mulps", "mulss")
    if packed not in assembly and single not in assembly:
        pytest.skip("not an x86 processor")
    assert assembly.count(packed) > assembly.count(single) / 2
    for library in ("exp", "log", "sin", "tanh"):
        assert f"callq\t{library}" not in assembly


@energy(dim=2, a=1.0)
def everything(x, a):  # type: ignore[no-untyped-def]
    """U = exp(-x^2) + log(1 + y^2) + sin x cos y + log1p(x^2 y^2) + a tanh(x y) + |x|^2."""
    u, v = x
    return (
        exp(-(u**2))
        + log(1 + v**2)
        + sin(3 * u) * cos(v)
        + log1p(u**2 * v**2)
        + a * tanh(u * v)
        + u**2
        + v**2
    )


def test_an_energy_with_every_function_follows_numpy() -> None:
    target, x = everything(a=0.7), 2 * Noise(1).normals(3000, 0, 2)
    options: dict[str, Any] = {"step_size": 0.05, "steps": 40, "noise": Noise(2)}
    compiled = simulate(target, ula, x, **options).final
    plain = simulate(target, ula, x, backend="numpy", **options).final
    assert np.max(np.abs(compiled - plain)) < 1e-12
