"""The zoo of planted bugs: killed or not at total alpha 1e-6, ten seconds each, over 59 seeds.

The budget is given in chain steps (updates of a learner), so that the outcome of a seed is the same
on any machine however loaded; the seconds of processor time that it took are reported, and have to
be ten at most. Killed in 59 of 59 seeds says: with probability at least 0.95 each, at 95 per cent
confidence.

Runs are kept in ``benchmarks/.runs/sampler_kills``, seed by seed, and a killed sweep goes on where
it was. ``python -m benchmarks.sampler_kills --seeds 10`` stops after as many seeds, ``--stored``
writes the table of the runs that are there, and runs none.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .resumable import (
    KEPT,
    Run,
    command,
    laws_digest,
    localisation_digest,
    module_digest,
    sweep,
)
from .table import Table

TITLE = "Laws for samplers: planted bugs killed at total alpha 1e-6 in at most 10 s"
NAME = "sampler_kills"
ALPHA = 1e-6
CALLS = 1_000_000
UPDATES = 10_000
SECONDS = 10.0
SEEDS = 59
PROCESSES = 2
# so many seeds trace the kill to its component, which takes as long as the kill
LOCALISED_SEEDS = 10
# an inverted ratio shows nothing where everything is accepted: asked of more seeds
COLD = "mala-inverted-ratio"
COLD_SEEDS = 100
BRIEF = ("ula-noise-sqrt-h", "mala-inverted-ratio", "gibbs-simultaneous", "learner-wrong-sign")
Result = tuple[Run, dict[str, Any]]


def examined(name: str, seed: int, alpha: float, calls: int) -> dict[str, Any]:
    """One examination, as a plain JSON object, with the processor's seconds."""
    from verification.samplers.zoo import entries
    from verification.samplers.zoo.examine import examine

    entry = entries()[name]
    began = time.process_time()
    localised = seed < LOCALISED_SEEDS
    outcome = examine(entry, alpha, seed=seed, calls=calls, localised=localised)
    return {**outcome.as_json(), "seconds": round(time.process_time() - began, 3)}


def plan(seeds: int, cold: int, names: Sequence[str] | None = None) -> list[Run]:
    """Seed by seed, every mutant that changes what it claims."""
    from verification.samplers.zoo import entries

    laws, traced = laws_digest(), laws_digest() + localisation_digest()
    found = []
    for seed in range(max(seeds, cold)):
        for entry in entries().values():
            asked = seeds if entry.name != COLD else max(seeds, cold)
            chosen = entry.to_be_killed if names is None else entry.name in names
            if chosen and seed < asked:
                calls = UPDATES if entry.kind == "learner" else CALLS
                arguments = {"name": entry.name, "seed": seed, "alpha": ALPHA, "calls": calls}
                found.append(
                    Run(
                        name=f"{entry.name}--{seed}",
                        work=examined,
                        arguments=arguments,
                        digest=f"{traced if seed < LOCALISED_SEEDS else laws}-"
                        f"{module_digest(entry.make.__module__)}-{calls}",
                    )
                )
    return found


def measure(brief: bool) -> Table:
    """One row per mutant."""
    if brief:
        runs = plan(1, 1, BRIEF)
        return table(sweep(runs, Path(tempfile.mkdtemp()), processes=1, silent=True))
    return table(sweep(part(SEEDS), KEPT / NAME, processes=PROCESSES))


def table(found: Sequence[Result]) -> Table:
    """Rows, and the summary of both groups in the notes."""
    from verification.samplers.zoo import entries, written_later

    every, late = entries(), written_later()
    cold = [r for _, r in found if r["name"] == COLD]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for run, result in found:
        if run.arguments["seed"] < SEEDS:
            by_name.setdefault(result["name"], []).append(result)
    rows = [_row(every[name], name in late, rs) for name, rs in by_name.items()]
    notes = [
        _summary("before the laws were frozen", [r for r in rows if r["group"] == "before"]),
        _summary("after the laws were frozen", [r for r in rows if r["group"] == "after"]),
        f"{COLD} from a cold start, with generated step sizes: killed in "
        f"{sum(r['killed'] for r in cold)} of {len(cold)} seeds.",
        f"At most {CALLS} chain steps ({UPDATES} updates of a learner); the longest run took "
        f"{max((r['seconds'] for _, r in found), default=0.0):.1f} s of processor time, "
        f"{SECONDS:g} s were allowed.",
        "A kill counts only at total alpha 1e-6 for the whole call; calls are chain steps, seconds "
        "those of the processor, medians over the seeds. Equivalent mutants and correct kernels "
        "are measured by sampler_level.",
    ]
    return Table(
        columns=list(rows[0]) if rows else ["bug"],
        rows=rows,
        notes=[note for note in notes if note],
        details={
            "alpha": ALPHA,
            "calls": CALLS,
            "updates": UPDATES,
            "laws": laws_digest(),
            "bugs": {name: _detail(rs) for name, rs in by_name.items()},
        },
    )


def _row(entry: Any, late: bool, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    killed = [r for r in found if r["killed"]]
    laws = Counter(r["law"] for r in killed)
    traced = [r for r in killed if r["first"]]
    first = sum(r["first"] == entry.component for r in traced)
    second = sum(entry.component in (r["first"], r["second"]) for r in traced)
    return {
        "bug": entry.name,
        "group": "after" if late else "before",
        "component": entry.component,
        "killed": f"{len(killed)}/{len(found)}",
        "by": laws.most_common(1)[0][0] if laws else "",
        "first guess": f"{first}/{len(traced)}",
        "among two": f"{second}/{len(traced)}",
        "calls": statistics.median(r["calls"] for r in found),
        "seconds": statistics.median(r["seconds"] for r in found),
    }


def _detail(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts behind a row: laws and guesses of the kills, quantiles of the calls."""
    killed = [r for r in found if r["killed"]]
    calls = sorted(r["calls"] for r in found)
    return {
        "laws": dict(Counter(r["law"] for r in killed)),
        "first guesses": dict(Counter(r["first"] for r in killed)),
        "second guesses": dict(Counter(r["second"] for r in killed)),
        "verdicts": dict(Counter(r["verdict"] for r in found)),
        "most calls": calls[-1],
        "most seconds": max(r["seconds"] for r in found),
    }


def _summary(when: str, rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""

    def total(column: str) -> tuple[int, int]:
        pairs = [tuple(map(int, r[column].split("/"))) for r in rows]
        return sum(a for a, _ in pairs), sum(b for _, b in pairs)

    always = sum(len(set(r["killed"].split("/"))) == 1 for r in rows)
    seeds = sorted({int(r["killed"].split("/")[1]) for r in rows})
    (kills, runs), (first, known), (second, _) = map(total, ("killed", "first guess", "among two"))
    return (
        f"Written {when}: {always} of {len(rows)} bugs killed in every seed "
        f"({'-'.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds), {kills} of {runs} "
        f"runs; component right at first guess in {first / max(known, 1):.0%} of the {known} kills "
        f"that were traced, among two in {second / max(known, 1):.0%}; median calls "
        f"{statistics.median(r['calls'] for r in rows):.3g}."
    )


def part(seeds: int) -> list[Run]:
    """The first seeds; the cold starts come along in proportion."""
    return plan(seeds, COLD_SEEDS if seeds >= SEEDS else seeds)


if __name__ == "__main__":
    sys.exit(command(sys.modules[__name__], part))
