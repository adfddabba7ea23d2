"""What settings of the learning experiments reach on validation rows, which no table is made of.

Mean log-likelihood over 1,000 rows of seed 2,000,000, after training on the rows of a seed that the
sweep uses too; beside it that of the true law where it is known. From these figures settings are
chosen; the held-out rows of docs/experiments.md are looked at once, by ``experiments``. Runs are
kept in ``benchmarks/.runs/validation``; ``python -m benchmarks.validation --stored`` shows what is
there.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .resumable import KEPT, Run, command, module_digest, sweep
from .table import Table

TITLE = "Learning experiments: settings on validation rows"
NAME = "validation"
SEEDS = 1
PROCESSES = 1
ROWS, VALIDATION_SEED, ALPHA = 1000, 2_000_000, 0.05
# steps of two sizes and a weak confinement: what the stored tables were made with
BEFORE = {
    "latent_step": 0.02,
    "confinement": 0.1,
    "halvings": 4.0,
    "acceptance": None,
}
CODE = (
    "verification.experiments.latent_energy",
    "solvers.learning.baselines.contrastive",
    "solvers.learning.acceptance",
    "solvers.learning.stepped",
)


def candidates(system: str) -> dict[str, tuple[str, int, Mapping[str, Any]]]:
    """Method, updates and options by name."""
    from verification.experiments.plan import STEPS

    step = STEPS[system]
    rival = {"step_size": step, "rate": 3e-3}
    return {
        "LV-EBM, 6000 updates": ("latent_energy", 6000, {}),
        "EBM-PCD, 6000 updates": ("contrastive", 6000, rival),
        "LV-EBM, 1500 updates": ("latent_energy", 1500, {}),
        "EBM-PCD, 1500 updates": ("contrastive", 1500, rival),
        "LV-EBM before, 1500 updates": ("latent_energy", 1500, {**BEFORE, "pool_step": step}),
    }


def validated(system: str, candidate: str, seed: int) -> dict[str, Any]:
    """One fit and its log-likelihood on the validation rows."""
    from solvers.learning.systems import system_named
    from verification.experiments.methods import fitted
    from verification.experiments.plan import Sizes

    method, updates, options = candidates(system)[candidate]
    found = system_named(system)
    model = fitted(
        method,
        found.sample(Sizes().train, seed),
        options,
        seed=seed,
        updates=updates,
        seconds=None,
    )
    rows = found.sample(ROWS, VALIDATION_SEED)
    low, high = model.log_likelihood(rows, alpha=ALPHA, seed=seed).ends
    known = found.log_density
    return {
        "log-likelihood": (low + high) / 2,
        "half-width": (high - low) / 2,
        "of the true law": None if known is None else float(known(rows).mean()),
        "seconds of a core": model.record.processor_seconds,
    }


def plan(seeds: int) -> list[Run]:
    """The ring and the surface first: their true law is known."""
    systems = ("ring_mixture", "mueller_brown", "van_der_pol", "double_pendulum", "lorenz")
    digest = "-".join(module_digest(module)[:6] for module in CODE)
    return [
        Run(
            name=f"{system}-{name.replace(' ', '-').replace(',', '')}-{seed}",
            work=validated,
            arguments={"system": system, "candidate": name, "seed": seed},
            digest=digest,
        )
        for seed in range(seeds)
        for system in systems
        for name in candidates(system)
    ]


def table(found: Sequence[tuple[Run, dict[str, Any]]]) -> Table:
    """One row per run."""
    rows = [
        {
            "system": run.arguments["system"].replace("_", " "),
            "settings": run.arguments["candidate"],
            "seed": run.arguments["seed"],
            "log-likelihood": f"{result['log-likelihood']:.4f}",
            "of the true law": None
            if result["of the true law"] is None
            else f"{result['of the true law']:.4f}",
            "seconds of a core": result["seconds of a core"],
        }
        for run, result in found
    ]
    return Table(
        columns=list(rows[0]) if rows else [],
        rows=rows,
        notes=(f"Log-likelihoods in nats over {ROWS} rows of seed {VALIDATION_SEED}.",),
        details={"results": [result for _, result in found]},
    )


def measure(brief: bool) -> Table:
    """Every candidate on every system; brief: one."""
    if brief:
        with tempfile.TemporaryDirectory() as folder:
            return table(sweep(plan(1)[2:3], Path(folder), processes=1, silent=True))
    return table(sweep(plan(SEEDS), KEPT / NAME, processes=PROCESSES))


if __name__ == "__main__":
    sys.exit(command(sys.modules[__name__], plan))
