r"""From finitely many particles to L*: location families, persistent pool, every constant explicit.

E_theta(w) = U(w - theta), m I <= Hess U, grad U G-Lipschitz; the pool has M particles, and the
positive phase is exact (no latents, or grad_theta E free of z at the data). In mean square,
D = sqrt(E(L* - L(theta_t))), sigma^2 = sum over learned coordinates of E_{p_0}(d_i U)^2
(= E d_ii U, the trace of Fisher's information):

    D' <= -eta mu D + eta sqrt(Lambda/2) (w + sigma/sqrt(M)),
    w' <= eta G sqrt(2 Lambda) D - (m - eta G) w + eta G sigma/sqrt(M),    w_0 = G W2(p_start, p_0).

Steps (K steps of ULA with step h at fixed theta, then theta by a g): q, beta as in two_loop (2),
gamma = (1 - mh)^K, B = G:

    D_{k+1} <= q D_k + a sqrt(Lambda/2) (w_k + sigma/sqrt(M)),
    w_{k+1} <= gamma ( a G sqrt(2 Lambda) D_k + (1 + a G) w_k + a G sigma/sqrt(M) ) + beta.

Derivation. Let xi_j solve d xi = -grad U(xi) dt + sqrt2 dB_j with the noise of particle j, started
in p_0 (centred model) and optimally coupled to w_j - theta at time 0. The xi_j do not know theta:
they stay independent with law p_0 although theta depends on all of their noises. Put
delta_j = w_j - theta - xi_j. By convexity |delta_j|' <= -m |delta_j| + |theta'|, and

    g - grad L = (1/M) sum_j [grad U(xi_j) - grad U(xi_j + delta_j)] - (1/M) sum_j grad U(xi_j),

as E_{p_0} grad U = 0. In L^2 the first part is at most w = G (E (1/M) sum |delta_j|^2)^{1/2}, the
second is sigma/sqrt(M) exactly, at every time. Minkowski's inequality needs no independence of
theta. With D as in single_loop and inexact_ascent (2), compare. For ULA the coupling is the one in
the proof of Dalalyan-Karagulyan's Theorem 1, whose error per step depends on the law of xi alone.

Loose: the floor is of order 1/M, but for small eta the true one is eta times smaller, because
theta averages the noise (finite_pool_variance); Minkowski cannot see that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import bounded_above, finite, positive, true
from .comparison import after_steps, after_time
from .inexact_ascent import PL, STABLE
from .phases import ULA_FLOOR, Phases
from .single_loop import flow_matrix
from .two_loop import step_matrix


def _noise(*, fluctuation: float, pool: int, **_: Any) -> float:
    return fluctuation / math.sqrt(pool)


def _flow(*, time: float, initial_root_gap: float, initial_w2: float, **q: Any) -> float:
    lipschitz = float(q["joint_lipschitz"].upper)
    phases = Phases(rate=float(q["joint_convexity"].lower), coupling=lipschitz)
    smoothness = q["likelihood_smoothness"]
    matrix = flow_matrix(phases, eta=q["eta"], pl=q["pl"], likelihood_smoothness=smoothness)
    push = np.array([math.sqrt(float(smoothness.upper) / 2.0), lipschitz])
    start = np.array([initial_root_gap, lipschitz * initial_w2])
    return float(after_time(matrix, start, q["eta"] * _noise(**q) * push, time)[0])


def _steps(*, steps: int, initial_root_gap: float, initial_w2: float, **q: Any) -> float:
    lipschitz, convexity = float(q["joint_lipschitz"].upper), float(q["joint_convexity"].lower)
    phases = Phases(rate=convexity, coupling=lipschitz)
    contraction = (1.0 - convexity * q["pool_step"]) ** q["inner_steps"]
    bias = lipschitz * ULA_FLOOR * float(q["joint_smoothness"].upper) / convexity
    bias *= math.sqrt(q["pool_step"] * q["dim"])
    a, noise = q["step_size"], _noise(**q)
    drive = np.array(
        [
            a * math.sqrt(float(q["likelihood_smoothness"].upper) / 2.0) * noise,
            contraction * a * lipschitz * noise + bias,
        ]
    )
    start = np.array([initial_root_gap, contraction * lipschitz * initial_w2 + bias])
    return float(after_steps(step_matrix(phases, contraction, **q), start, drive, steps)[0])


_ASSUMPTIONS = (
    true("location_family", "E = U(w - theta), and the positive phase is exact"),
    *PL,
    bounded_above("joint_lipschitz", "grad U is G-Lipschitz"),
    positive("joint_convexity", "Hess U >= m I with a known m > 0"),
    finite("fluctuation", "sigma^2 = E |grad U|^2 over the learned coordinates is finite"),
    Assumption(text="the pool is not empty", holds=lambda q: q["pool"] >= 1),
    finite("initial_root_gap", "L* - L(theta_0) is finite"),
    finite("initial_w2", "the start of the pool has a finite second moment"),
)

theorem = Theorem(
    name="finite-pool-convergence",
    title="Simultaneous flows with a finite pool: the expected gap to the best likelihood",
    statement=(
        r"\sqrt{\mathbb E(L^*-L_t)}\le\Bigl[e^{At}\binom{D_0}{w_0}+\int_0^te^{A(t-s)}\mathrm ds\,"
        r"\frac{\eta\sigma}{\sqrt M}\binom{\sqrt{\Lambda/2}}{G}\Bigr]_1,\quad A=\begin{pmatrix}"
        r"-\eta\mu&\eta\sqrt{\Lambda/2}\\\eta G\sqrt{2\Lambda}&\eta G-m\end{pmatrix}"
    ),
    reference=Reference(
        key="sznitman-1991", place="chapter I, coupling; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=_ASSUMPTIONS,
    formula=_flow,
    loose=True,
)

steps = Theorem(
    name="finite-pool-steps",
    title="The algorithm itself, finite pool and ULA: the expected gap to the best likelihood",
    statement=(
        r"\binom{D_{k+1}}{w_{k+1}}\le N\binom{D_k}{w_k}+\binom{a\sqrt{\Lambda/2}\,\sigma/\sqrt M}"
        r"{\gamma aG\sigma/\sqrt M+\beta},\quad"
        r"N=\begin{pmatrix}q&a\sqrt{\Lambda/2}\\\gamma aG\sqrt{2\Lambda}&\gamma(1+aG)\end{pmatrix}"
    ),
    reference=Reference(
        key="dalalyan-karagulyan-2019",
        place="Theorem 1, the inner loop; derived, see the docstring",
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        *_ASSUMPTIONS,
        STABLE,
        bounded_above("joint_smoothness", "grad U is Lipschitz"),
        Assumption(
            text="0 < h <= 2/(m + L)",
            holds=lambda q: (
                0.0
                < q["pool_step"]
                <= 2.0 / (q["joint_convexity"].lower + q["joint_smoothness"].upper)
            ),
        ),
    ),
    formula=_steps,
    loose=True,
)
