r"""Eberle's contraction rate and distance from a convexity profile kappa.

    phi(r) = exp(-1/4 int_0^r s kappa^-(s) ds),   Phi = int_0^r phi,
    f' = phi (1 - (c/4) int_0^{min(r,R_1)} Phi/phi),   1/c = 1/2 int_0^{R_1} Phi/phi,

with R_0, R_1 as in ``theorems/dissipativity/reflection_coupling.py``, where it is derived that
W_f contracts at rate c for dX = -grad U dt + sqrt(2) dW. In one dimension

    kappa(r) = inf_m ( U'(m + r/2) - U'(m - r/2) ) / r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import cumulative_simpson

from ..arrays import FloatArray
from ..constant import Constant, How
from ..errors import AssumptionError
from ..protocols import Energy

_NODES = 2001


@dataclass(frozen=True, kw_only=True)
class ReflectionCoupling:
    """The distance W_f and its contraction rate.

    Parameters
    ----------
    rate : Constant
        c, units of 1/time.
    inner_radius, outer_radius : float
        R_0 and R_1.
    prefactor : float
        2/phi(R_0): W1 decays at rate c with this prefactor.
    radii, values : arrays (n,)
        Nodes on [0, R_1] and f there; beyond R_1, f grows with slope phi(R_0)/2.
    """

    rate: Constant
    inner_radius: float
    outer_radius: float
    prefactor: float
    radii: FloatArray
    values: FloatArray

    def cost(self, distance: npt.ArrayLike) -> FloatArray:
        """f(r), elementwise: concave, increasing, f(0) = 0."""
        r = np.asarray(distance, dtype=float)
        beyond = np.maximum(r - self.outer_radius, 0.0) / self.prefactor
        return np.asarray(np.interp(r, self.radii, self.values) + beyond)


def convexity_profile(energy: Energy, radii: FloatArray, box: tuple[float, float]) -> FloatArray:
    """kappa(r) = inf_m (U'(m + r/2) - U'(m - r/2))/r of a one-dimensional energy.

    The infimum over midpoints m in the box is found by two scans, the second around the best
    midpoint of the first.

    Parameters
    ----------
    energy : Energy with dim 1
    radii : array (n,), positive
    box : (low, high)
        Midpoints scanned; must hold the region where U is not convex.

    Returns
    -------
    array (n,)
    """
    if energy.dim != 1:
        raise AssumptionError("convergence-without-lsi", ["d = 1"])
    coarse = np.linspace(*box, 401)
    fine = np.linspace(-1.0, 1.0, 81) * (coarse[1] - coarse[0])

    def slopes(midpoints: FloatArray, r: float) -> FloatArray:
        ends = np.concatenate([midpoints + r / 2, midpoints - r / 2])[:, None]
        gradient = energy.gradient(ends)[:, 0]
        return np.asarray((gradient[: midpoints.size] - gradient[midpoints.size :]) / r)

    profile = np.empty(radii.size)
    for k, r in enumerate(radii):
        best = coarse[int(np.argmin(slopes(coarse, float(r))))]
        profile[k] = np.min(slopes(best + fine, float(r)))
    return profile


def reflection_coupling(
    profile: Callable[[FloatArray], FloatArray],
    *,
    how: How,
    source: str,
    largest_radius: float = 50.0,
) -> ReflectionCoupling:
    """W_f and c from a profile.

    Parameters
    ----------
    profile : callable
        Radii (n,) -> kappa (n,), a lower bound of the convexity at each distance.
    how : How
        How well the profile is known.
    source : str
        Where it comes from.
    largest_radius : float
        The profile is looked at up to here. Its least value over the outer half must not be below
        that over the quarter before: that it stays so beyond is then taken from there.

    Raises
    ------
    AssumptionError
        When kappa is not finite, or not positive, or still sinking at the largest distances.
    """
    scan = np.geomspace(2e-5 * largest_radius, largest_radius, _NODES)
    kappa = profile(scan)
    outer_half = scan >= largest_radius / 2
    quarter = (scan >= largest_radius / 4) & ~outer_half
    least = float(kappa[outer_half].min())
    tail = least > 0 and least >= kappa[quarter].min() * (1 - 1e-9)
    if not (np.all(np.isfinite(kappa)) and tail):
        raise AssumptionError(
            "convergence-without-lsi",
            ["kappa is finite, and at large distances positive and not sinking"],
        )
    inner = _holds_from(scan, kappa >= 0)
    least_beyond = np.minimum.accumulate(kappa[::-1])[::-1]
    outer = _holds_from(scan, least_beyond * scan * (scan - inner) >= 8.0)
    radii = np.linspace(0.0, outer, _NODES)
    weight = radii * np.maximum(-profile(np.maximum(radii, scan[0])), 0.0)
    phi = np.exp(-0.25 * cumulative_simpson(weight, x=radii, initial=0.0))
    integral = cumulative_simpson(phi, x=radii, initial=0.0)
    ratio = cumulative_simpson(integral / phi, x=radii, initial=0.0)
    rate = 2.0 / float(ratio[-1])
    slope = phi * (1.0 - 0.25 * rate * ratio)
    # 1e-6 covers the quadrature: kappa is continuous, with a kink of kappa^- at most
    return ReflectionCoupling(
        rate=Constant(
            value=rate, lower=rate * (1.0 - 1e-6), upper=rate * (1.0 + 1e-6), how=how, source=source
        ),
        inner_radius=inner,
        outer_radius=outer,
        prefactor=2.0 / float(phi[-1]),
        radii=radii,
        values=np.asarray(cumulative_simpson(slope, x=radii, initial=0.0)),
    )


def _holds_from(radii: FloatArray, holds: npt.NDArray[np.bool_]) -> float:
    """The first radius from which a condition holds to the end; 0 when it holds everywhere."""
    failures = np.flatnonzero(~holds)
    if failures.size == 0:
        return 0.0
    if failures[-1] + 1 == radii.size:
        raise AssumptionError(
            "convergence-without-lsi",
            [f"kappa is large enough within the distance {radii[-1]:g}"],
        )
    return float(radii[failures[-1] + 1])
