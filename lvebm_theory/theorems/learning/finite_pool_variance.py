r"""Stationary variance of theta when the pool is finite: the O(1/N) law, exactly.

E = r(x - theta)^2/2, N persistent particles, data of mean m; X the pool's mean.

Flow (theta' = eta r (m - X), gradient noise sqrt(2 tau eta) dB):

    Var theta = ( eta/N + tau (1 + eta) )/r,    Var X = 1/(r N) + tau/r,    Cov = tau/r.

Steps: K steps of ULA, rho = (1 - hr)^K, v = 1/(r(1 - hr/2)) its stationary variance, b = a r, and
gradient noise sqrt(2 a tau) xi. Simultaneous (theta moves with the pool before its inner steps):

    Var theta = [ (v/N) b^2 (1 + rho)(1 + rho + b(1 - rho)) + 2 a tau (1 - rho^2 + b(1 + rho^2)) ]
                / ( b (1 - b)(1 - rho)(2(1 + rho) + b(1 - rho)) );

sequential (with the pool after them):

    Var theta = [ (v/N) b^2 (1 + rho)^2 + 2 a tau (1 - rho^2 + 2 b rho) ]
                / ( b (1 - rho)(2(1 + rho) - b(1 - rho)) ).

K = 1, r = 1, tau = 0: (2a/h)(2 - h + ah)/(N(1 - a)(4 - 2h + ah)) and (2a/h)(2 - h)/(N(4 - 2h -
ah)); both are (a/h)/N to first order. Stable iff |rho| < 1 and b < 1 (simultaneous), b(1 - rho) <
2(1 + rho) (sequential).

Derivation. In deviations the mean X of the pool follows X+ = theta + rho (X - theta) + n with Var n
= v(1 - rho^2)/N, and theta+ = theta - b X + noise (simultaneous) or theta - b X+ + noise
(sequential). Each is a linear recursion of (theta, X); its stationary covariance P solves the three
linear equations P = A P A' + Q. Stability: |det A| < 1 and |tr A| < 1 + det A, where det A = rho +
b(1 - rho) and tr A = 1 + rho (simultaneous), det A = rho and tr A = 1 + rho - b(1 - rho)
(sequential). For the flow 0 = A P + P A' + Q with A = ((0, -eta r), (r, -r)), Q = diag(2 tau eta,
2/N).
"""

from __future__ import annotations

from typing import Any

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import true


def inner_factor(*, stiffness: float, pool_step: float, inner_steps: int, **_: Any) -> float:
    """rho = (1 - h r)^K."""
    return float((1.0 - pool_step * stiffness) ** inner_steps)


def _ula_variance(*, stiffness: float, pool_step: float, **_: Any) -> float:
    return 1.0 / (stiffness * (1.0 - pool_step * stiffness / 2.0))


def _flow(
    *, eta: float, stiffness: float, pool: int, gradient_noise: float = 0.0, **_: Any
) -> float:
    return (eta / pool + gradient_noise * (1.0 + eta)) / stiffness


def _simultaneous(*, pool: int, step_size: float, gradient_noise: float = 0.0, **q: Any) -> float:
    rho, b = inner_factor(**q), step_size * q["stiffness"]
    kept, lost = 1.0 + rho, 1.0 - rho
    finite = _ula_variance(**q) / pool * b**2 * kept * (kept + b * lost)
    noise = 2.0 * step_size * gradient_noise * (kept * lost + b * (1.0 + rho**2))
    return float((finite + noise) / (b * (1.0 - b) * lost * (2.0 * kept + b * lost)))


def _sequential(*, pool: int, step_size: float, gradient_noise: float = 0.0, **q: Any) -> float:
    rho, b = inner_factor(**q), step_size * q["stiffness"]
    kept, lost = 1.0 + rho, 1.0 - rho
    finite = _ula_variance(**q) / pool * b**2 * kept**2
    noise = 2.0 * step_size * gradient_noise * (kept * lost + 2.0 * b * rho)
    return float((finite + noise) / (b * lost * (2.0 * kept - b * lost)))


_LOCATION = true("gaussian_location", "E = r(x - theta)^2/2")
_INNER = Assumption(
    text="|1 - h r| < 1", holds=lambda q: 0.0 < q["pool_step"] * q["stiffness"] < 2.0
)
_REFERENCE = Reference(
    key="pavliotis-2014", place="section 3.7, linear; derived, see the docstring"
)

theorem = Theorem(
    name="finite-pool-variance",
    title="Stationary variance of theta with N persistent particles, in continuous time",
    statement=r"\mathrm{Var}\,\theta=\frac1r\Bigl(\frac\eta N+\tau(1+\eta)\Bigr)",
    reference=_REFERENCE,
    inspired_by=("valsecchi-oliva-2025",),
    relation=Relation.EQUAL,
    assumptions=(_LOCATION, Assumption(text="eta > 0", holds=lambda q: q["eta"] > 0.0)),
    formula=_flow,
)

simultaneous = Theorem(
    name="finite-pool-variance-simultaneous",
    title="Stationary variance of theta, simultaneous updates",
    statement=(
        r"\mathrm{Var}\,\theta=\frac{\frac vNb^2(1+\rho)\,(1+\rho+b(1-\rho))"
        r"+2a\tau(1-\rho^2+b(1+\rho^2))}{b(1-b)(1-\rho)\,(2(1+\rho)+b(1-\rho))},"
        r"\quad b=ar,\ \rho=(1-hr)^K,\ v=\frac1{r(1-hr/2)}"
    ),
    reference=_REFERENCE,
    inspired_by=("valsecchi-oliva-2025", "tang-2025"),
    relation=Relation.EQUAL,
    assumptions=(
        _LOCATION,
        _INNER,
        Assumption(text="0 < a r < 1", holds=lambda q: 0 < q["step_size"] * q["stiffness"] < 1),
    ),
    formula=_simultaneous,
)

sequential = Theorem(
    name="finite-pool-variance-sequential",
    title="Stationary variance of theta, sequential updates",
    statement=(
        r"\mathrm{Var}\,\theta=\frac{\frac vNb^2(1+\rho)^2+2a\tau(1-\rho^2+2b\rho)}"
        r"{b(1-\rho)\,(2(1+\rho)-b(1-\rho))},\quad b=ar,\ \rho=(1-hr)^K,\ v=\frac1{r(1-hr/2)}"
    ),
    reference=_REFERENCE,
    inspired_by=("valsecchi-oliva-2025", "tang-2025"),
    relation=Relation.EQUAL,
    assumptions=(
        _LOCATION,
        _INNER,
        Assumption(
            text="0 < a r (1 - rho) < 2 (1 + rho)",
            holds=lambda q: (
                0
                < q["step_size"] * q["stiffness"] * (1 - inner_factor(**q))
                < 2 * (1 + inner_factor(**q))
            ),
        ),
    ),
    formula=_sequential,
)
