"""Bounds on a transport cost from potentials and from plans, true whatever a solver got wrong.

A pair (f, g) with f(x) + g(y) <= |x - y|^2 everywhere gives W2^2 >= E f(X) + E g(Y), and any
coupling gives W2^2 <= E |X - Y|^2. Potentials are made feasible by c-transforms and plans by
moving their defect, so both bounds hold up to the rounding of the sums, which is subtracted or
added.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

ROUNDING = 1e-13  # of the largest term; sums of up to 1e6 terms stay well below it


def squared_distances(x: FloatArray, y: FloatArray) -> FloatArray:
    """|x_i - y_j|^2 for x (n, d) and y (m, d); shape (n, m), without cancellation."""
    total = np.zeros((len(x), len(y)))
    for a, b in zip(x.T, y.T, strict=True):
        total += (a[:, None] - b) ** 2
    return total


def dual_bound(
    cost: FloatArray, a: FloatArray, b: FloatArray, potential: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Lower bound on min <cost, plan>, and the feasible pair (f, g) that proves it.

    Parameters
    ----------
    cost : array (n, m)
    a, b : arrays (n,), (m,) of masses
    potential : array (n,)
        Anything; made feasible by g_j = min_i c_ij - f_i and then f_i = min_j c_ij - g_j.
    """
    g = (cost - potential[:, None]).min(0)
    f = (cost - g).min(1)
    rounding = ROUNDING * (np.abs(f).max() + np.abs(g).max() + cost.max())
    return float(a @ f + b @ g - rounding), f, g


def primal_bound(cost: FloatArray, a: FloatArray, b: FloatArray, plan: FloatArray) -> float:
    """Upper bound on min <cost, plan> from any non-negative matrix.

    Its rows and then columns are scaled down to their masses, and what is missing is coupled
    independently (Altschuler, Weed and Rigollet 2017, algorithm 2).
    """
    plan = np.maximum(plan, 0.0)
    for axis, wanted in ((1, a), (0, b)):
        got = plan.sum(axis)
        factor = np.minimum(np.divide(wanted, got, out=np.ones_like(got), where=got > 0), 1.0)
        plan = plan * (factor[:, None] if axis == 1 else factor)
    rest_a, rest_b = np.maximum(a - plan.sum(1), 0), np.maximum(b - plan.sum(0), 0)
    value = float((cost * plan).sum())
    if rest_a.sum() > 0 and rest_b.sum() > 0:
        value += float(rest_a @ cost @ rest_b) / min(rest_a.sum(), rest_b.sum())
    return value + ROUNDING * float(cost.max())


def solve(
    cost: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[float, float, FloatArray, FloatArray]:
    """Bounds (lower, upper) on the optimal cost and feasible potentials (f, g), through POT.

    Dense network simplex: 0.1 s at 1000 by 1000 points, 5 s at 5000 by 5000.
    """
    import warnings

    import ot

    a, b = a / a.sum(), b / b.sum()
    scale = float(cost.max()) or 1.0
    with warnings.catch_warnings():  # an unfinished simplex only widens the interval
        warnings.simplefilter("ignore")
        plan, log = ot.emd(
            a, b, cost / scale, log=True, numItermax=2_000_000, check_marginals=False
        )
    lower, f, g = dual_bound(cost, a, b, np.asarray(log["u"]) * scale)
    return lower, primal_bound(cost, a, b, np.asarray(plan)), f, g
