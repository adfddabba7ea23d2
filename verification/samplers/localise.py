"""Placeholder, to be written next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """The likely component."""

    first: str
    second: str
    evidence: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In words."""
        return f"likely: {self.first}, or else {self.second}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"first": self.first, "second": self.second, "evidence": list(self.evidence)}


def localise(examination: Any) -> Localisation:
    """Later."""
    return Localisation(first="?", second="?")
