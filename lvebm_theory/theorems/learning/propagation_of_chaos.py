r"""Particle theta against mean-field theta: an error of order N^{-1/2} with a predicted variance.

theta_N(t) the learner with N particles per phase, theta(t) its mean-field limit:

    sqrt(N) (theta_N(t) - theta(t)) -> N(0, Sigma(t))    in law, for every fixed t.

Gaussian location family, E = r(x - theta)^2/2, pool started i.i.d. with variance v_0:

    N Var theta_N(t) = P_11(t) for every N,   P' = A P + P A' + diag(0, 2),   P(0) = diag(0, v_0),
    A = ((0, -eta r), (r, -r)).

In general N Var theta_N(T) -> Sigma(T), the noise of both phases carried to theta by the functions
phi (joint phase) and psi (conditional phase) that solve the backward equations of the linearised
mean field, d_t phi = -L phi - eta a d_theta E and d_t psi = -L psi + eta a d_theta E, 0 at T,
coupled through the adjoint a of theta.

Derivation. The drifts are one-sided Lipschitz in the particles, and these meet only through
theta: Sznitman's coupling gives E|theta_N - theta|^2 = O(1/N), and the linearised equation driven
by the martingale of the empirical measure gives the normal limit. In the Gaussian family theta and
the mean of the pool solve a linear equation with noise sqrt(2/N) dB in the second
component; P is N times their covariance, exactly. P_oo = diag(eta, 1)/r solves 0 = A P + P A' +
diag(0, 2), so P(t) = P_oo + e^{At} (P(0) - P_oo) e^{A't}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import expm

from ...arrays import FloatArray
from ...theorem import Reference, Relation, Theorem
from ..assumptions import true


def scaled_covariance(
    *, time: float, eta: float, stiffness: float, initial_variance: float, **_: Any
) -> FloatArray:
    """P(t) = N Cov(theta_N, mean of the pool), shape (2, 2).

    Parameters
    ----------
    time : float
        In the clock of the pool.
    eta, stiffness : float
        theta' = eta g, and r.
    initial_variance : float
        v_0 of one particle.
    """
    drift = np.array([[0.0, -eta * stiffness], [stiffness, -stiffness]])
    limit = np.diag([eta, 1.0]) / stiffness
    kept = expm(time * drift)
    return np.asarray(limit + kept @ (np.diag([0.0, initial_variance]) - limit) @ kept.T)


theorem = Theorem(
    name="propagation-of-chaos",
    title="Particle theta converges to mean-field theta at the rate N^{-1/2}",
    statement=(
        r"\frac{\mathrm d\log\bigl(\mathbb E|\theta_N(t)-\theta(t)|^2\bigr)^{1/2}}"
        r"{\mathrm d\log N}=-\tfrac12"
    ),
    reference=Reference(key="sznitman-1991", place="Theorem I.1.4; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(true("smooth", "grad E is smooth, one-sided Lipschitz and of polynomial growth"),),
    formula=lambda **_: -0.5,
)

mean = Theorem(
    name="mean-field-limit",
    title="Expected theta of N particles tends to the mean-field theta",
    statement=r"\lim_{N\to\infty}\mathbb E\,\theta_N(t)=\theta(t)",
    reference=Reference(key="sznitman-1991", place="Theorem I.1.4; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(true("smooth", "grad E is smooth, one-sided Lipschitz and of polynomial growth"),),
    formula=lambda *, mean_field, **_: float(mean_field),
)

limit = Theorem(
    name="fluctuation-limit",
    title="Variance of theta of N particles, from the linearised mean field",
    statement=(
        r"\lim_{N\to\infty}N\,\mathrm{Var}\,\theta_N(T)=\mathrm{Var}_{p_0}\varphi_0"
        r"+\int_0^T2\,\mathbb E_{p_t}|\nabla\varphi_t|^2\,\mathrm dt"
        r"+\frac1n\,\mathbb E_{\mathrm{data}}\Bigl[\mathrm{Var}_{q_0}\psi_0"
        r"+\int_0^T2\,\mathbb E_{q_t}|\partial_z\psi_t|^2\,\mathrm dt\Bigr]"
    ),
    reference=Reference(
        key="sznitman-1991", place="chapter I, fluctuations; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(true("smooth", "grad E is smooth, one-sided Lipschitz and of polynomial growth"),),
    formula=lambda *, from_pool, from_latents, **_: float(from_pool + from_latents),
)

fluctuation = Theorem(
    name="fluctuation-variance",
    title="Variance of the particle theta around the mean-field theta, at every time",
    statement=(
        r"N\,\mathrm{Var}\,\theta_N(t)=P_{11}(t),\quad P'=AP+PA^\top+\mathrm{diag}(0,2),\quad"
        r"A=\begin{pmatrix}0&-\eta r\\r&-r\end{pmatrix}"
    ),
    reference=Reference(key="pavliotis-2014", place="section 3.7; derived, see the docstring"),
    inspired_by=("tang-2025", "valsecchi-oliva-2025"),
    relation=Relation.EQUAL,
    assumptions=(true("gaussian_location", "E = r(x - theta)^2/2"),),
    formula=lambda **q: float(scaled_covariance(**q)[0, 0]),
)
