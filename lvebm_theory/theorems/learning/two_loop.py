r"""Two loops: the inner flows run for a time S at fixed theta, then theta takes one step a.

Notation of single_loop.py; w_k bounds the error of the direction g_k that step k uses, after its
inner loop. The laws persist from one loop to the next.

(1) Persistent flows. gamma = e^{-rho S}, q as in inexact_ascent (2), 0 < a < 2/Lambda:

    D_{k+1} <= q D_k + a sqrt(Lambda/2) w_k,
    w_{k+1} <= gamma ( a B sqrt(2 Lambda) D_k + (1 + a B) w_k ),    w_0 = gamma w_start,

so (D, w)_k <= N^k (D_0, w_0), and D + alpha w falls by r per step, r the larger eigenvalue of N;
r < 1 iff gamma(1 + aB) < 1 and gamma a^2 B Lambda < (1 - q)(1 - gamma(1 + aB)).

(2) ULA in place of the flows, K steps of h (latents kappa h), Hess E >= m > 0: the same in W2 with
gamma = max_i (1 - m_i h_i)^K, B = sum_i G_i^2/m_i, and

    w_{k+1} <= (the above) + beta,   beta = sum_i G_i (7 sqrt(2)/6) (L_i/m_i) sqrt(h_i d_i).

(3) Tolerance. If every inner loop runs until E_data sqrt KL_q <= delta_q and sqrt KL_p <= delta_p
(a = 1/Lambda at most): L* - L_k <= (1 - a mu)^k (L* - L_0) + (1 - (1 - a mu)^k) v/(2 mu) with v = 2
(G_q delta_q/sqrt(rho_q) + G_p delta_p/sqrt(rho_p))^2; a phase reaches its tolerance within the
inner time S_i = log( 1 + a |g_k| G_i/(sqrt(2 rho_i) delta_i) )/(speed_i rho_i) after a step a g_k.

Derivation. (1) inexact_ascent (2) for D. The step moves w by at most B a |g_k| and
|g_k| <= sqrt(2 Lambda) D_k + w_k (phases.py); the inner loop then multiplies by gamma, as
sqrt KL falls by e^{-rho S}. (2) Dalalyan-Karagulyan, Theorem 1, for each phase, needs h_i <=
2/(m_i + L_i). (3) gradient_error_relative_entropy into inexact_ascent (1); a jump adds at most
a |g_k| G/sqrt(2 rho) to sqrt KL, which the flow then brings back to delta.

What it covers: laws (pools so large that their empirical error is nil), no projection. Persistent
finite pools: finite_pool_convergence.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import FloatArray
from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import bounded_above, finite
from .comparison import after_steps, leading
from .gradient_error_relative_entropy import LIPSCHITZ, SOBOLEV, direction_error
from .inexact_ascent import PL, STABLE, step_factor
from .inexact_ascent import theorem as outer
from .phases import CONVEX, Phases, ula_error, under_convexity, under_log_sobolev


def step_matrix(phases: Phases, contraction: float, **q: Any) -> FloatArray:
    """N of the comparison (D, w)_{k+1} <= N (D, w)_k, shape (2, 2)."""
    a, smoothness = q["step_size"], float(q["likelihood_smoothness"].upper)
    coupling = a * phases.coupling
    return np.array(
        [
            [step_factor(**q), a * math.sqrt(smoothness / 2.0)],
            [contraction * coupling * math.sqrt(2.0 * smoothness), contraction * (1.0 + coupling)],
        ]
    )


def _flow(**q: Any) -> tuple[FloatArray, float]:
    phases = under_log_sobolev(**q)
    contraction = math.exp(-phases.rate * q["inner_time"])
    return step_matrix(phases, contraction, **q), contraction


def _ula(**q: Any) -> tuple[FloatArray, float]:
    phases = under_convexity(**q)
    contraction = (1.0 - phases.rate * q["pool_step"]) ** q["inner_steps"]
    return step_matrix(phases, contraction, **q), contraction


def factor(**q: Any) -> float:
    """r: what one outer step leaves of D + alpha w, for the persistent flows (1)."""
    return leading(_flow(**q)[0])[0]


def _bound(*, steps: int, initial_root_gap: float, initial_direction_error: float, **q: Any) -> Any:
    matrix, contraction = _flow(**q)
    start = np.array([initial_root_gap, contraction * initial_direction_error])
    return float(after_steps(matrix, start, np.zeros(2), steps)[0])


def _lyapunov(
    *, steps: int, initial_root_gap: float, initial_direction_error: float, **q: Any
) -> float:
    matrix, contraction = _flow(**q)
    value, weight = leading(matrix)
    return value**steps * (initial_root_gap + weight * contraction * initial_direction_error)


def _ula_bound(
    *, steps: int, initial_root_gap: float, initial_direction_error: float, **q: Any
) -> float:
    matrix, contraction = _ula(**q)
    drive = np.array([0.0, ula_error(**q)])
    start = np.array([initial_root_gap, contraction * initial_direction_error]) + drive
    return float(after_steps(matrix, start, drive, steps)[0])


def inner_time(
    *, log_sobolev: Any, lipschitz: Any, tolerance: float, move: float, phase_speed: float = 1.0
) -> float:
    """S_i: time after which sqrt KL is back at ``tolerance`` when theta moved by ``move``."""
    rho, jump = float(log_sobolev.lower), move * float(lipschitz.upper)
    return math.log1p(jump / (math.sqrt(2.0 * rho) * tolerance)) / (phase_speed * rho)


_STARTS = (
    finite("initial_root_gap", "L* - L(theta_0) is finite"),
    finite("initial_direction_error", "the error of the first direction is finite"),
)
_CONTRACTS = Assumption(
    text="theta is slow enough: the comparison matrix has spectral radius < 1",
    holds=lambda q: factor(**q) < 1.0,
)
_SHORT_INNER = Assumption(
    text="0 < h_i <= 2/(m_i + L_i) in both phases",
    holds=lambda q: (
        q["pool_step"] > 0
        and q["pool_step"] * (q["joint_convexity"].lower + q["joint_smoothness"].upper) <= 2.0
        and q["latent_speed"]
        * q["pool_step"]
        * (q["conditional_convexity"].lower + q["conditional_smoothness"].upper)
        <= 2.0
    ),
)
_REFERENCE = Reference(
    key="otto-villani-2000", place="Theorem 1, W2 from KL; derived, see the docstring"
)
_MATRIX = (
    r"N=\begin{pmatrix}q&a\sqrt{\Lambda/2}\\\gamma aB\sqrt{2\Lambda}&\gamma(1+aB)\end{pmatrix}"
)

theorem = Theorem(
    name="two-loop",
    title="Inner flows for a fixed time, then a step of theta: the gap to the best likelihood",
    statement=(
        r"\sqrt{L^*-L(\theta_k)}\le\Bigl[N^k\binom{D_0}{\gamma w}\Bigr]_1,\quad"
        + _MATRIX
        + r",\quad\gamma=e^{-\rho S}"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*PL, STABLE, *LIPSCHITZ, *SOBOLEV, *_STARTS),
    formula=_bound,
)

lyapunov_decay = Theorem(
    name="two-loop-lyapunov",
    title="Two loops: likelihood gap and inner errors fall geometrically together",
    statement=(
        r"\sqrt{L^*-L_k}+\alpha w_k\le r^k\bigl(\sqrt{L^*-L_0}+\alpha w_0\bigr),\qquad"
        r"(1,\alpha)N=r(1,\alpha)"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*PL, STABLE, *LIPSCHITZ, *SOBOLEV, *_STARTS, _CONTRACTS),
    formula=_lyapunov,
)

tolerance = Theorem(
    name="two-loop-tolerance",
    title="Inner loops run to a tolerance: the gap to the best likelihood",
    statement=(
        r"L^*-L_k\le(1-a\mu)^k(L^*-L_0)+\frac{1-(1-a\mu)^k}\mu\Bigl("
        r"\tfrac{G_q\delta_q}{\sqrt{\rho_q}}+\tfrac{G_p\delta_p}{\sqrt{\rho_p}}\Bigr)^2"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*outer.assumptions, *LIPSCHITZ, *SOBOLEV),
    formula=lambda *, conditional_tolerance, joint_tolerance, **q: outer.formula(
        mean_square_error=direction_error(
            conditional_root_entropy=conditional_tolerance, joint_root_entropy=joint_tolerance, **q
        )
        ** 2,
        **q,
    ),
)

ula = Theorem(
    name="two-loop-ula",
    title="Inner loops by ULA: the gap to the best likelihood, discretisation included",
    statement=(
        r"\sqrt{L^*-L(\theta_k)}\le\Bigl[N^k\binom{D_0}{\gamma w+\beta}"
        r"+\sum_{j<k}N^j\binom0\beta\Bigr]_1,\quad\gamma=\max_i(1-m_ih_i)^K,\quad"
        r"\beta=\sum_iG_i\frac{7\sqrt2}6\frac{L_i}{m_i}\sqrt{h_id_i}"
    ),
    reference=Reference(
        key="dalalyan-karagulyan-2019",
        place="Theorem 1, the inner loop; derived, see the docstring",
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        *PL,
        STABLE,
        *LIPSCHITZ,
        *CONVEX,
        bounded_above("conditional_smoothness", "grad_z E is L_q-Lipschitz in z"),
        bounded_above("joint_smoothness", "grad E is L_p-Lipschitz"),
        _SHORT_INNER,
        *_STARTS,
    ),
    formula=_ula_bound,
    loose=True,
)
