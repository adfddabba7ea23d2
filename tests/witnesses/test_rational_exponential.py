"""The stored poles and residues are those of the Caratheodory-Fejer method in 60 digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from flint import acb, acb_poly, arb, ctx

from solvers.densities.exponential import DEGREE, POLES, RESIDUES

_DIGITS = 60
_SCALE, _COEFFICIENTS, _SAMPLES = 9, 75, 256


@pytest.fixture(autouse=True)
def _sixty_digits():
    kept, ctx.dps = ctx.dps, _DIGITS
    with mp.workdps(_DIGITS):
        yield
    ctx.dps = kept


def _error(poles, residues, x):
    return abs(
        mp.re(mp.fsum(c / (x - z) for z, c in zip(poles, residues, strict=True))) - mp.exp(x)
    )


def _half_line():
    return [mp.mpf(0), *(-(mp.mpf(10) ** (mp.mpf(k) / 20)) for k in range(-160, 200))]


def test_the_rounded_table_errs_by_less_than_one_part_in_1e15():
    poles, residues = [mp.mpc(z) for z in POLES], [mp.mpc(c) for c in RESIDUES]
    assert max(_error(poles, residues, x) for x in _half_line()) < 1e-15
    residues[3] *= 1 + mp.mpf(10) ** -14
    assert max(_error(poles, residues, x) for x in _half_line()) > 1e-15


def test_in_double_precision_only_rounding_is_added():
    x = -np.append(0.0, np.geomspace(1e-8, 1e10, 5001))
    values = (RESIDUES / (x[:, None] - POLES)).sum(axis=1).real
    rounding = 4 * np.finfo(float).eps * (np.abs(RESIDUES) / np.abs(x[:, None] - POLES)).sum(axis=1)
    assert (np.abs(values - np.exp(x)) <= 1e-15 + rounding).all()


def _horner(leading_first, z):
    value = mp.mpc(0)
    for coefficient in leading_first:
        value = value * z + coefficient
    return value


def _roots(leading_first):
    def ball(x):
        return arb(mp.nstr(x, _DIGITS))

    found = acb_poly([acb(ball(x)) for x in reversed(leading_first)]).roots()
    parts = [(z.real.mid(), z.imag.mid()) for z in found]
    return [mp.mpc(*(mp.mpf(part.str(_DIGITS, radius=False)) for part in pair)) for pair in parts]


def test_the_table_is_made_again():
    circle = [mp.expjpi(mp.mpf(2 * j) / _SAMPLES) for j in range(_SAMPLES)]
    on_it = [
        mp.exp(_SCALE * (z.real - 1) / (z.real + 1)) if 2 * j != _SAMPLES else mp.mpf(0)
        for j, z in enumerate(circle)
    ]
    chebyshev = [
        mp.fsum(f * circle[j * k % _SAMPLES].real for j, f in enumerate(on_it)) / _SAMPLES
        for k in range(_COEFFICIENTS + 1)
    ]
    hankel = mp.matrix(_COEFFICIENTS, _COEFFICIENTS)
    for i in range(_COEFFICIENTS):
        for j in range(_COEFFICIENTS - i):
            hankel[i, j] = chebyshev[i + j + 1]
    values, vectors = mp.eigsy(hankel)
    chosen = sorted(range(_COEFFICIENTS), key=lambda i: -abs(values[i]))[DEGREE]
    assert abs(values[chosen]) == pytest.approx(1.06e-16, rel=1e-2)
    vector = [vectors[i, chosen] for i in range(_COEFFICIENTS)]
    outside = [z for z in _roots(vector) if abs(z) > 1]
    assert len(outside) == DEGREE
    poles, residues = _upper_half(circle, chebyshev, values[chosen], vector, outside)
    np.testing.assert_allclose(np.array([complex(z) for z in poles]), POLES, rtol=1e-15)
    np.testing.assert_allclose(np.array([complex(c) for c in residues]), RESIDUES, rtol=1e-15)


def _upper_half(circle, chebyshev, value, vector, outside):
    """Poles by their imaginary part, and residues, of the best approximation with these roots."""
    denominator = [mp.mpc(1)]
    for root in outside:
        shifted = [mp.mpc(0), *(-root * a for a in denominator)]
        denominator = [a + b for a, b in zip([*denominator, mp.mpc(0)], shifted, strict=True)]
    numerator_on_circle = []
    for z in circle:
        blaschke = _horner(vector, mp.conj(z)) / _horner(reversed(vector), mp.conj(z))
        best = _horner(reversed(chebyshev), z) - value * z**_COEFFICIENTS * blaschke
        numerator_on_circle.append(best * _horner(denominator, z))
    numerator = [
        mp.fsum(
            f * mp.conj(circle[j * k % _SAMPLES]) for j, f in enumerate(numerator_on_circle)
        ).real
        / _SAMPLES
        for k in range(DEGREE, -1, -1)
    ]
    pairs = []
    for root in outside:
        slope = mp.fprod(root - other for other in outside if other is not root)
        pole = _SCALE * (root - 1) ** 2 / (root + 1) ** 2
        if pole.imag > 0:
            pairs.append((pole, 8 * _horner(numerator, root) / slope * pole / (root**2 - 1)))
    pairs.sort(key=lambda pair: pair[0].imag)
    return zip(*pairs, strict=True)
