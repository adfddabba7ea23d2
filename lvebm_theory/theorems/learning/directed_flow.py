r"""The mean-field flow of learning on the directed Gaussian twin, as differential equations.

E = z^2/2 + (x - t z)^2/(2g), t learned, data with second moment s2, latents z | x ~ N(k x, v) and
pool N(m, S) on (x, z). In the clock of the pool, with t' = eta g:

    t' = (eta/g) [ k s2 - t (k^2 s2 + v) - R_xz + t R_zz ],    R = S + m m',
    k' = t/g - (1 + t^2/g) k,      v' = 2 - 2 (1 + t^2/g) v,
    m' = -P m,      S' = 2 - P S - S P,      P = ((1/g, -t/g), (-t/g, 1 + t^2/g)).

Derivation. d_t E = -(x - t z) z/g; its expectation over the pool is -(R_xz - t R_zz)/g, over data
and latents -(k s2 - t (k^2 s2 + v))/g, and t' = eta (E_p - E_data E_q) d_t E. Linear drifts keep
laws Gaussian (from Gaussian starts with latent mean proportional to x); take expectations.
Particles of step h follow it up to O(h) and scatter by O(N^{-1/2}): both are known (closed forms
of the algorithm) and enter the confrontation as widths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from ...arrays import FloatArray
from ...theorem import Reference, Relation, Theorem
from ..assumptions import true


def theta_at(
    *,
    time: float,
    noise: float,
    eta: float,
    second_moment: float,
    theta_start: float,
    latent_variance: float,
    pool_mean: FloatArray,
    pool_covariance: FloatArray,
    **_: Any,
) -> float:
    """t(time) from t(0), latents N(0, v_0) and pool N(m_0, S_0), to 1e-11."""

    def slope(_: float, y: FloatArray) -> FloatArray:
        t, k, v = y[:3]
        m, s = y[3:5], y[5:].reshape(2, 2)
        r = s + np.outer(m, m)
        p = np.array([[1 / noise, -t / noise], [-t / noise, 1 + t * t / noise]])
        stiff = 1 + t * t / noise
        push = k * second_moment - t * (k * k * second_moment + v) - r[0, 1] + t * r[1, 1]
        ds = 2 * np.eye(2) - p @ s - s @ p
        rates = [eta / noise * push, t / noise - stiff * k, 2 - 2 * stiff * v]
        return np.concatenate([rates, -p @ m, ds.ravel()])

    start = np.concatenate(
        [[theta_start, 0.0, latent_variance], np.asarray(pool_mean), np.ravel(pool_covariance)]
    )
    found = solve_ivp(slope, (0.0, time), start, method="LSODA", rtol=1e-11, atol=1e-12)
    return float(found.y[0, -1])


theorem = Theorem(
    name="learning-flow-directed-twin",
    title="Theta of the learner follows the mean-field flow",
    statement=(
        r"t'=\frac\eta g\bigl[k s_2-t(k^2s_2+v)-R_{xz}+tR_{zz}\bigr],\quad"
        r"k'=\tfrac tg-(1+\tfrac{t^2}g)k,\quad v'=2-2(1+\tfrac{t^2}g)v,\quad S'=2-PS-SP"
    ),
    reference=Reference(key="sznitman-1991", place="chapter I; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(
        true("directed_gaussian", "E = z^2/2 + (x - t z)^2/(2g), Gaussian starts, t is learned"),
    ),
    formula=lambda **q: theta_at(**q),
)
