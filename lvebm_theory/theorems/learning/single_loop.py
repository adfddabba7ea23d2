r"""Simultaneous flows: latents, pool and theta move together, from particle laws to L*.

theta' = eta g, latents at speed kappa, pool at speed 1 (mean field: the laws q_x, p). Assume: the
posteriors satisfy LSI(rho_q) and the models LSI(rho_p) along the path, grad_theta E is
G_q-Lipschitz in z and G_p-Lipschitz in (x, z), |grad L|^2 >= 2 mu (L* - L), grad L
Lambda-Lipschitz. With D = sqrt(L* - L(theta_t)), and w, rho, B of phases.py:

    D' <= -eta mu D + eta sqrt(Lambda/2) w,
    w' <= eta B sqrt(2 Lambda) D - (rho - eta B) w,

so (D, w) <= e^{At}(D_0, w_0) entrywise, and V = D + alpha w obeys V_t <= e^{-lambda t} V_0, where

    lambda = ( rho - eta B + eta mu - sqrt((rho - eta B - eta mu)^2 + 4 eta^2 B Lambda) )/2,
    alpha = eta sqrt(Lambda/2)/(rho - eta B - lambda).

lambda > 0 iff eta < mu rho/(B (mu + Lambda)); lambda = eta mu (1 - eta B Lambda/(mu rho)) +
O(eta^3): L* - L falls at the rate 2 lambda, which tends to that of the exact gradient flow, 2 eta
mu.

Derivation. L' = eta <grad L, g> >= eta |grad L|^2 - eta |grad L| w, where |g - grad L| <= w
(gradient_error_relative_entropy). Divide by 2D, with |grad L|^2 >= 2 mu D^2 in the first term and
|grad L| <= sqrt(2 Lambda) D (a Lambda-smooth function below its supremum) in the second. For w use
phases.py with |theta'| <= eta(|grad L| + w). Compare (comparison.py). det A = eta mu (rho - eta B)
- eta^2 B Lambda > 0 is the condition on eta.

What it covers: laws, not finite pools (finite_pool_convergence adds those), exact flows, and no
projection. Under convexity of E in place of LSI the same with W2 (phases.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import FloatArray
from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import finite
from .comparison import after_time, leading
from .gradient_error_relative_entropy import LIPSCHITZ, SOBOLEV
from .inexact_ascent import PL
from .phases import Phases, under_log_sobolev


def flow_matrix(phases: Phases, *, eta: float, pl: Any, likelihood_smoothness: Any) -> FloatArray:
    """A of the comparison (D, w)' <= A (D, w), shape (2, 2)."""
    mu, smoothness = float(pl.lower), float(likelihood_smoothness.upper)
    return np.array(
        [
            [-eta * mu, eta * math.sqrt(smoothness / 2.0)],
            [
                eta * phases.coupling * math.sqrt(2.0 * smoothness),
                eta * phases.coupling - phases.rate,
            ],
        ]
    )


def _matrix(**q: Any) -> FloatArray:
    return flow_matrix(
        under_log_sobolev(**q),
        eta=q["eta"],
        pl=q["pl"],
        likelihood_smoothness=q["likelihood_smoothness"],
    )


def decay_rate(**q: Any) -> float:
    """lambda: the rate of V; L* - L falls at least at 2 lambda.

    Parameters
    ----------
    eta, latent_speed : float
    pl, likelihood_smoothness : Constant
        mu, Lambda.
    conditional_lipschitz, joint_lipschitz : Constant
    conditional_log_sobolev, joint_log_sobolev : Constant
    """
    return -leading(_matrix(**q))[0]


def lyapunov(*, root_gap: float, direction_error: float, **q: Any) -> float:
    """V = sqrt(L* - L) + alpha w."""
    return root_gap + leading(_matrix(**q))[1] * direction_error


def _bound(
    *, time: float, initial_root_gap: float, initial_direction_error: float, **q: Any
) -> float:
    start = np.array([initial_root_gap, initial_direction_error])
    return float(after_time(_matrix(**q), start, np.zeros(2), time)[0])


_SLOW = Assumption(
    text="theta is slow enough: eta < mu rho/(B (mu + Lambda))",
    holds=lambda q: q["eta"] > 0.0 and decay_rate(**q) > 0.0,
)
_ASSUMPTIONS = (
    *PL,
    *LIPSCHITZ,
    *SOBOLEV,
    finite("initial_root_gap", "L* - L(theta_0) is finite"),
    finite("initial_direction_error", "the relative entropies of the starts are finite"),
)
_REFERENCE = Reference(
    key="otto-villani-2000", place="Theorem 1, W2 from KL; derived, see the docstring"
)

theorem = Theorem(
    name="single-loop",
    title="Simultaneous flows of latents, pool and theta: the gap to the best likelihood",
    statement=(
        r"\sqrt{L^*-L(\theta_t)}\le\Bigl[e^{At}\binom{D_0}{w_0}\Bigr]_1,\quad A=\begin{pmatrix}"
        r"-\eta\mu&\eta\sqrt{\Lambda/2}\\\eta B\sqrt{2\Lambda}&\eta B-\rho\end{pmatrix},\quad"
        r"\rho=\min(\kappa\rho_q,\rho_p),\ B=\tfrac{G_q^2}{\rho_q}+\tfrac{G_p^2}{\rho_p}"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=_ASSUMPTIONS,
    formula=_bound,
)

lyapunov_decay = Theorem(
    name="single-loop-lyapunov",
    title="A Lyapunov function of likelihood gap and inner errors decays exponentially",
    statement=(
        r"\sqrt{L^*-L_t}+\alpha w_t\le e^{-\lambda t}\bigl(\sqrt{L^*-L_0}+\alpha w_0\bigr),\quad"
        r"\lambda=\tfrac12\Bigl(\rho-\eta B+\eta\mu"
        r"-\sqrt{(\rho-\eta B-\eta\mu)^2+4\eta^2B\Lambda}\Bigr)"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*_ASSUMPTIONS, _SLOW),
    formula=lambda *, time, initial_root_gap, initial_direction_error, **q: (
        math.exp(-decay_rate(**q) * time)
        * lyapunov(root_gap=initial_root_gap, direction_error=initial_direction_error, **q)
    ),
)
