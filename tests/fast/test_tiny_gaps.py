"""Gaps far below rounding of nodal slopes, beside two-state rates by quadrature in many digits.

For two wells behind a barrier that makes lambda_1/lambda_2 = e, lambda_1 is
(1/pi(A) + 1/pi(B)) / int dx/pi(x) between the bottoms, up to a factor 1 + O(e).
"""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf, quad

from lvebm_theory import parse_potential
from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of
from lvebm_theory.constants.line_spectrum import _COARSE, _FINER, Meshes
from lvebm_theory.constants.modes import low_modes

DIGITS = 30


def two_state_rate(density, bottoms, barrier, ends) -> float:
    """By mpmath on panels of an eightieth of the distance of the bottoms."""
    with mp.workdps(DIGITS):
        a, b = (mpf(x) for x in bottoms)
        step = (b - a) / 80

        def panels(low, high):
            n = max(2, int((high - low) / step))
            return [low + (high - low) * k / n for k in range(n + 1)]

        left = quad(density, panels(mpf(ends[0]), mpf(barrier)))
        right = quad(density, panels(mpf(barrier), mpf(ends[1])))
        return float((1 / left + 1 / right) / quad(lambda x: 1 / density(x), panels(a, b)))


def quartic(height: float, tilt: float) -> tuple[str, float]:
    """A double well of a height, and its gap."""
    well = np.polynomial.Polynomial([0, tilt, -2 * height, 0, height])
    places = np.sort(well.deriv().roots().real)
    rate = two_state_rate(
        lambda x: mp.exp(-mpf(height) * (x * x - 1) ** 2 - mpf(tilt) * x),
        (places[0], places[2]),
        places[1],
        (-2.5, 2.5),
    )
    return f"{height}*(x**2-1)**2+{tilt}*x", rate


def spikes(*parts: tuple[float, float, float]) -> tuple[str, float]:
    """Two narrow normal components (weight, precision, place), and the gap between them."""

    def density(x):
        terms = (mpf(w) * mp.exp(-mpf(p) * (x - mpf(m)) ** 2 / 2) for w, p, m in parts)
        return sum(terms)

    text = "+".join(f"{w}*exp(-{p / 2}*(x-({m}))**2)" for w, p, m in parts)
    (wa, pa, a), (wb, pb, b) = parts
    # where the two terms are equal: the top of the barrier
    x = np.linspace(a, b, 200_001)
    top = x[np.argmin(np.abs(np.log(wa / wb) - pa * (x - a) ** 2 / 2 + pb * (x - b) ** 2 / 2))]
    far = 9 / np.sqrt([pa, pb])
    return f"-log({text})", two_state_rate(density, (a, b), top, (a - far[0], b + far[1]))


@pytest.mark.parametrize("seed", range(3))
def test_gap_of_high_double_wells(seed: int) -> None:
    rng = np.random.default_rng([seed, 71])
    text, right = quartic(round(float(rng.uniform(34, 90)), 2), round(float(rng.uniform(0, 3)), 2))
    gap = constants_of(parse_potential(text)).gap
    assert gap.lower * (1 - 1e-9) <= right <= gap.upper * (1 + 1e-9), (text, right, gap)
    assert gap.upper / gap.lower < 1 + 1e-8
    assert gap.how is not How.ESTIMATED


@pytest.mark.parametrize("seed", range(3))
def test_gap_between_narrow_components(seed: int) -> None:
    rng = np.random.default_rng([seed, 72])
    precision = np.round(rng.uniform(30, 90, 2), 1)
    weight = np.round(rng.uniform(0.3, 1, 2), 3)
    apart = round(float(rng.uniform(2.6, 3.4)), 2)
    text, right = spikes((weight[0], precision[0], 0.0), (weight[1], precision[1], apart))
    gap = constants_of(parse_potential(text)).gap
    assert right < 1e-12
    assert gap.lower * (1 - 1e-9) <= right <= gap.upper * (1 + 1e-9), (text, right, gap)
    assert gap.upper / gap.lower < 1 + 1e-8


def test_without_integration_the_digits_are_lost() -> None:
    text, right = quartic(60.0, 1.0)
    meshes = Meshes(parse_potential(text))
    off = [abs(low_modes(meshes.mesh(m), 1)[0][0] / right - 1) for m in (_COARSE, _FINER)]
    assert max(off) > 1e-7
