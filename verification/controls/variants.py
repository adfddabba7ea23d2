"""False variants of a theorem: the same quantities, a wrong right-hand side.

A variant shares the measurement of the true statement; wherever it is planned it must come out
VIOLATED at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lvebm_theory.theorem import Theorem

Quantities = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FalseVariant:
    """A wrong form of a theorem.

    Parameters
    ----------
    sentence : str
        What is false in it, for the report.
    bound : callable
        (theorem, quantities) -> the wrong right-hand side.
    """

    sentence: str
    bound: Callable[[Theorem, Quantities], float]


def rate_multiplied(factor: float, sentence: str) -> FalseVariant:
    """The rate times ``factor``: the formula with time stretched by it."""
    return FalseVariant(
        sentence=sentence,
        bound=lambda theorem, q: theorem.forced_bound(**{**q, "time": factor * q["time"]}),
    )


def value_multiplied(factor: float, sentence: str) -> FalseVariant:
    """The right-hand side times ``factor``."""
    return FalseVariant(
        sentence=sentence, bound=lambda theorem, q: factor * theorem.forced_bound(**q)
    )


def quantities_replaced(change: Callable[[Quantities], Quantities], sentence: str) -> FalseVariant:
    """The formula at changed quantities: ``change(quantities)`` returns what is replaced."""
    return FalseVariant(
        sentence=sentence, bound=lambda theorem, q: theorem.forced_bound(**{**q, **change(q)})
    )


def sentences(variants: Mapping[str, FalseVariant]) -> dict[str, str]:
    """Name -> sentence, as ``Claim.controls`` wants it."""
    return {name: variant.sentence for name, variant in variants.items()}
