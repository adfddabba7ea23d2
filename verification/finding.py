"""A finding: one confrontation of a theorem with a measurement, as stored and reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .decide import Verdict

# key of the provenance of what came to no end: it took too long, or the machine failed
UNFINISHED: Final = "unfinished"


def _finite(x: float | None) -> float | None:
    return x if x is not None and math.isfinite(x) else None


# null in a finding where nothing was compared
_COMPARED = (
    *("measured", "statistical", "numerical", "confidence", "bound", "resolution", "slack"),
    "sensitivity",
)


def nothing_compared() -> dict[str, Any]:
    """The keys of a finding that are null where nothing was compared."""
    return dict.fromkeys(_COMPARED)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of ``findings.json``; docs/findings.md explains every key."""

    claim: str
    setting: str
    time: float | None
    quantity: str
    relation: str
    measured: float | None
    statistical: float | None
    numerical: float | None
    confidence: float | None
    bound: float | None
    resolution: float | None
    slack: float | None
    verdict: Verdict
    control: str | None
    sensitivity: float | None
    witness: str
    seconds: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object; numbers that are not finite become null."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        row["verdict"] = self.verdict.value
        row["provenance"] = dict(self.provenance)
        return {k: _finite(v) if isinstance(v, float) else v for k, v in row.items()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Finding:
        """Inverse of ``to_json``."""
        return cls(**{**row, "verdict": Verdict(row["verdict"])})
