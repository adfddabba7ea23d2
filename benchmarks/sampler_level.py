"""False alarms of the laws for samplers: on correct kernels, and under looks after every batch.

The bound alpha is proved (docs/samplers.md); here it is measured. Runs are kept in
``benchmarks/.runs/sampler_level``.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .resumable import KEPT, Run, command, laws_digest, module_digest, sweep
from .table import Table

TITLE = "Laws for samplers: false alarms on correct and equivalent kernels"
NAME = "sampler_level"
PROCESSES = 2
LOUD = 0.05
STRICT = 1e-6
SEEDS = 40
CALLS = 60_000
LEARNER_CALLS = 2_000
STRICT_SEEDS = 2
STRICT_CALLS = 1_000_000
STRICT_UPDATES = 10_000
NULL_RUNS = 5000
CHUNK = 1000
LOOKS = 12
BATCH = 100
CONFIDENCE = 0.99


def examined(name: str, seed: int, alpha: float, calls: int) -> dict[str, Any]:
    """One examination of a kernel that is as it should be."""
    from verification.samplers.zoo import entries
    from verification.samplers.zoo.examine import examine

    return examine(entries()[name], alpha, seed=seed, calls=calls).as_json()


def plan(seeds: int, strict_seeds: int) -> list[Run]:
    """Every correct and every equivalent kernel, at either alpha."""
    from verification.samplers.zoo import entries

    laws, found = laws_digest(), []
    for alpha, many in ((LOUD, seeds), (STRICT, strict_seeds)):
        for seed in range(many):
            for entry in entries().values():
                if entry.to_be_killed:
                    continue
                learner, strict = entry.kind == "learner", alpha == STRICT
                calls = LEARNER_CALLS if learner else CALLS
                if strict:
                    calls = STRICT_UPDATES if learner else STRICT_CALLS
                found.append(
                    Run(
                        name=f"{entry.name}--{alpha:g}--{seed}",
                        work=examined,
                        arguments={
                            "name": entry.name,
                            # other draws than those of the strict runs
                            "seed": 10_000 + seed if strict else seed,
                            "alpha": alpha,
                            "calls": calls,
                        },
                        digest=f"{laws}-{module_digest(entry.make.__module__)}-{calls}",
                    )
                )
    return found


def part(seeds: int) -> list[Run]:
    """The bets alone, and the whole calls over the first seeds."""
    return [*null_plan(NULL_RUNS), *plan(seeds, min(seeds, STRICT_SEEDS))]


def null_plan(runs: int) -> list[Run]:
    """Runs of the bets alone under the null, in chunks."""
    chunk = min(runs, CHUNK)
    return [
        Run(
            name=f"bets--{name.replace(' ', '-')}--{start}",
            work=ever_rejected,
            arguments={"payoffs": name, "start": start, "runs": chunk},
            digest=laws_digest(),
        )
        for name in PAYOFFS
        for start in range(0, runs, chunk)
    ]


def measure(brief: bool) -> Table:
    """One row per kind of run."""
    if not brief:
        return table(sweep(part(SEEDS), KEPT / NAME, processes=PROCESSES))
    runs = [r for r in plan(1, 0) if r.arguments["name"] in ("mala", "ula", "gibbs")]
    found = sweep([*null_plan(100), *runs], Path(tempfile.mkdtemp()), processes=1, silent=True)
    return table(found)


def table(found: Sequence[tuple[Run, dict[str, Any]]]) -> Table:
    """Rows with rates and their upper limits."""
    rows, alarms = [], []
    for alpha in (LOUD, STRICT):
        results = [r for run, r in found if run.arguments.get("alpha") == alpha]
        alarms += [r for r in results if r["killed"]]
        if results:
            what = f"{len({r['name'] for r in results})} kernels of the zoo, the whole call"
            rows.append(_row(what, alpha, len(results), sum(r["killed"] for r in results)))
    for name in PAYOFFS:
        chunks = [(run, r) for run, r in found if run.arguments.get("payoffs") == name]
        if chunks:
            runs = sum(run.arguments["runs"] for run, _ in chunks)
            ever = sum(r["rejected"] for _, r in chunks)
            rows.append(_row(f"bets, {LOOKS} looks: {name}", LOUD, runs, ever))
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=(
            f"Upper limits at confidence {CONFIDENCE:g} (Clopper and Pearson).",
            f"At alpha {LOUD:g} each call makes {CALLS} chain steps ({LEARNER_CALLS} updates of a "
            f"learner) or a few more, at {STRICT:g} {STRICT_CALLS} ({STRICT_UPDATES}).",
            "Alarms: " + (", ".join(f"{r['name']} by {r['law']}" for r in alarms) or "none") + ".",
        ),
        details={"laws": laws_digest(), "alarms": alarms},
    )


def _row(what: str, alpha: float, runs: int, alarms: int) -> dict[str, Any]:
    from scipy.stats import beta

    upper = 1.0 if alarms == runs else float(beta.ppf(CONFIDENCE, alarms + 1, runs - alarms))
    return {
        "what": what,
        "alpha": alpha,
        "runs": runs,
        "alarms": alarms,
        "rate": alarms / runs,
        "upper limit": upper,
    }


def ever_rejected(payoffs: str, start: int, runs: int) -> dict[str, Any]:
    """In how many of the runs the wealth ever reaches 1/alpha, with a look after every batch."""
    from verification.samplers.betting import Wealth

    rejected, together = 0, 100
    for first in range(start, start + runs, together):
        rng = np.random.default_rng((29, first))
        # one call of the kernel serves many runs
        found: FloatArray = PAYOFFS[payoffs](rng, together * LOOKS * BATCH)
        for looks in found.reshape(together, LOOKS, BATCH, -1):
            wealth = Wealth(np.ones(found.shape[1]))
            rejected += any(wealth.observe(batch) >= -math.log(LOUD) for batch in looks)
    return {"rejected": rejected}


def _on_a_target(step: Any, target: Any, h: float) -> Any:
    from verification.samplers.dictionary import dictionary_of

    def payoffs(rng: np.random.Generator, count: int) -> FloatArray:
        dictionary = dictionary_of(target)
        x = target.draw(rng, count)
        after = step(x, target.for_step, h, rng)
        return np.asarray(dictionary(after) - dictionary(x))

    return payoffs


def _walk(rng: np.random.Generator, count: int) -> FloatArray:
    from verification.samplers.targets.heavy_tailed import student
    from verification.samplers.zoo import entries

    target = student(2, 5.0)
    found: FloatArray = _on_a_target(entries()["random-walk"].make(), target, 0.5)(rng, count)
    return found


def _mala(rng: np.random.Generator, count: int) -> FloatArray:
    from verification.samplers.targets.gaussians import gaussian
    from verification.samplers.zoo import entries

    found: FloatArray = _on_a_target(entries()["mala"].make(), gaussian(1.0), 0.8)(rng, count)
    return found


def _rare(rng: np.random.Generator, count: int) -> FloatArray:
    # mean zero, seldom large, often slightly below: no normal approximation would hold
    return np.where(rng.random((count, 3)) < 0.02, 0.98, -0.02)


PAYOFFS: dict[str, Any] = {
    "random walk on a heavy-tailed target": _walk,
    "MALA on the standard normal": _mala,
    "rare large payoffs": _rare,
}


if __name__ == "__main__":
    sys.exit(command(sys.modules[__name__], part))
