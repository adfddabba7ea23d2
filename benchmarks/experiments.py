"""Learning real densities: the latent-variable energy beside three baselines.

Five systems, four methods and five seeds on the same data, budget and size. Runs are kept in
``benchmarks/.runs/experiments`` and a killed sweep goes on where it was; the tables stand in
docs/experiments.md, and the arrays of the figures beside paper_figures.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from .table import Table, machine

TITLE = "Learning experiments: LV-EBM against PCD, VAE and PGD"
PROCESSES = 2
_ROOT = Path(__file__).parent.parent
_KEPT = Path(__file__).parent / ".runs" / "experiments"


def measure(brief: bool) -> Table:
    """One row per system and method; writes the page and the figures' arrays unless brief."""
    from verification.experiments.page import page
    from verification.experiments.pictures import STORED, write
    from verification.experiments.plan import brief_plan, full_plan
    from verification.experiments.sweep import sweep

    runs = brief_plan() if brief else full_plan()
    folder = Path(tempfile.mkdtemp()) if brief else _KEPT
    results = sweep(runs, folder, processes=PROCESSES, listener=_say)
    where = machine()
    if not brief:
        text = page(
            results,
            runs[0].sizes,
            f"{where['processor']}, {where['cores']} cores, one thread per run",
        )
        (_ROOT / "docs" / "experiments.md").write_text(text)
        first = [run for run in runs if run.seed == 0 and (folder / f"{run.name}.nc").exists()]
        write(folder, _ROOT / "paper_figures" / STORED, first)
    rows = rows_of(results)
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=("Means over seeds; intervals and their meaning in docs/experiments.md.",),
        details={"results": [_plain(result) for result in results]},
    )


def _say(run: Any, result: dict[str, Any]) -> None:
    print(f"  {run.name}: {result['failed'] or 'done'}", flush=True)


def rows_of(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, one row per system and method."""
    from verification.experiments.table import SCORES, cells

    tables = {score.title: cells(results, score) for score in SCORES}
    keys = dict.fromkeys((r["system"], r["method"]) for r in results)
    return [
        {
            "system": system,
            "method": method,
            **{
                title: None if (system, method) not in table else str(table[system, method])
                for title, table in tables.items()
            },
        }
        for system, method in keys
    ]


def _plain(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "plan"}
