r"""Holley-Stroock for a quadratic plus functions of one direction each, in any dimension.

For U(x) = q(x) + sum_j g_j(t_j), t_j = <a_j, x>, and numbers kappa_j let h_j = g_j - kappa_j t^2/2
and W_j its convex envelope on the line. Then U_0 = U - sum_j (h_j - W_j)(t_j) has

    Hess U_0 >= m = lambda_min(Hess q + sum_j kappa_j a_j a_j'),
    rho >= m exp(-sum_j osc(h_j - W_j)),

(Holley and Stroock 1987), whatever strips of the space U is not convex on. Affine terms change no
h_j - W_j. The kappa_j are searched for in floats; the bound is then proved in ball arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize

from ..arrays import FloatArray
from ..constant import How
from .holley_stroock import Split, certified_oscillation, hull_gap, hull_intervals
from .parts import exact_potential

if TYPE_CHECKING:
    from ..certified.subject import Potential
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate


_MOST = 8  # ridges
_CELLS = 2000
_TABLE = 33
_REACH = 1e6  # where curvature is looked at


@dataclass(frozen=True, kw_only=True)
class _Profile:
    """g_j with its direction, where it is looked at, and osc(h_j - W_j) for a table of kappa_j."""

    direction: FloatArray
    function: Potential
    t: FloatArray
    values: FloatArray
    curvatures: FloatArray
    oscillations: FloatArray

    def oscillation(self, curvature: float) -> float:
        """From the table."""
        return float(np.interp(curvature, self.curvatures, self.oscillations))


def ridge_envelope(constants: EnergyConstants) -> Candidate | None:
    """The optimised bound, CERTIFIED."""
    from ..certified.ridges import ridge_sum
    from .log_sobolev import Candidate

    potential = exact_potential(constants.energy) if constants.certify else None
    if potential is None or potential.dim < 2 or not potential.smooth or len(constants.parts) > 1:
        return None
    found = ridge_sum(potential)
    if found is None or len(found.ridges) > _MOST:
        return None
    profiles = [_profile(function, slope) for slope, function in found.ridges]
    if any(p is None for p in profiles):
        return None
    known = [p for p in profiles if p is not None]
    quadratic = np.array(found.quadratic.tolist(), dtype=float)
    chosen = _best(quadratic, known)
    if chosen is None:
        return None
    from ..certified.hessian import smallest_eigenvalue
    from ..certified.subject import exact_number

    total, matrix = 0.0, found.quadratic
    for (slope, _), profile, kappa in zip(found.ridges, known, chosen, strict=True):
        oscillation = _proved(profile, kappa)
        if oscillation is None:
            return None
        total += oscillation
        matrix = matrix + exact_number(kappa) * slope * slope.T
    curvature = smallest_eigenvalue(matrix).lower
    if not curvature > 0:
        return None
    return Candidate(
        name="ridges",
        lower=curvature * math.exp(-total) * (1 - 1e-14),
        how=How.CERTIFIED,
        source=(
            f"Holley-Stroock with convex envelopes of functions of one direction, curvature "
            f"{curvature:.6g} and oscillation {total:.6g}"
        ),
    )


def _profile(function: Potential, slope: Any) -> _Profile | None:
    """None where g'' is not seen to be bounded below."""
    (second,) = function.hessian[0]
    evaluate = function.on_floats(function.expression, second)
    far = np.concatenate([-np.logspace(6, -3, 400), [0.0], np.logspace(-3, 6, 400)])
    bend = evaluate([far])[1]
    if np.isnan(bend).any():
        bend = np.where(np.isnan(bend), np.inf, bend)
    # what is left at both ends may be used as convexity there
    top = float(min(bend[:20].min(), bend[-20:].min()))
    near = np.abs(far) < _REACH / 30
    least = float(bend[near].min())
    if not math.isfinite(least) or top < least - 1e-9 * (1 + abs(least)):
        return None
    inner = bend[near & (bend < top)]
    typical = float(np.median(np.abs(inner))) if len(inner) else 1.0
    top = min(top, least + 20 * (abs(least) + typical))
    curvatures = least + (top - least) * np.linspace(0, 1, _TABLE) ** 2 * (1 - 1e-3)
    below = far[bend < curvatures[-1]]
    if not len(below):
        t = np.linspace(-1.0, 1.0, 3)
    else:
        middle, half = (below.max() + below.min()) / 2, (below.max() - below.min()) / 2 + 1e-2
        t = middle + half * np.linspace(-4.0, 4.0, _CELLS + 1)
    values = evaluate([t])[0]
    if not np.isfinite(values).all():
        return None
    oscillations = np.array([hull_gap(t, values - k * t**2 / 2) for k in curvatures])
    return _Profile(
        direction=np.array([float(a) for a in slope]),
        function=function,
        t=t,
        values=values,
        curvatures=curvatures,
        oscillations=oscillations,
    )


def _best(quadratic: FloatArray, profiles: list[_Profile]) -> list[float] | None:
    """kappa_j of the largest m exp(-sum osc), of few bits; None where no m > 0 is found."""
    low = np.array([p.curvatures[0] for p in profiles])
    high = np.array([p.curvatures[-1] for p in profiles])
    outer = np.stack([np.outer(p.direction, p.direction) for p in profiles])

    def loss(kappa: FloatArray) -> float:
        kappa = np.clip(kappa, low, high)
        least = float(np.linalg.eigvalsh(quadratic + np.tensordot(kappa, outer, 1))[0])
        if least <= 0:
            return 1e3 - least
        total = sum(p.oscillation(float(k)) for p, k in zip(profiles, kappa, strict=True))
        return total - math.log(least)

    starts = [low + share * (high - low) for share in (0.02, 0.1, 0.4, 0.9)]
    ends = [
        minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-5})
        for start in starts
    ]
    best = min(ends, key=lambda end: float(end.fun))
    if not best.fun < 1e3:
        return None
    return [_short(float(k)) for k in np.clip(best.x, low, high)]


def _short(number: float) -> float:
    """Rounded down to 12 bits."""
    mantissa, exponent = math.frexp(number)
    return math.ldexp(math.floor(mantissa * 4096), exponent - 12)


def _proved(profile: _Profile, kappa: float) -> float | None:
    from ..certified.subject import Potential, exact_number

    (symbol,) = profile.function.symbols
    h = profile.function.expression - exact_number(kappa) * symbol**2 / 2
    v = profile.values - kappa * profile.t**2 / 2
    return certified_oscillation(
        Potential(h, (symbol,)),
        Split(curvature=0.0, oscillation=0.0, intervals=hull_intervals(profile.t, v)),
    )
