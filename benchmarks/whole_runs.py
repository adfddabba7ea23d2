"""Whole runs of every claim that particles witness, each with a seed of its own.

Intervals hold at a stated confidence, so over many seeds no true statement may come out VIOLATED,
and every negative control must be caught in every run. Runs are kept in ``benchmarks/.runs`` and
resumed, so that an interruption loses nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from verification.keeping import read_sealed

from .table import Table
from .targets import Target

TITLE = "Whole runs of the particle claims: false verdicts and missed controls"
TARGETS = (Target(measured="VIOLATED", goal=0, at_most=True),)
RUNS = 20
_KEPT = Path(__file__).parent / ".runs"


def particle_claims() -> list[str]:
    """Names of the claims with a case that particles witness."""
    from verification.discovery import claims

    return [
        claim.name
        for claim in claims().values()
        if any(
            case.witness == "numba"
            for setting in claim.settings()
            for case in claim.cases(setting, "numba")
        )
    ]


def run(names: list[str], seed: int, budget: str) -> dict[str, Any]:
    """The findings file of one run."""
    folder = _KEPT / f"{budget}-{seed}"
    done = folder / "findings.json"
    if not done.exists():
        command = [sys.executable, "-m", "verification", "verify", "--claims", ",".join(names)]
        command += ["--seed", str(seed), "--budget", budget, "--out", str(folder)]
        command += ["--resume"] if folder.exists() else []
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return read_sealed(done)


def measure(brief: bool) -> Table:
    """One row per run: verdicts on true statements, and controls caught of those asked."""
    names = particle_claims()
    rows: list[dict[str, Any]] = []
    for seed in range(1 if brief else RUNS):
        began = time.perf_counter()
        findings = run(names, seed, "quick" if brief else "standard")["findings"]
        true = Counter(f["verdict"] for f in findings if f["control"] is None)
        false = [f["verdict"] for f in findings if f["control"] is not None]
        rows.append(
            {
                "seed": seed,
                **{v: true[v] for v in ("HOLDS", "VIOLATED", "UNDECIDED", "SOLVER_FAILED")},
                "controls": len(false),
                "caught": false.count("VIOLATED"),
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
        print(f"  seed {seed}: {rows[-1]}", flush=True)
    total = sum(row["VIOLATED"] for row in rows)
    missed = sum(row["controls"] - row["caught"] for row in rows)
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=(
            f"Claims: {', '.join(names)}.",
            f"{total} false VIOLATED in {len(rows)} runs; {missed} controls missed.",
        ),
        details={"claims": names},
    )
