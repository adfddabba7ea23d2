"""A proved lower bound of U'' on the line, and of its averages over intervals.

    kappa(r) = inf_m (1/r) int_{m - r/2}^{m + r/2} U''(s) ds

The line is cut into cells, each with a lower bound of U'' in ball arithmetic, and two half-lines
with one from growth arithmetic. The average of such a step function over [a, a + r] is piecewise
linear in a, so that its infimum is attained where an end of the interval is an edge of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy

from ..arrays import FloatArray
from ..errors import AssumptionError
from ..protocols import Energy
from .infimum import Field
from .subject import exact_number, numeric_potential, potential_of, precisely
from .truncation import truncation_box

#: half-widths of the region cut into cells, in quarters of the box that holds all but 1e-4 of pi
RADII = (4, 8, 16, 64)
CELLS = 1600
#: of U'' at the ends of the region, what is tried as its bound beyond them
SHARES = (0.999, 0.9, 0.5)
#: of the largest bound, for the rounding of sums of cells
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class CurvatureBound:
    """U'' >= ``inner`` on the cells between ``edges``, and >= ``outer`` beyond them.

    Parameters
    ----------
    edges : array (n + 1,)
    inner : array (n,)
    outer : float
    """

    edges: FloatArray
    inner: FloatArray
    outer: float

    def averages(self, radii: FloatArray) -> FloatArray:
        """A lower bound of kappa at each r > 0, shape (k,) as ``radii``."""
        cumulated = np.concatenate([[0.0], np.cumsum(self.inner * np.diff(self.edges))])
        low, high = self.edges[0], self.edges[-1]

        def integral(x: FloatArray) -> FloatArray:
            beyond = np.minimum(x - low, 0.0) + np.maximum(x - high, 0.0)
            return np.asarray(np.interp(x, self.edges, cumulated) + self.outer * beyond)

        at_edges = integral(self.edges)
        least = np.empty(radii.size)
        for k, r in enumerate(radii):
            forward = integral(self.edges + r) - at_edges
            backward = at_edges - integral(self.edges - r)
            least[k] = min(forward.min(), backward.min()) / r
        size = max(float(np.abs(self.inner).max()), abs(self.outer))
        return np.minimum(least, self.outer) - ROUNDING * size

    @property
    def radius(self) -> float:
        """A distance beyond which kappa(r) >= 3/4 ``outer`` and r^2 kappa(r) >= 96.

        kappa(r) >= outer - D/r with D = int (outer - inner)^+ over the cells.
        """
        deficit = float(np.maximum(self.outer - self.inner, 0.0) @ np.diff(self.edges))
        return max(4.0 * deficit / self.outer, float(np.sqrt(128.0 / self.outer)))


@precisely
def curvature_bound(energy: Energy) -> CurvatureBound:
    """The step function below U'' of an energy on the line.

    Raises
    ------
    AssumptionError
        No formula, no box, d > 1, or no positive bound of U'' was proved outside any of the
        regions that are tried.
    """
    name = "curvature on the line"
    if energy.dim != 1 or not energy.smooth:
        raise AssumptionError(name, ["d = 1 and U is twice continuously differentiable"])
    potential = potential_of(energy)
    box = truncation_box(energy, 1e-4)
    if box is None:
        raise AssumptionError(name, ["tails light enough for a box"])
    centre, length = (box[0][0] + box[0][1]) / 2, (box[0][1] - box[0][0]) / 8
    # the search runs in y = (x - centre)/length, whatever the units of x
    (x,) = potential.symbols
    moved = potential.expression.xreplace({x: exact_number(centre) + exact_number(length) * x})
    scaled = numeric_potential(sympy.expand(moved) if moved.is_polynomial(x) else moved, (x,))
    field = Field(scaled.symbols, scaled.hessian[0][0])
    radius, outer = _convex_outside(field)
    if outer <= 0:
        raise AssumptionError(name, ["U'' >= m > 0 outside an interval, proved"])
    edges = np.linspace(-radius, radius, CELLS + 1)
    cells = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    inner = np.array([field.lower((cell,), np.inf) for cell in cells])
    return CurvatureBound(
        edges=centre + length * edges, inner=inner / length**2, outer=outer / length**2
    )


def _convex_outside(field: Field) -> tuple[int, float]:
    """The smallest region that is tried outside which U'' has a positive bound, and the bound."""
    for radius in RADII:
        least = float(np.min(field.samples([np.array([-1.0, 1.0]) * radius])))
        for share in SHARES if np.isfinite(least) and least > 0 else ():
            outer = field.outside(radius, share * least, (1.0 - share) * least / 4.0)
            if outer > 0:
                return radius, outer
    return 0, 0.0
