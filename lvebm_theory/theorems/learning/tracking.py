r"""How closely an inner flow follows a target that moves with theta.

The flow of E_{theta(t)} at speed kappa, LSI(rho) for every p_theta, grad_theta E G-Lipschitz, and
|theta'| <= c. For y = sqrt KL(p_t | p_{theta(t)}):

    y' <= -kappa rho y + c G / sqrt(2 rho),
    y(t) <= e^{-kappa rho t} y(0) + (1 - e^{-kappa rho t}) c G / (sqrt(2) kappa rho^{3/2}).

Derivation. KL = int p log p + E_p E_theta + log Z_theta, so along the flow

    d/dt KL = -kappa FI(p|p_theta) + <theta', E_p grad_theta E - E_{p_theta} grad_theta E>.

FI >= 2 rho KL; the bracket is at most |theta'| G W2 <= |theta'| G sqrt(2 KL/rho). Divide by 2y
(where y = 0 use the upper derivative) and integrate. For the conditional phase the same holds for
y = sqrt(E_data KL(q_x|p(.|x))), as E_data sqrt KL <= y.

With a growth bound on grad_theta E in place of G, the same proof gives the bound along a path:
y(t) <= e^{-kappa rho t} y(0) + int_0^t e^{-kappa rho (t-s)} |theta'(s)| G(s)/sqrt(2 rho) ds, with
G(s) = G_0 + G_1 (M(p_s) + M(p_theta(s)))/2 (see gradient_error_growth).

Equality. E = (r/2)(x - theta)^2, theta' = c constant, start N(theta(0) - l, 1/r) with c l >= 0:
the lag obeys l' = |c| - kappa r l, and y = sqrt(r/2) l, G = rho = r.
"""

from __future__ import annotations

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import LOG_SOBOLEV, bounded_above, finite, true


def floor(
    *,
    log_sobolev: Any,
    parameter_gradient_lipschitz: Any,
    parameter_speed: float,
    phase_speed: float = 1.0,
    **_: Any,
) -> float:
    """c G / (sqrt(2) kappa rho^{3/2}), the limit of the bound.

    Parameters
    ----------
    log_sobolev, parameter_gradient_lipschitz : Constant
        rho, G.
    parameter_speed : float
        c = sup |theta'|.
    phase_speed : float
        kappa.
    """
    rho = float(log_sobolev.lower)
    lipschitz = float(parameter_gradient_lipschitz.upper)
    return float(parameter_speed * lipschitz / (math.sqrt(2.0) * phase_speed * rho**1.5))


def _bound(*, time: float, initial_root_entropy: float, **constants: Any) -> float:
    rate = constants.get("phase_speed", 1.0) * float(constants["log_sobolev"].lower)
    kept = math.exp(-rate * time)
    return kept * initial_root_entropy - math.expm1(-rate * time) * floor(**constants)


def _along_path(
    *, log_sobolev: Any, time: float, initial_root_entropy: float, weighted_speed: Any, **rest: Any
) -> float:
    rho = float(log_sobolev.lower)
    rate = rest.get("phase_speed", 1.0) * rho
    kept = math.exp(-rate * time) * initial_root_entropy
    return float(kept + weighted_speed(rate) / math.sqrt(2.0 * rho))


_ASSUMPTIONS = (
    LOG_SOBOLEV,
    bounded_above("parameter_gradient_lipschitz", "grad_theta E is G-Lipschitz"),
    finite("parameter_speed", "|theta'| is bounded"),
)
_STATEMENT = (
    r"\sqrt{\mathrm{KL}(p_t\,|\,p_{\theta(t)})}%s e^{-\kappa\rho t}"
    r"\sqrt{\mathrm{KL}(p_0\,|\,p_{\theta(0)})}"
    r"+\bigl(1-e^{-\kappa\rho t}\bigr)\frac{\sup|\theta'|\,G}{\sqrt2\,\kappa\rho^{3/2}}"
)
_REFERENCE = Reference(
    key="otto-villani-2000", place="Theorem 1, W2 from KL; derived, see the docstring"
)

theorem = Theorem(
    name="tracking",
    title="An inner flow follows a moving theta within a computable lag",
    statement=_STATEMENT % r"\le",
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*_ASSUMPTIONS, finite("initial_root_entropy", "KL(p_0|p_theta(0)) is finite")),
    formula=_bound,
)

limit = Theorem(
    name="tracking-limit",
    title="The lag behind a moving theta, at late times",
    statement=(
        r"\limsup_{t\to\infty}\sqrt{\mathrm{KL}(p_t\,|\,p_{\theta(t)})}\le"
        r"\frac{\sup|\theta'|\,G}{\sqrt2\,\kappa\rho^{3/2}}"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=_ASSUMPTIONS,
    formula=floor,
)

equality = Theorem(
    name="tracking-equality",
    title="The lag of a Gaussian behind its centre moved at constant speed",
    statement=_STATEMENT % "=" + r"\qquad E=\tfrac r2(x-\theta)^2,\ \theta'=c",
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(
        true("lagging_translate", "p_0 is a translate of N(theta(0), 1/r) that lags behind theta"),
        *_ASSUMPTIONS,
    ),
    formula=_bound,
)

along_path = Theorem(
    name="tracking-along-a-path",
    title="The lag behind theta, from its speed along the path",
    statement=(
        r"\sqrt{\mathrm{KL}_t}\le e^{-\kappa\rho t}\sqrt{\mathrm{KL}_0}"
        r"+\frac1{\sqrt{2\rho}}\int_0^te^{-\kappa\rho(t-s)}\,|\theta'(s)|\,G(s)\,\mathrm{d}s"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(LOG_SOBOLEV, finite("initial_root_entropy", "KL(p_0|p_theta(0)) is finite")),
    formula=_along_path,
)
