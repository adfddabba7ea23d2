"""Holley-Stroock with a bounded part of the formula as the perturbation, in any dimension."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..constant import How
from .parts import PotentialEnergy, exact_potential

if TYPE_CHECKING:
    from ..certified.subject import Potential
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate

# a proof of the oscillation to four digits is quick, and exp(-osc) needs no more
_WIDTH = 1e-4


def bounded_perturbation(constants: EnergyConstants) -> Candidate | None:
    """rho(e^{-(U_0 + psi)}) >= rho(e^{-U_0}) exp(-osc psi), psi the bounded terms of the sum U.

    Which terms are bounded, and their oscillation, is proved by branch and bound in ball
    arithmetic; rho(e^{-U_0}) comes from the other arguments (Holley and Stroock 1987).
    """
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate, argument_of

    potential = exact_potential(constants.energy) if constants.certify else None
    if potential is None:
        return None
    bounded, rest = _bounded_terms(potential)
    if bounded is None or not set(potential.symbols) <= rest.free_symbols:
        return None
    from ..certified.subject import Potential as Exact

    other = PotentialEnergy(Exact(rest, potential.symbols), f"{constants.energy.name}, U_0")
    inner = EnergyConstants(other, constants.certify, constants.relative_width, proofs_only=True)
    base = inner.log_sobolev
    if not base.lower > 0 or base.how.rank > How.CERTIFIED.rank:
        return None
    oscillation = proved_oscillation(bounded, potential.symbols)
    if oscillation is None:
        return None
    return Candidate(
        name="bounded-perturbation",
        lower=base.lower * math.exp(-oscillation) * (1 - 1e-14),
        how=How.weakest(base.how, How.CERTIFIED),
        source=(
            f"Holley-Stroock: bounded terms of oscillation {oscillation:.6g} over rho_0 = "
            f"{base.lower:.6g} ({argument_of(base)})"
        ),
    )


def _bounded_terms(potential: Potential) -> tuple[Any, Any]:
    """(sum of bounded terms or None, sum of the others) of U as a sum."""
    import sympy

    bounded: list[Any] = []
    rest: list[Any] = []
    for term in sympy.Add.make_args(potential.expression):
        polynomial = term.is_polynomial(*potential.symbols)
        (rest if polynomial or not _looks_bounded(potential, term) else bounded).append(term)
    return (sympy.Add(*bounded) if bounded else None), sympy.Add(*rest)


def _looks_bounded(potential: Potential, term: Any) -> bool:
    """Whether samples over many scales stay bounded: worth a proof."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((potential.dim, 64, 1))
    points = list(directions * np.logspace(-2, 6, 65))
    with np.errstate(all="ignore"):
        values = potential.on_floats(term)(points)[0]
    return bool(np.isfinite(values).all() and np.abs(values).max() < 1e3)


def proved_oscillation(expression: Any, symbols: tuple[Any, ...]) -> float | None:
    """An upper bound of sup - inf over R^d, None if none was proved."""
    low, high = proved_range(expression, symbols)
    return high - low if math.isfinite(low) and math.isfinite(high) else None


def proved_range(expression: Any, symbols: tuple[Any, ...]) -> tuple[float, float]:
    """(lower, upper) bounds of an expression over R^d; infinite where nothing was proved."""
    from ..certified.infimum import Field
    from ..certified.subject import precisely

    @precisely
    def prove() -> tuple[float, float]:
        return (
            Field(symbols, expression).infimum(_WIDTH).lower,
            -Field(symbols, -expression).infimum(_WIDTH).lower,
        )

    return prove()
