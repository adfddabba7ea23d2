r"""Holley-Stroock in the plane with the convex envelope, on a grid (see ``holley_stroock``).

    rho >= m exp(-osc(V - W)),    V = U - m |x|^2 / 2,  W the convex envelope of V,

with W as the Legendre transform applied twice, by which m is chosen. Where V is convex outside a
rectangle the oscillation is then proved (``certified.envelope``). Else it is an estimate, on which
two grids and two level sets have to agree: twice their difference is added.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from ..arrays import FloatArray
from ..constant import How
from ..protocols import Energy
from .parts import exact_potential
from .plane_spectrum import potential_on_plane
from .region import LevelBox, level_box

if TYPE_CHECKING:
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate


# the second, wider level set has to give the same oscillation
_LEVELS = (60.0, 150.0)
_NODES = 121
_REFINED = 181
_SLOPES = 241
_STABLE = 0.05
# a rectangle around the places where Hess U < m, widened by these shares of its sides, and nodes
_MARGINS = ((0.2, 161), (0.6, 161), (1.2, 241))
_ROOM = 1.1
_BENT = 1.02


def plane_envelope(constants: EnergyConstants) -> Candidate | None:
    """The optimised bound in the plane: CERTIFIED where U is convex far out, else ESTIMATED."""
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
    # 10 bits, for the sake of the proof
    scale = 2.0 ** (9 - math.floor(float(found.x) / math.log(2)))
    curvature = round(math.exp(float(found.x)) * scale) / scale
    rough, fine_value, wide_value = (g.oscillation(curvature) for g in (coarse, fine, wide))
    spread = abs(rough - fine_value) + abs(wide_value - fine_value)
    if not spread < _STABLE * (1 + fine_value):
        return None
    oscillation = max(rough, fine_value, wide_value) + 2 * spread
    proved = _proved(constants, fine, curvature, oscillation)
    if proved is not None:
        oscillation = proved
    return Candidate(
        name="plane-envelope",
        lower=curvature * math.exp(-oscillation) * (1 - 1e-14),
        how=How.ESTIMATED if proved is None else How.CERTIFIED,
        source=(
            f"Holley-Stroock with a convex envelope of curvature {curvature:.6g} and oscillation "
            f"{oscillation:.6g}"
            + (" on a grid: convexity far out was not proved" if proved is None else "")
        ),
    )


def _proved(
    constants: EnergyConstants, grid: _Grid, curvature: float, expected: float
) -> float | None:
    """The oscillation, proved on grids around the places where Hess U < m; None without a proof."""
    potential = exact_potential(constants.energy) if constants.certify else None
    if potential is None or not potential.smooth:
        return None
    from ..certified.envelope import envelope_oscillation
    from ..certified.subject import Potential, exact_number

    bent = grid.bent(constants.energy, curvature)
    if bent is None:
        return None
    square = sum(s**2 for s in potential.symbols)
    v = potential.expression - exact_number(curvature) * square / 2
    for margin, nodes in _MARGINS:
        chosen, slopes = grid.around(constants.energy, bent, margin, nodes, curvature, expected)
        found = envelope_oscillation(
            Potential(v, potential.symbols), chosen, slopes, _ROOM * (expected + _ROOM - 1)
        )
        if found is not None:
            return found
    return None


class _Grid:
    def __init__(self, energy: Energy, box: LevelBox, level: float, nodes: int) -> None:
        self.x, self.y = (
            np.linspace(a, b, nodes) for a, b in zip(box.lower, box.upper, strict=True)
        )
        u = energy.on_coordinates("potential", [self.x[:, None], self.y[None, :]])
        self.u = u - u.min()
        self.square = (self.x[:, None] ** 2 + self.y**2) / 2
        self.inside, self.level = self.u <= level, level

    def bent(self, energy: Energy, curvature: float) -> tuple[FloatArray, FloatArray] | None:
        """Corners around the nodes where Hess U < m; None where these reach the edge."""
        with np.errstate(all="ignore"):
            (a, b), (_, c) = energy.on_coordinates("hessian", [self.x[:, None], self.y[None, :]])
            least = (a + c) / 2 - np.hypot((a - c) / 2, b)
        below = np.broadcast_to(~(least >= _BENT * curvature), self.u.shape)
        low, high = [], []
        for axis, places in enumerate((self.x, self.y)):
            hit = np.flatnonzero(below.any(axis=1 - axis))
            if not len(hit) or hit[0] < 1 or hit[-1] > len(places) - 2:
                return None
            low.append(places[hit[0] - 1])
            high.append(places[hit[-1] + 1])
        return np.array(low), np.array(high)

    def around(
        self,
        energy: Energy,
        bent: tuple[FloatArray, FloatArray],
        margin: float,
        nodes: int,
        curvature: float,
        expected: float,
    ) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """Nodes around a rectangle, and slopes of V there."""
        reach = margin * (bent[1] - bent[0])
        ends = zip(bent[0] - reach, bent[1] + reach, strict=True)
        x, y = (np.linspace(a, b, nodes) for a, b in ends)
        places = x[:, None], y[None, :]
        gradient = energy.on_coordinates("gradient", list(places))
        u = energy.on_coordinates("potential", list(places))
        height = u - u.min()
        slopes = []
        for g, z in zip(gradient, places, strict=True):
            slope = np.broadcast_to(g - curvature * z, u.shape)
            close, far = slope[height <= 3 + 2 * expected], slope[height <= self.level]
            slopes.append(np.unique(np.concatenate([_spread(close), _spread(far)[::4]])))
        return (x, y), (slopes[0], slopes[1])

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
