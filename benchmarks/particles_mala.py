"""MALA beside ULA, on P1 and P2."""

from __future__ import annotations

from typing import Any

from solvers.particles import mala, ula

from .interleaved import medians
from .particle_rates import PRECISIONS, mixture, ours, well
from .table import Table
from .targets import RATIO

TITLE = "MALA's rate as a share of ULA's"
TARGETS = RATIO


def measure(brief: bool) -> Table:
    """One row per problem and precision; goal 0.5."""
    steps = 20 if brief else 100
    rows: list[dict[str, Any]] = []
    for problem in (well(10**5 if brief else 10**6), mixture(2), mixture(10)):
        for dtype, bits in PRECISIONS:
            plain = ours(problem, dtype, bits, ula)
            adjusted = ours(problem, dtype, bits, mala)
            seconds = medians(
                {"ula": lambda f=plain: f(steps), "mala": lambda f=adjusted: f(steps)},  # type: ignore[misc]
                3 if brief else 5,
            )
            count = problem.particles * steps / 1e6
            rows.append(
                {
                    "work": problem.name,
                    "state": dtype,
                    "noise": f"{bits} bits",
                    "ULA": count / seconds["ula"],
                    "MALA": count / seconds["mala"],
                    "ratio": seconds["ula"] / seconds["mala"],
                    "goal": 0.5,
                }
            )
    return Table(
        columns=list(rows[0]), rows=rows, notes=["Million particle-steps per second, all cores."]
    )
