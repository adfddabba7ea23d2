"""Means over seeds with intervals, and who wins where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from .plan import METHODS

Result = Mapping[str, Any]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Score:
    """One number of a result and which way is better."""

    key: str
    title: str
    larger_is_better: bool

    def of(self, result: Result) -> float | None:
        """The number, None where a run has none."""
        if result.get("failed"):
            return None
        if self.key == "likelihood":
            ends = [result["likelihood"][side] for side in ("lower", "upper")]
            known = [end for end in ends if end is not None]
            return sum(known) / len(known) if known else None
        if self.key == "ratio":
            own, truth = result["sliced"], result["sliced_of_truth"]
            return None if own is None else own["value"] / truth["value"]
        if self.key in ("score", "error"):
            return float(result["reconstruction"][self.key]["value"])
        found = result[self.key]
        return None if found is None else float(found["value"])

    def width_of(self, result: Result) -> float:
        """Half the bracket that the number is the middle of; 0 where it is a plain number."""
        ends = [result["likelihood"][side] for side in ("lower", "upper")]
        if self.key != "likelihood" or None in ends:
            return 0.0
        return float(ends[1] - ends[0]) / 2


SCORES = (
    Score("likelihood", "held-out log-likelihood / nats", True),
    Score("sliced", "sliced W2", False),
    Score("ratio", "ratio to truth", False),
    Score("energy_distance", "energy distance", False),
    Score("score", "reconstruction score", False),
    Score("error", "reconstruction error", False),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A mean over seeds: value, half-width at 95 per cent (None for one seed), and how many."""

    value: float
    half_width: float | None
    seeds: int

    def __str__(self) -> str:
        if self.half_width is None:
            return f"{self.value:.3g}"
        # two figures of the half-width
        digits = max(0, 1 - math.floor(math.log10(max(self.half_width, 1e-9))))
        return f"{self.value:.{digits}f} ± {self.half_width:.{digits}f}"

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, everything for one seed."""
        width = math.inf if self.half_width is None else self.half_width
        return self.value - width, self.value + width


def cell(values: Sequence[float], width: float = 0.0) -> Cell | None:
    """Student's interval for the mean over seeds, wider by ``width`` on both sides."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return None
    count = len(finite)
    if count == 1:
        return Cell(value=finite[0], half_width=None, seeds=1)
    spread = float(np.std(finite, ddof=1)) / math.sqrt(count)
    quantile = float(-stdtrit(count - 1, (1 - CONFIDENCE) / 2))
    return Cell(value=float(np.mean(finite)), half_width=quantile * spread + width, seeds=count)


def cells(results: Sequence[Result], score: Score) -> dict[tuple[str, str], Cell]:
    """The mean of a score for each (system, method) that has one."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for result in results:
        value = score.of(result)
        if value is not None:
            pair = (value, score.width_of(result))
            found.setdefault((result["system"], result["method"]), []).append(pair)
    made = {
        key: cell([value for value, _ in pairs], float(np.mean([width for _, width in pairs])))
        for key, pairs in found.items()
    }
    return {key: value for key, value in made.items() if value is not None}


def best(table: Mapping[tuple[str, str], Cell], system: str, score: Score) -> str | None:
    """The method with the best mean on a system."""
    own = {m: table[system, m].value for m in METHODS if (system, m) in table}
    if not own:
        return None
    sign = -1 if score.larger_is_better else 1
    return min(own, key=lambda m: sign * own[m])


def told_apart(a: Cell, b: Cell) -> bool:
    """Whether the intervals of two means are disjoint."""
    (low_a, high_a), (low_b, high_b) = a.ends, b.ends
    return high_a < low_b or high_b < low_a


def kinds(results: Sequence[Result], system: str, method: str) -> list[str]:
    """What the log-likelihood of a cell may be called, over its seeds."""
    own = [
        r["likelihood"]["kind"]
        for r in results
        if (r["system"], r["method"]) == (system, method) and not r.get("failed")
    ]
    return sorted(set(own))
