"""Truth against answer: what is right, wide, refused, not known, or a miss."""

from __future__ import annotations

import math
from typing import Any

from .draws import Row

FIRM = ("EXACT", "CERTIFIED", "COMPUTED")
WIDE = 0.05  # an interval wider than this share of its value says little
LIMIT = 120.0
DOUBT = 2.0  # times the reference's own width: its last terms may cancel by accident


def misses(row: Row, truth: dict[str, Any], answers: dict[str, Any]) -> list[str]:
    """Sentences, one per thing that is wrong."""
    found = []
    for part, answer in answers.items():
        if "traceback" in answer:
            last = answer["traceback"].strip().splitlines()[-1]
            found.append(f"{part}: traceback, {last}")
        if answer.get("ended"):
            found.append(f"{part}: {answer['ended']}")
        if answer.get("terminal"):
            found.append(f"{part}: printed {answer['terminal'][:160]!r}")
        if answer.get("seconds", 0) > LIMIT:
            found.append(f"{part}: {answer['seconds']:.0f} s")
        if "constants" in answer:
            found += _constants(row, truth, answer["constants"])
        if "flow" in answer:
            found += _flow(row, truth["flows"][int(part[-1])], answer["flow"], part)
    return found


def _constants(row: Row, truth: dict[str, Any], found: dict[str, Any]) -> list[str]:
    wrong = []
    low, high, how = _interval(found["gap"])
    value, width, state = truth["gap"]
    width *= DOUBT
    slack = width + 1e-9 * abs(value)
    if how in FIRM and (low > value + slack or (state == "finite" and high < value - slack)):
        wrong.append(f"gap: [{low:.9g}, {high:.9g}] {how}, right {value:.9g} +- {width:.1g}")
    low, high, how = _interval(found["log_sobolev"])
    zero = any(p.log_sobolev_is_zero for p in row.pieces)
    above = {"the gap": value + slack, "a measured FI/(2 KL)": truth["log Sobolev at most"]}
    if zero:
        above["tails without one"] = 0.0
    for name, bound in above.items():
        if bound is not None and how in FIRM and low > bound * (1 + 1e-9):
            wrong.append(f"log Sobolev: at least {low:.6g} {how}, above {bound:.6g} ({name})")
    if state == "finite" and how in FIRM and high < 0:
        wrong.append(f"log Sobolev: at most {high}")
    least = truth["least Hessian"]
    low, high, how = _interval(found["convexity"])
    if least is not None and how in FIRM:
        slack = 1e-4 * (1 + abs(least) * row.scale**2) / row.scale**2
        if low > least + slack:
            wrong.append(f"convexity: at least {low:.6g} {how}, but {least:.6g} is attained")
    return wrong


def _flow(row: Row, truth: list[dict[str, Any]], found: dict[str, Any], part: str) -> list[str]:
    wrong = []
    times = row.times()
    for name, curve in found.items():
        for k, (value, half) in enumerate(curve):
            right, width, state = truth[k][name]
            width = DOUBT * (width or 0.0)
            value, half = float(value), float(half)
            if state != "finite":
                if half < 0:
                    wrong.append(f"{part}: {name} at {times[k]:.4g}: half-width {half:.3g}")
                continue
            if not _agree(name, value, half, right, width, row):
                shown = right if name != "chi" else _expm1(right)
                doubt = width if name != "chi" else width * (1 + shown)
                wrong.append(
                    f"{part}: {name} at {times[k]:.6g}: {value:.9g} +- {half:.2g}, "
                    f"right {shown:.9g} +- {doubt:.1g}"
                )
    return wrong


def _agree(name: str, value: float, half: float, right: float, width: float, row: Row) -> bool:
    if half < 0 or math.isnan(value):
        return False
    if math.isinf(half):  # says that nothing is known, and counts as wide
        return True
    if name == "chi":
        if math.isinf(value):
            return right > 700
        low, high = math.log1p(max(value - half, 0)), math.log1p(max(value + half, 0))
        slack = width + 1e-11
        return low - slack <= right <= high + slack
    unit = {"x": row.scale, "y": row.scale, "kl": 1.0}.get(name, row.scale**2)
    slack = 1e-9 * max(unit, abs(right))  # thirty squarings round so far
    return abs(value - right) <= half + width + slack


def wide(row: Row, truth: dict[str, Any], answers: dict[str, Any]) -> int:
    """How many of the flow's intervals say little."""
    count = 0
    for answer in answers.values():
        for name, curve in answer.get("flow", {}).items():
            unit = {"x": row.scale, "y": row.scale, "kl": 1e-3, "chi": 1e-3}.get(name, row.scale**2)
            count += sum(
                math.isinf(float(h)) or float(h) > WIDE * max(abs(float(v)), unit) for v, h in curve
            )
    return count


def _expm1(value: float) -> float:
    return math.expm1(value) if value < 700 else math.inf


def _interval(found: list[Any]) -> tuple[float, float, str]:
    return float(found[0]), float(found[1]), str(found[2])
