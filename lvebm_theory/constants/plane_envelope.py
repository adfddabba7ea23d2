r"""Holley-Stroock in the plane with the convex envelope, on a grid (see ``holley_stroock``).

    rho >= m exp(-osc(V - W)),    V = U - m |x|^2 / 2,  W the convex envelope of V,

with W as the Legendre transform applied twice. Finitely many slopes make W smaller and the
oscillation larger, which errs on the safe side; the grid and the box do not, so that the bound
is COMPUTED, not proved: two grids and two level sets have to agree, and twice their difference is
added to the oscillation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from ..constant import How
from ..protocols import Energy
from .plane_spectrum import potential_on_plane
from .region import LevelBox, level_box

if TYPE_CHECKING:
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate

FloatArray = npt.NDArray[np.float64]

# the second, wider level set has to give the same oscillation
_LEVELS = (60.0, 150.0)
_NODES = 121
_REFINED = 181
_SLOPES = 241
_STABLE = 0.05


def plane_envelope(constants: EnergyConstants) -> Candidate | None:
    """The optimised bound in two dimensions, COMPUTED."""
    from .log_sobolev import Candidate

    energy = constants.energy
    if energy.dim != 2 or len(constants.parts) > 1:
        return None
    potential = potential_on_plane(energy)
    boxes = [level_box(potential, level, rotate=False) for level in _LEVELS]
    if not all(box.reached for box in boxes):
        return None
    coarse, fine, wide = (
        _Grid(energy, boxes[i], _LEVELS[i], nodes)
        for i, nodes in ((0, _NODES), (0, _REFINED), (1, _REFINED))
    )

    def loss(log_curvature: float) -> float:
        return coarse.oscillation(math.exp(log_curvature)) - log_curvature

    values = [(loss(step), step) for step in np.arange(-6.0, 5.0, 1.0)]
    _, best = min(values)
    found = minimize_scalar(
        loss, bounds=(best - 1.0, best + 1.0), method="bounded", options={"xatol": 0.02}
    )
    curvature = math.exp(float(found.x))
    rough, fine_value, wide_value = (g.oscillation(curvature) for g in (coarse, fine, wide))
    spread = abs(rough - fine_value) + abs(wide_value - fine_value)
    if not spread < _STABLE * (1 + fine_value):
        return None
    oscillation = max(rough, fine_value, wide_value) + 2 * spread
    return Candidate(
        name="plane-envelope",
        lower=curvature * math.exp(-oscillation),
        how=How.COMPUTED,
        source=(
            f"Holley-Stroock with a convex envelope of curvature {curvature:.6g} and oscillation "
            f"{oscillation:.6g} on a grid"
        ),
    )


class _Grid:
    def __init__(self, energy: Energy, box: LevelBox, level: float, nodes: int) -> None:
        self.x, self.y = (
            np.linspace(a, b, nodes) for a, b in zip(box.lower, box.upper, strict=True)
        )
        u = energy.on_coordinates("potential", [self.x[:, None], self.y[None, :]])
        self.u = u - u.min()
        self.square = (self.x[:, None] ** 2 + self.y**2) / 2
        self.inside = self.u <= level

    def oscillation(self, curvature: float) -> float:
        """max (V - W) over the level set, W >= envelope with the slopes seen there."""
        v = self.u - curvature * self.square
        slopes = [
            _spread(np.gradient(v, axis, axis=i)[self.inside])
            for i, axis in enumerate((self.x, self.y))
        ]
        transformed = _legendre(v, (self.x, self.y), (slopes[0], slopes[1]))
        envelope = _legendre(transformed, (slopes[0], slopes[1]), (self.x, self.y))
        return float((v - envelope)[self.inside].max())


def _spread(values: FloatArray) -> FloatArray:
    """Slopes at quantiles and evenly between the extremes."""
    half = _SLOPES // 2
    quantiles = np.quantile(values, np.linspace(0, 1, half))
    return np.unique(np.concatenate([quantiles, np.linspace(values.min(), values.max(), half)]))


def _legendre(
    v: FloatArray, places: tuple[FloatArray, FloatArray], slopes: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """max over (x, y) of s x + t y - v, one axis after the other."""
    first = np.stack([(s * places[0][:, None] - v).max(axis=0) for s in slopes[0]])
    return np.stack([(t * places[1] + first).max(axis=1) for t in slopes[1]], axis=1)
