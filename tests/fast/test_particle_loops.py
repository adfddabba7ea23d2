"""What the generators of the particle loops write: fused products and matrix products."""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.formula.generated import load
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.noise.backends import filler, numba_text
from solvers.particles import mala, ula
from solvers.particles.contraction import recognised
from solvers.particles.fuse import fused
from solvers.particles.lift import lifted
from solvers.particles.numba_engine import NumbaEngine


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("y = a * b + c", "y = fma(a, b, c)"),
        ("y = c - a * b", "y = fma(-a, b, c)"),
        ("y = a * b - c", "y = fma(a, b, -c)"),
        ("y = c - -(a * b)", "y = fma(a, b, c)"),
        ("y += a * b", "y = fma(a, b, y)"),
        ("y[i * n + j] += a * b[i * n + j]", "y[i * n + j] = fma(a, b[i * n + j], y[i * n + j])"),
        ("y = a * b + c * d", "y = fma(c, d, a * b)"),
        ("y = a + b", "y = a + b"),
        ("y = f(a * b + c) * d", "y = f(fma(a, b, c)) * d"),
    ],
)
def test_sums_of_products_are_fused_and_indices_are_not(line: str, expected: str) -> None:
    assert fused(line) == expected


@pytest.mark.parametrize("real", ["float64", "float32"])
def test_a_fused_product_is_rounded_once(real: Any) -> None:
    text = numba_text(real) + (
        '\n\n@njit(error_model="numpy")\ndef loop(a, b, c, y):\n'
        "    for i in range(a.size):\n        y[i] = fma(a[i], b[i], c[i])\n"
    )
    a, b = np.random.default_rng(0).normal(size=(2, 300)).astype(real)
    c, y = -(a * b), np.empty_like(a)  # only what the product lost is left
    load(text).loop(a, b, c, y)
    exact = [
        Fraction(float(p)) * Fraction(float(q)) + Fraction(float(r))
        for p, q, r in zip(a, b, c, strict=True)
    ]
    assert np.array_equal(y, np.array([float(e) for e in exact], dtype=real))
    assert np.any(y != 0)
    assert not np.any(a * b + c)


def body_of(text: str) -> list[ast.stmt]:
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    return function.body


PRODUCT = """def gradient(x, p, g):
    for i in range(7):
        slope = 0.0
        for j in range(7):
            slope += {term}
        g[i] = slope
"""


@pytest.mark.parametrize(
    ("term", "is_product"),
    [
        ("p[i * 7 + j] * x[j]", True),
        ("(x[j] - p[49 + j]) * p[i * 7 + j]", True),
        ("x[i] * x[j]", False),
        ("p[i * 7 + j] * (x[j] - x[i])", False),
        ("p[i * 7 + j] + x[j]", False),
    ],
)
def test_matrix_products_are_recognised_and_nothing_else(term: str, is_product: bool) -> None:
    found = recognised(body_of(PRODUCT.format(term=term)), {"x", "g", "slope"})
    assert (found is not None) == is_product


def test_own_parameters_are_no_matrix() -> None:
    source = quadratic(dim=9).source("numba")
    shared, own = (lifted(source, "gradient", o) for o in (False, True))
    assert shared is not None
    assert own is not None
    assert "gradient_tiles" in shared
    assert "tiles" not in own


@pytest.mark.parametrize("scheme", [ula, mala], ids=lambda s: s.name)
@pytest.mark.parametrize("dim", [7, 8, 30, 33])
@pytest.mark.parametrize("shape", ["diagonal", "banded", "dense"])
def test_tiles_of_any_matrix_follow_numpy(shape: str, dim: int, scheme: Any) -> None:
    a = np.random.default_rng(dim).normal(size=(dim, dim)) / dim
    matrix = {
        "diagonal": np.diag(1 + np.abs(a[0])),
        "banded": np.eye(dim) + 0.2 * (np.eye(dim, k=1) + np.eye(dim, k=-1)),
        "dense": np.eye(dim) + a @ a.T,
    }[shape]
    energy = quadratic(precision=matrix, mean=a[1])
    x = Noise(1).normals(300, 0, dim)
    options: dict[str, Any] = {"step_size": 0.05, "steps": 7, "noise": Noise(2)}
    compiled = simulate(energy, scheme, x, **options)
    plain = simulate(energy, scheme, x, backend="numpy", **options)
    assert np.max(np.abs(compiled.final - plain.final)) < 1e-13 * dim


def test_one_compilation_serves_diagonal_and_dense() -> None:
    options: dict[str, Any] = {"noise": Noise(1), "step_size": 0.1}
    diagonal = NumbaEngine(quadratic(precision=np.eye(12)), ula, **options)
    ensemble = diagonal.begin(np.ones((5, 12)), np.arange(5))
    dense = quadratic(precision=np.eye(12) + 0.1)
    diagonal.change_parameters(ensemble, dense.parameter_vector())
    diagonal.advance(ensemble, 0, 3)
    expected = simulate(dense, ula, np.ones((5, 12)), steps=3, **options)
    assert np.array_equal(diagonal.positions(ensemble), expected.final)


@pytest.mark.parametrize(("bits", "real"), [(53, "float64"), (32, "float64"), (32, "float32")])
def test_blocks_of_any_length_have_the_same_noise(bits: Any, real: Any) -> None:
    address, ids = Noise(3).address, np.arange(256)
    rows = {}
    for block in (64, 256):
        module = filler(bits, real, block)
        text = f"""from numba import njit

from {module.__name__} import fill_normals, new_words


@njit
def fill(out, rows, ids, first, a, b, c, d):
    fill_normals(out, rows, ids, first, new_words(), 5, a, b, c, d)
"""
        out = np.empty((256 // block, 8, block), dtype=real)
        for k, part in enumerate(out):
            load(text).fill(part.reshape(-1), 8, ids, k * block, *address)
        rows[block] = out.transpose(1, 0, 2).reshape(8, 256)
    assert np.array_equal(rows[64], rows[256])
