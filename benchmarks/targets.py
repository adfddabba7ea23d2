"""The goals of the table: what is compared with what, and what a set of instructions may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .machine import instruction_set

#: columns that say which row it is, in the order in which a reader wants them
_NAMES = ("work", "formula", "scheme", "against", "dimension", "cells", "energy", "state", "noise")


def ratio_goal(at_least: float) -> float:
    """A ratio asked with AVX-512; two thirds of it elsewhere, with vectors of half the width."""
    return at_least if instruction_set() == "avx512" else at_least * 2 / 3


@dataclass(frozen=True, kw_only=True)
class Target:
    """One column against its goal.

    Parameters
    ----------
    measured : column
    goal : column of the goal, or the goal itself
    at_most : True where less is better
    """

    measured: str
    goal: str | float
    at_most: bool = False

    def missed(self, row: Mapping[str, Any]) -> bool:
        """Whether the row has both numbers and falls short."""
        value = row.get(self.measured)
        goal = row.get(self.goal) if isinstance(self.goal, str) else self.goal
        if value is None or goal is None:
            return False
        return bool(value > goal if self.at_most else value < goal)

    def asked(self, row: Mapping[str, Any]) -> bool:
        """Whether the row has a goal here."""
        has_goal = not isinstance(self.goal, str) or row.get(self.goal) is not None
        return has_goal and row.get(self.measured) is not None

    def shortfall(self, row: Mapping[str, Any]) -> str:
        """What came and what was asked, for a reader."""
        goal = row[self.goal] if isinstance(self.goal, str) else self.goal
        value = row[self.measured]
        return f"{label(row)}: {self.measured} {value:.3g}, goal {goal:.3g}"


RATIO = (Target(measured="ratio", goal="goal"),)


def label(row: Mapping[str, Any]) -> str:
    """Which row this is."""
    parts = [f"dimension {row[n]}" if n == "dimension" else str(row[n]) for n in _NAMES if n in row]
    peer = f" against {row['peer']}" if row.get("peer") else ""
    return ", ".join(parts) + peer
