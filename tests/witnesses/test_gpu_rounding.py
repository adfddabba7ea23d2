"""How far a GPU may stray from the CPU: its rounding, emulated where there is none.

A GPU divides in float32 to 2 ulp. Here quotients are moved by as much, at random, and products that
the shared text writes as ``fma`` are rounded once: what the interpreter cannot show, since numpy
rounds every operation to nearest. In float64 a GPU rounds to nearest as well.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lvebm_theory.energies import catalogue
from lvebm_theory.formula.generated import load
from solvers import elementary
from solvers.evolve import simulate
from solvers.noise import Noise, box_muller
from solvers.particles import ula
from solvers.source_text import body_of, decorated

from .test_backends import energy_of, largest_term

RNG = np.random.default_rng(1)


class Numbers:
    """An array as a GPU computes with it."""

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = np.asarray(value)

    def like(self, other: Any) -> Any:
        """The other's array, a literal taking this type."""
        return other.value if isinstance(other, Numbers) else np.asarray(other, self.value.dtype)

    def __mul__(self, other: Any) -> Numbers:
        return Numbers(self.value * self.like(other))

    def __add__(self, other: Any) -> Numbers:
        return Numbers(self.value + self.like(other))

    def __sub__(self, other: Any) -> Numbers:
        return Numbers(self.value - self.like(other))

    def __rsub__(self, other: Any) -> Numbers:
        return Numbers(self.like(other) - self.value)

    def __neg__(self) -> Numbers:
        return Numbers(-self.value)

    def __truediv__(self, other: Any) -> Numbers:
        return nudged(self.value / self.like(other), 2)

    def __rtruediv__(self, other: Any) -> Numbers:
        return nudged(self.like(other) / self.value, 2)

    __rmul__, __radd__ = __mul__, __add__

    def __gt__(self, other: Any) -> Any:
        return self.value > self.like(other)

    def __lt__(self, other: Any) -> Any:
        return self.value < self.like(other)

    def __eq__(self, other: object) -> Any:
        return self.value == self.like(other)

    def __ne__(self, other: object) -> Any:
        return self.value != self.like(other)


def fused(a: Any, b: Any, c: Any) -> Numbers:
    """a b + c in the next wider type: rounded once in float32, all but once in float64."""
    like = next(z for z in (a, b, c) if isinstance(z, Numbers))
    kind = like.value.dtype
    wide = np.float64 if kind == np.float32 else np.longdouble
    x, y, z = (like.like(v).astype(wide) for v in (a, b, c))
    return Numbers((x * y + z).astype(kind))


def root(x: Any) -> Numbers:
    """The noise's root: a reciprocal root to 2 ulp, and one Newton step."""
    if x.value.dtype == np.float64:
        return Numbers(np.sqrt(x.value))
    r = nudged(1 / np.sqrt(np.maximum(x.value, np.float32(1e-30))), 2)
    y = x * r
    return fused(fused(-y, y, x), r * 0.5, y)


def nudged(value: Any, most: int) -> Numbers:
    """Moved by up to so many ulp in float32; float64 is rounded to nearest."""
    if value.dtype == np.float64:
        return Numbers(value)
    ulps = RNG.integers(-most, most + 1, value.shape).astype(np.float32)
    return Numbers(np.where(np.isfinite(value), value + ulps * np.spacing(np.abs(value)), value))


def where(condition: Any, a: Any, b: Any) -> Any:
    like = a if isinstance(a, Numbers) else b
    if not isinstance(like, Numbers):
        return np.where(condition, a, b)
    return Numbers(np.where(condition, like.like(a), like.like(b)))


def turned(cosine: Any, sine: Any, quarter: Any) -> tuple[Any, Any]:
    swap = (quarter & 1) == 1
    c, s = where(swap, sine, cosine), where(swap, cosine, sine)
    return where(((quarter + 1) & 2) == 2, -c, c), where((quarter & 2) == 2, -s, s)


PRIMITIVES: dict[str, Any] = {
    "where": where,
    "fma": fused,
    "sqrt": root,
    "bits_64": lambda x: x.value.view(np.int64),
    "bits_32": lambda x: x.value.view(np.int32),
    "real_of_bits_64": lambda i: Numbers(i.view(np.float64)),
    "real_of_bits_32": lambda i: Numbers(i.view(np.float32)),
    "real_64": lambda i: Numbers(i.astype(np.float64)),
    "wide_64": lambda i: Numbers(i.astype(np.float64)),
    "real_32": lambda i: Numbers(i.astype(np.float32)),
    "low_32": lambda i: i.astype(np.int32),
    "turned_64": turned,
    "turned_32": turned,
}


def with_names(text: str, names: dict[str, Any]) -> ModuleType:
    """A module of this text in which these names mean what the test says."""
    module = load(f"{' = '.join(names)} = None  # set by the test of a GPU's rounding\n\n\n{text}")
    for name, value in names.items():
        setattr(module, name, value)
    return module


def shared(primitives: dict[str, Any] = PRIMITIVES) -> ModuleType:
    functions = decorated(body_of(elementary))
    return with_names(decorated(body_of(box_muller)) + "\n\n\n" + functions, primitives)


@pytest.mark.parametrize(
    ("name", "dtype", "bits"),
    [("normals_32_in_32", "float32", 32), ("normals_53", "float64", 53)],
)
def test_normals_stay_within_4_ulp(name: str, dtype: Any, bits: Any) -> None:
    ids, noise = np.arange(200_000), Noise(3, "rounding", bits)
    words = noise.integers(ids, 9).T
    found = getattr(shared(), name)(*words)
    expected = noise.tape(ids, 9 * len(found), len(found), dtype=dtype)
    distance = np.abs(np.stack([z.value for z in found]) - expected) / np.spacing(np.abs(expected))
    assert distance.dtype == dtype
    assert np.max(distance) <= 4
    if dtype == "float32":
        assert np.max(distance) >= 1  # something is emulated


def test_roots_to_2_ulp_would_not_do() -> None:
    """Why the loop asks for exact roots: what ``sqrt.approx`` promises is too little."""
    rough = PRIMITIVES | {"sqrt": lambda x: nudged(np.sqrt(x.value), 2)}
    ids, noise = np.arange(200_000), Noise(3, "rounding", 32)
    found = shared(rough).normals_32_in_32(*noise.integers(ids, 9).T)
    expected = noise.tape(ids, 36, 4, dtype="float32")
    distance = np.abs(np.stack([z.value for z in found]) - expected) / np.spacing(np.abs(expected))
    assert np.max(distance) > 4


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(catalogue()))
def test_one_step_stays_within_16_ulp_of_the_largest_term(name: str, dtype: Any) -> None:
    energy, h, noise = energy_of(name), 1e-2, Noise(21, "one step")
    x = 1.5 * Noise(5, "states").normals(20_000, 0, energy.dim, dtype=dtype)
    real, suffix, functions = np.dtype(dtype).type, dtype[-2:], shared()
    words: dict[str, Any] = {"where": where, "sqrt": lambda a: Numbers(np.sqrt(a.value))}
    words["log"] = getattr(functions, f"natural_log_{suffix}")
    for known in ("exp", "log1p", "sin", "cos", "tanh"):
        words[known] = getattr(functions, f"{known}_{suffix}")
    words["tl"] = SimpleNamespace(abs=lambda a: Numbers(np.abs(a.value)))
    drift: dict[int, Any] = {}
    source = energy.source("triton")
    with np.errstate(all="ignore"):
        parameters = [Numbers(np.full(len(x), p, real)) for p in energy.parameter_vector()]
        with_names(source, words).gradient([Numbers(c) for c in x.T], parameters, drift)
    xi = noise.normals(len(x), 0, energy.dim, dtype=dtype)
    moved = [
        Numbers(x[:, j]) - drift[j] * real(h) + Numbers(xi[:, j]) * real(np.sqrt(2 * h))
        for j in range(energy.dim)
    ]  # fmt: skip
    found = np.stack([a.value for a in moved], 1)
    options: dict[str, Any] = {"step_size": h, "steps": 1, "noise": noise, "dtype": dtype}
    compiled = simulate(energy, ula, x, **options).final
    scale = np.spacing(largest_term(energy, x, h, xi).astype(dtype))
    assert found.dtype == dtype
    assert np.max(np.abs(found - compiled) / scale) <= 16
