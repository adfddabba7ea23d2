"""From a measurement and a theorem's quantities to an outcome: the step all claims share.

bound       = theorem.bound(quantities), or the wrong one where the case is a false variant
grade       = weakest grade among the Constants in the quantities
resolution  = declared by the claim, at most a third of the way to its nearest control
perturbed   = the statement made false by the fraction p
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lvebm_theory.constant import Constant, How
from lvebm_theory.errors import AssumptionError
from lvebm_theory.theorem import Theorem

from .claim import Case, Outcome
from .controls.variants import FalseVariant
from .measurement import Measurement

Quantities = Mapping[str, Any]


def grade_of(quantities: Quantities) -> How:
    """The weakest grade among the Constants in these quantities; EXACT when there are none."""
    return How.weakest(*(q.how for q in quantities.values() if isinstance(q, Constant)))


def third_of_distance(bound: float, *false_bounds: float) -> float:
    """A third of the distance from the bound to the nearest of its false variants."""
    return min(abs(bound - other) for other in false_bounds) / 3.0


def faster(theorem: Theorem, quantities: Quantities) -> Callable[[float], float]:
    """p -> the bound with its rate (1 + p) times too fast (time stretched by 1 + p)."""
    return lambda p: theorem.forced_bound(**{**quantities, "time": (1.0 + p) * quantities["time"]})


def smaller(theorem: Theorem, quantities: Quantities) -> Callable[[float], float]:
    """p -> the bound divided by 1 + p."""
    return lambda p: theorem.forced_bound(**quantities) / (1.0 + p)


def larger(theorem: Theorem, quantities: Quantities) -> Callable[[float], float]:
    """p -> the bound times 1 + p."""
    return lambda p: theorem.forced_bound(**quantities) * (1.0 + p)


def require(theorem: Theorem, **quantities: Any) -> None:
    """Raise AssumptionError now where the theorem cannot apply, before anything is solved.

    Assumptions about quantities that are not given here are left for later.
    """
    broken = []
    for assumption in theorem.assumptions:
        try:
            holds = assumption.holds(quantities)
        except KeyError:
            continue
        if not holds:
            broken.append(assumption.text)
    if broken:
        raise AssumptionError(theorem.name, broken)


def confront(
    case: Case,
    measurement: Measurement,
    theorem: Theorem,
    quantities: Quantities,
    *,
    resolution: float,
    variants: Mapping[str, FalseVariant] | None = None,
    perturbed: Callable[[float], float] | None = None,
    forced: bool = False,
    note: str = "",
) -> Outcome:
    """The outcome of one case.

    A case whose control is one of ``variants`` meets that wrong bound. Any other control is a
    mutated solver: its measurement meets the true bound.

    Parameters
    ----------
    resolution : float
        Declared in advance; a function of bound and time, never of the measured value.
    perturbed : callable or None
        p -> bound of the statement made false by the fraction p; left out for controls.
    forced : bool
        Ignore the theorem's assumptions (for controls where they fail).

    Raises
    ------
    AssumptionError
        When the theorem does not apply and is not forced.
    """
    variant = (variants or {}).get(case.control) if case.control else None
    if variant is not None:
        bound = float(variant.bound(theorem, quantities))
    elif forced:
        bound = theorem.forced_bound(**quantities)
    else:
        bound = theorem.bound(**quantities)
    return Outcome(
        measurement=measurement,
        bound=bound,
        resolution=resolution,
        grade=grade_of(quantities),
        perturbed=None if case.control else perturbed,
        note=note,
        constants={k: q for k, q in quantities.items() if isinstance(q, Constant)},
    )
