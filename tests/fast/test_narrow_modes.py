"""Constants on the line see modes that lie between the points of any even grid.

The independent gap: finite volumes on a mesh made around the modes, whose inverse is two cumulative
sums, so that gaps keep their relative accuracy however small they are.
"""

import numpy as np
import pytest

from lvebm_theory import parse_potential
from lvebm_theory.constant import How
from lvebm_theory.constants import constants_of


def mixture(weights, means, sds):
    terms = (
        f"{w!r}*exp(-(x-({m!r}))**2/(2*{s!r}**2))"
        for w, m, s in zip(weights, means, sds, strict=True)
    )
    return parse_potential(f"-log({'+'.join(terms)})")


def independent_gap(weights, means, sds):
    w, m, s = (np.array(values)[:, None] for values in (weights, means, sds))
    edges = np.sort(
        np.concatenate([(m + s * np.linspace(-14, 14, 12001)).ravel(), np.linspace(-22, 22, 40001)])
    )
    edges = edges[np.diff(edges, prepend=-np.inf) > 1e-9]

    def law(x):
        return np.exp(np.logaddexp.reduce(np.log(w) - (x - m) ** 2 / (2 * s**2), axis=0))

    x, h = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    masses, flux = law(x) * h, law(edges[1:-1]) / np.diff(x)
    masses, flux = masses / masses.sum(), flux / masses.sum()
    near_zero = np.cumsum(masses)[:-1] < 0.5
    v, gap = x + np.abs(x - m[1]).clip(max=6 * s[1]) / s[1], 0.0
    for _ in range(2000):
        q = masses * (v - masses @ v)
        left, right = np.cumsum(q)[:-1], -np.cumsum(q[::-1])[::-1][1:]
        u = np.concatenate([[0.0], np.cumsum(np.where(near_zero, left, right) / -flux)])
        u -= masses @ u
        before, gap = gap, (q @ u) / (masses @ u**2)
        if abs(gap - before) < 1e-9 * gap:
            return float(gap)
        v = u / np.sqrt(masses @ u**2)
    raise AssertionError("the inverse iteration did not converge")


def drawn(seed):
    """A standard normal and a narrow mode far out in its tail."""
    rng = np.random.default_rng(seed)
    weight, mean, sd = 10.0 ** rng.uniform(-6, -2), rng.uniform(5, 9), 10.0 ** rng.uniform(-3.3, -2)
    return (1.0, float(f"{weight:.3g}")), (0.0, float(f"{mean:.4g}")), (1.0, float(f"{sd:.3g}"))


@pytest.mark.parametrize(
    "law",
    [((0.999999, 1e-6), (0.0, 8.0), (1.0, 0.000707)), *(drawn(seed) for seed in range(3))],
    ids=str,
)
def test_no_constant_exceeds_the_gap_that_a_narrow_mode_leaves(law):
    truth, found = independent_gap(*law), constants_of(mixture(*law))
    if found.gap.how is not How.ESTIMATED:
        assert found.gap.lower <= 1.002 * truth
        assert found.gap.upper >= 0.998 * truth
    if found.log_sobolev.how is not How.ESTIMATED:
        assert found.log_sobolev.lower <= 1.002 * truth


def test_the_reference_knows_a_normal_law_and_two_modes():
    assert independent_gap((1.0, 1.0), (0.0, 0.0), (1.0, 1.0)) == pytest.approx(1.0, rel=1e-4)
    # certified in ball arithmetic
    two = independent_gap((1.0, 1.0), (-2.0, 2.0), (1.0, 1.0))
    assert two == pytest.approx(0.11906464, rel=1e-4)
