r"""The learner against the averaged dynamics: an error proportional to the ratio of time scales.

theta' = eta g beside theta_bar' = eta grad L(theta_bar), same start. Assumptions of single_loop,
and L mu-strongly concave. With Delta = |theta - theta_bar|:

    Delta' <= -eta mu Delta + eta w,   (D, w) as in single_loop,   Delta(0) = 0,

so Delta(t) is at most the third component of a linear system, which is O(eta) uniformly in time.

Derivation. <theta - theta_bar, grad L(theta) - grad L(theta_bar)> <= -mu Delta^2 and |g - grad L|
<= w; then comparison.py.

Equality as eta -> 0. E = r(x - theta)^2/2, data of mean m, mean-field pool of mean X:
theta' = eta r (m - X), X' = r(theta - X). In the clock tau = eta r t, with theta - m -> theta,
eta theta'' + theta' + theta = 0 and theta_bar = theta_0 e^{-tau}. With roots

    r_pm = (-1 pm sqrt(1 - 4 eta))/(2 eta)   (complex for eta > 1/4: the learner oscillates)

theta(tau) = theta_0 [ (s - r_-) e^{r_+ tau} - (s - r_+) e^{r_- tau} ]/(r_+ - r_-), where s =
-X(0)/theta_0: s = -1 for a pool at theta_0 (well prepared), s = 0 for one at the data (ill
prepared). As eta -> 0, sup |theta - theta_bar|/(eta |theta_0|) -> 1/e for s = -1 (from above) and
-> 1 for s = 0 (from below): first order in eta, uniformly in time, and the bound above has the
same two limits.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from ...arrays import FloatArray
from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import finite, positive, true
from .comparison import after_time
from .gradient_error_relative_entropy import LIPSCHITZ, SOBOLEV
from .inexact_ascent import PL
from .phases import under_log_sobolev
from .single_loop import flow_matrix


def mean_parameter(eta: float, slope: float, tau: Any) -> FloatArray:
    """theta(tau)/theta_0 of the Gaussian location family, tau = eta r t.

    Parameters
    ----------
    eta : float, positive
    slope : float
        s = theta'(0)/theta_0 in the clock tau: -1 for a pool at theta_0, 0 for one at the data.
    tau : array (T,)
    """
    root = cmath.sqrt(1.0 - 4.0 * eta)
    t = np.asarray(tau, dtype=float)
    if abs(root) < 1e-7:  # double root
        return np.exp(-t / (2.0 * eta)) * (1.0 + (slope + 1.0 / (2.0 * eta)) * t)
    # the small root without cancellation
    fast = (-1.0 - root) / (2.0 * eta)
    slow = -2.0 / (1.0 + root)
    value = ((slope - fast) * np.exp(slow * t) - (slope - slow) * np.exp(fast * t)) / (slow - fast)
    return np.asarray(value.real)


def largest_distance(eta: float, slope: float) -> float:
    """sup over tau of |theta(tau) - e^{-tau}|, theta_0 = 1, of the Gaussian location family."""
    inner = np.concatenate([eta * np.linspace(0, 30, 400), np.linspace(30 * eta, 30.0, 3000)])
    values = np.abs(mean_parameter(eta, slope, inner) - np.exp(-inner))
    k = int(np.clip(np.argmax(values), 1, len(inner) - 2))

    def negative(tau: float) -> float:
        return -abs(float(mean_parameter(eta, slope, np.array([tau]))[0]) - math.exp(-tau))

    found = minimize_scalar(
        negative, bounds=(inner[k - 1], inner[k + 1]), method="bounded", options={"xatol": 1e-12}
    )
    return -float(found.fun)


def _bound(
    *, time: float, initial_root_gap: float, initial_direction_error: float, **q: Any
) -> float:
    eta, mu = q["eta"], float(q["pl"].lower)
    matrix = np.zeros((3, 3))
    matrix[:2, :2] = flow_matrix(
        under_log_sobolev(**q),
        eta=eta,
        pl=q["pl"],
        likelihood_smoothness=q["likelihood_smoothness"],
    )
    matrix[2] = (0.0, eta, -eta * mu)
    start = np.array([initial_root_gap, initial_direction_error, 0.0])
    return float(after_time(matrix, start, np.zeros(3), time)[2])


_SLOPE = Assumption(
    text="the pool starts at theta_0 (s = -1) or at the data (s = 0)",
    holds=lambda q: q["slope"] in (-1.0, 0.0),
)
_LOCATION = true("gaussian_location", "E = r(x - theta)^2/2, mean field")
_DERIVED = Reference(
    key="pavliotis-stuart-2008", place="chapter 10, averaging; derived, see the docstring"
)

theorem = Theorem(
    name="two-time-scales",
    title="Distance of the learner from the averaged dynamics",
    statement=(
        r"|\theta_t-\bar\theta_t|\le\Delta_t,\quad\Delta'=-\eta\mu\Delta+\eta w,\quad"
        r"(D,w)'=A\,(D,w)"
    ),
    reference=_DERIVED,
    inspired_by=("tang-2025", "valsecchi-oliva-2025"),
    relation=Relation.AT_MOST,
    assumptions=(
        true("strongly_concave", "L is mu-strongly concave"),
        *PL,
        *LIPSCHITZ,
        *SOBOLEV,
        finite("initial_root_gap", "L* - L(theta_0) is finite"),
        finite("initial_direction_error", "the relative entropies of the starts are finite"),
    ),
    formula=_bound,
)

gaussian = Theorem(
    name="two-time-scales-gaussian",
    title="The learner on a Gaussian location family, exactly",
    statement=(
        r"\frac{\theta(\tau)-m}{\theta_0-m}=\frac{(s-r_-)e^{r_+\tau}-(s-r_+)e^{r_-\tau}}{r_+-r_-},"
        r"\quad\eta r_\pm^2+r_\pm+1=0,\quad\tau=\eta rt"
    ),
    reference=_DERIVED,
    inspired_by=("valsecchi-oliva-2025",),
    relation=Relation.EQUAL,
    assumptions=(_LOCATION,),
    formula=lambda *, eta, slope, scaled_time, **_: float(
        mean_parameter(eta, slope, np.array([scaled_time]))[0]
    ),
)

constants = Theorem(
    name="two-time-scales-constants",
    title="First order in the ratio, with constant 1/e (well prepared) or 1 (ill prepared)",
    statement=(
        r"\frac{\sup_t|\theta_t-\bar\theta_t|}{\eta\,|\theta_0-m|}\;\xrightarrow[\eta\to0]{}\;"
        r"\begin{cases}1/e&X_0=\theta_0\\1&X_0=m\end{cases}"
    ),
    reference=_DERIVED,
    inspired_by=("valsecchi-oliva-2025",),
    relation=Relation.RATE,
    assumptions=(_LOCATION, _SLOPE),
    formula=lambda *, slope, **_: math.exp(-1.0) if slope == -1.0 else 1.0,
)

order = Theorem(
    name="two-time-scales-order",
    title="The distance from the averaged dynamics is of first order in the ratio",
    statement=(
        r"\lim_{\eta\to0}\frac{\mathrm d\log\sup_t|\theta_t-\bar\theta_t|}{\mathrm d\log\eta}=1"
    ),
    reference=_DERIVED,
    inspired_by=("valsecchi-oliva-2025",),
    relation=Relation.RATE,
    assumptions=(positive("joint_log_sobolev", "the models satisfy LSI(rho_p)"),),
    formula=lambda **_: 1.0,
)
