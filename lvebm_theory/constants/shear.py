r"""Laws that a shear takes to a product: pi = law of (X, Y + g(X)), X and Y independent.

Examples: y | x ~ N(m(x), s^2) for any law of x, as in a (x^2 - 1)^2 + (y - b x)^2 / 2.

Let rho_X and rho_Y be log-Sobolev constants of X and Y, and |grad g| <= k. The scaled pair
(sqrt(rho_X) X, sqrt(rho_Y) Y) satisfies LSI(1) (tensorisation), and pi is its image under

    T(u, v) = (u / sqrt(rho_X), v / sqrt(rho_Y) + g(u / sqrt(rho_X))).

With f a function of the image and h = f o T, Ent_pi f^2 = Ent h^2 <= 2 E |grad h|^2 <=
2 sup |DT|^2 E_pi |grad f|^2, so rho >= 1 / sup |DT|^2. For a slope of norm s at a point,

    DT DT' = [[1/rho_X, s/rho_X], [s/rho_X, s^2/rho_X + 1/rho_Y]]

on the plane spanned by grad g and the y direction (the identity over rho_X elsewhere), whose
largest eigenvalue grows with s. Its inverse at s = k gives

    rho >= smallest eigenvalue of [[rho_X + k^2 rho_Y, -k rho_Y], [-k rho_Y, rho_Y]],

with equality when X and Y are Gaussian and g is linear.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..constant import How
from .parts import PotentialEnergy, exact_potential
from .perturbation import proved_range

if TYPE_CHECKING:
    from ..certified.subject import Potential
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate


def shear(constants: EnergyConstants) -> Candidate | None:
    """The best bound over the shears that take U to a sum of separate parts."""
    from ..certified.transform import separated, sheared

    if constants.energy.dim < 2:
        return None
    potential = exact_potential(constants.energy)
    if potential is None:
        return None
    found = []
    for moved, symbol, shift in sheared(potential):
        parts = separated(moved)
        alone = [p for p in parts if p.symbols == (symbol,)]
        others = [p for p in parts if symbol not in p.symbols]
        if len(alone) == 1 and len(others) == len(parts) - 1:
            candidate = _bound(constants, potential, alone[0], others, symbol, shift)
            if candidate is not None:
                found.append(candidate)
    return max(found, key=lambda c: c.lower, default=None)


def _bound(
    constants: EnergyConstants,
    potential: Potential,
    alone: Potential,
    others: list[Potential],
    symbol: Any,
    shift: Any,
) -> Candidate | None:
    from .log_sobolev import Candidate, argument_of

    steepest = steepest_slope(shift, tuple(s for s in potential.symbols if s != symbol))
    if steepest is None:
        return None
    y = _log_sobolev(constants, alone)
    xs = [_log_sobolev(constants, part) for part in others]
    x = min(xs, key=lambda c: c.lower)
    if not (x.lower > 0 and y.lower > 0):
        return None
    return Candidate(
        name="shear",
        lower=sheared_bound(x.lower, y.lower, steepest),
        how=How.weakest(How.CERTIFIED, y.how, *(c.how for c in xs)),
        source=(
            f"image of a product under a shear of slope <= {steepest:.6g} with rho_X = "
            f"{x.lower:.6g} ({argument_of(x)}) and rho_Y = {y.lower:.6g} ({argument_of(y)})"
        ),
    )


def sheared_bound(rho_x: float, rho_y: float, slope: float) -> float:
    """Smallest eigenvalue of [[rho_x + k^2 rho_y, -k rho_y], [-k rho_y, rho_y]], rounded down."""
    trace = rho_x + rho_y * (1 + slope**2)
    determinant = rho_x * rho_y
    # the smaller root of t^2 - trace t + determinant, without cancellation
    root = math.sqrt(max(trace**2 - 4 * determinant, 0.0))
    return 2 * determinant / (trace + root) * (1 - 1e-14)


def steepest_slope(shift: Any, symbols: tuple[Any, ...]) -> float | None:
    """A proved upper bound of sup |grad shift|, None if none was found."""
    import sympy

    square = sympy.expand(sum(sympy.diff(shift, s) ** 2 for s in symbols))
    if square.is_number:
        return math.sqrt(float(sympy.N(square, 30))) * (1 + 1e-14)
    _, high = proved_range(square, symbols)
    return math.sqrt(high) * (1 + 1e-14) if math.isfinite(high) else None


def _log_sobolev(constants: EnergyConstants, part: Potential) -> Any:
    from .energy_constants import EnergyConstants

    energy = PotentialEnergy(part, f"{constants.energy.name}, {', '.join(map(str, part.symbols))}")
    return EnergyConstants(energy, constants.certify, constants.relative_width).log_sobolev
