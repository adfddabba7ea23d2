"""Public habits of testing samplers, re-implemented, on the zoo of planted bugs.

Each habit with the settings it is published or commonly used with, on the problem its author
would choose: one target, a sensible step size, a start at the mode; the tests themselves stand in
``habits.py`` beside this file. Calls are chain steps of one application. False alarms are counted
apart for kernels that keep the target and for documented schemes with a bias, which a habit cannot
know of.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .resumable import KEPT, Run, module_digest, sweep
from .table import Table, stored

TITLE = "Laws for samplers beside public habits: kills, false alarms, calls"
NAME = "sampler_habits"
PROCESSES = 2
SEEDS = 20
Result = tuple[Run, dict[str, Any]]


def applied(name: str, seed: int) -> dict[str, Any]:
    """Every habit on one kernel."""
    from verification.samplers.zoo import entries

    from .habits import HABITS, Problem

    problem = Problem(entries()[name], seed)
    found: dict[str, Any] = {}
    for habit in HABITS:
        outcome = habit.apply(problem)
        if outcome is not None:
            found[habit.name] = {"alarm": outcome.alarm, "calls": outcome.calls}
    return found


def plan(seeds: int, names: Sequence[str] | None = None) -> list[Run]:
    """Every kernel of the zoo that has positions, seed by seed; learners have no such habits."""
    from verification.samplers.zoo import entries

    own = module_digest("benchmarks.habits")
    return [
        Run(
            name=f"{entry.name}--{seed}",
            work=applied,
            arguments={"name": entry.name, "seed": seed},
            digest=f"{own}-{module_digest(entry.make.__module__)}",
        )
        for seed in range(seeds)
        for entry in entries().values()
        if entry.kind != "learner" and (names is None or entry.name in names)
    ]


def measure(brief: bool) -> Table:
    """One row per habit, and one for the laws from their own stored sweep."""
    if brief:
        runs = plan(1, ("mala", "mala-no-proposal-correction", "ula-noise-sqrt-h"))
        return table(sweep(runs, Path(tempfile.mkdtemp()), processes=1, silent=True))
    return table(sweep(plan(SEEDS), KEPT / NAME, processes=PROCESSES))


def table(found: Sequence[Result]) -> Table:
    """Rows, and per habit which bugs it misses."""
    from verification.samplers.zoo import entries

    from .habits import HABITS

    every, rows, missed = entries(), [], {}
    for habit in HABITS:
        seen: dict[str, list[dict[str, Any]]] = {}
        for run, result in found:
            if habit.name in result:
                seen.setdefault(run.arguments["name"], []).append(result[habit.name])
        if not seen:
            continue
        rates = {name: statistics.mean(r["alarm"] for r in rs) for name, rs in seen.items()}
        bugs = {n: rate for n, rate in rates.items() if every[n].to_be_killed}
        right = [n for n in rates if n not in bugs]
        adjusted = [rates[n] for n in right if every[n].kind != "unadjusted"]
        biased = [rates[n] for n in right if every[n].kind == "unadjusted"]
        rows.append(
            {
                "habit": habit.name,
                "bugs asked": len(bugs),
                "mean kill": statistics.mean(bugs.values()) if bugs else None,
                "killed in 95 % of seeds": sum(rate >= 0.95 for rate in bugs.values()),
                "false alarms": statistics.mean(adjusted) if adjusted else None,
                "worst": max(adjusted, default=None),
                "on biased schemes": statistics.mean(biased) if biased else None,
                "calls": float(statistics.median(r["calls"] for rs in seen.values() for r in rs)),
            }
        )
        missed[habit.name] = sorted(n for n, rate in bugs.items() if rate < 0.95)
    rows += _own()
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=(
            "Kills and false alarms are averages over kernels of the share of seeds with an alarm; "
            "a habit that needs reversibility or a prior is asked only of kernels that allow it.",
            *(f"{habit.name}: {habit.settings}" for habit in HABITS),
            "Laws for samplers: without learners, from sampler_kills and sampler_level.",
        ),
        details={"missed": missed},
    )


def _own() -> list[dict[str, Any]]:
    """The laws' row, from their own stored results on this set of instructions."""
    from verification.samplers.zoo import entries

    from .machine import instruction_set

    where = instruction_set()
    kills = stored("sampler_kills").get(where)
    level = stored("sampler_level").get(where)
    if kills is None:
        return []
    every = entries()
    asked = [r for r in kills["rows"] if every[r["bug"]].kind != "learner"]
    rates = [a / b for a, b in (tuple(map(int, r["killed"].split("/"))) for r in asked)]
    strict = [r for r in level["rows"] if r["alpha"] < 1e-3] if level else []
    rate = strict[0]["rate"] if strict else None
    return [
        {
            "habit": "laws for samplers, alpha 1e-6",
            "bugs asked": len(asked),
            "mean kill": statistics.mean(rates),
            "killed in 95 % of seeds": sum(r >= 0.95 for r in rates),
            "false alarms": rate,
            "worst": rate,
            "on biased schemes": rate,
            "calls": float(statistics.median(r["calls"] for r in asked)),
        }
    ]
