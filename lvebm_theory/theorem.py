"""A theorem as an object: statement, source, assumptions, and the bound it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .errors import AssumptionError


class Relation(Enum):
    """What a theorem says of a measured quantity against its bound."""

    AT_MOST = "AT_MOST"
    AT_LEAST = "AT_LEAST"
    EQUAL = "EQUAL"
    RATE = "RATE"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where a statement is proved: a key of ``references.bib`` and a place in it.

    ``place`` is "Theorem 1", "section 9.6", ..., or "derived, see the docstring".
    ``erratum`` records where source and code part ways.
    """

    key: str
    place: str
    erratum: str | None = None


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """One hypothesis: a sentence for the reader and a predicate over the quantities."""

    text: str
    holds: Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, kw_only=True)
class Theorem:
    """A quantitative statement ``quantity RELATION formula(**quantities)``.

    Parameters
    ----------
    name : str
        Kebab-case identifier.
    title : str
        One line for tables.
    statement : str
        LaTeX, without dollar signs around it.
    reference : Reference
        The source that really proves it.
    inspired_by : tuple of str
        Bibliography keys of the papers that made it worth checking.
    assumptions : tuple of Assumption
    relation : Relation
    formula : callable
        Takes the quantities as keywords and returns the right-hand side.
    loose : bool
        True for a bound known not to be sharp by orders of magnitude.
    untested : str
        Why no claim can confront the statement; empty where one does.
    """

    name: str
    title: str
    statement: str
    reference: Reference
    relation: Relation
    assumptions: tuple[Assumption, ...]
    formula: Callable[..., float]
    inspired_by: tuple[str, ...] = ()
    loose: bool = False
    untested: str = ""

    def broken_assumptions(self, quantities: Mapping[str, Any]) -> tuple[str, ...]:
        """Texts of the assumptions that fail for these quantities."""
        return tuple(a.text for a in self.assumptions if not a.holds(quantities))

    def bound(self, **quantities: Any) -> float:
        """The right-hand side; raises AssumptionError naming every broken assumption."""
        if broken := self.broken_assumptions(quantities):
            raise AssumptionError(self.name, broken)
        return float(self.formula(**quantities))

    def forced_bound(self, **quantities: Any) -> float:
        """The right-hand side with the assumptions ignored: for negative controls only."""
        return float(self.formula(**quantities))
