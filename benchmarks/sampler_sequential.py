"""Calls to rejection: bets with a look after every batch against a test of fixed size.

The fixed-size test knows the effect in advance and is planned for it: two-sided normal tests of
every function of the dictionary at alpha/m each, n = ((z_{1 - alpha/2m} + z_{0.95})/s)^2 samples,
s = |mean|/sd of the best function (from a large sample). It needs the normal approximation, which
the bets do not. The best possible ratio at alpha 1e-6 and power 0.95 is about 0.63.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

from .table import Table

TITLE = "Laws for samplers: calls to rejection against a test of fixed size"
ALPHA = 1e-6
POWER = 0.95
RUNS = 41
LARGE = 400_000
MOST_LOOKS = 60
# name, target, step size: effects that ask for some 10^3 to 10^5 samples
MUTANTS = (
    ("mala-ratio-to-the-power-0.9", "standard normal", 1.5),
    ("mala-noise-five-per-cent", "correlated normal", 0.35),
    ("mala-always-accepts", "standard normal", 0.3),
    ("mala-no-proposal-correction", "standard normal", 0.1),
    ("mala-backward-with-forward-gradient", "correlated normal", 0.1),
    ("random-walk-too-ready", "standard normal", 0.5),
    ("random-walk-state-dependent-scale", "standard normal", 0.02),
    ("hmc-momentum-too-large", "correlated normal", 0.3),
    ("hmc-uniform-momentum", "standard normal", 0.7),
    ("generalised-hmc-no-flip", "standard normal", 1.0),
    ("tempered-weak-ratio", "standard normal", 0.5),
    ("tempered-other-schedule-down", "standard normal", 0.05),
)


def measure(brief: bool) -> Table:
    """One row per mutant: invariance after one step, at one place."""
    from scipy.stats import norm

    rows = []
    for name, target, h in MUTANTS[:1] if brief else MUTANTS:
        trial = _trial(name, target, h)
        payoffs = trial.sample(np.random.default_rng(3), LARGE // 20 if brief else LARGE)
        deviation = np.maximum(payoffs.std(axis=0), 1e-12)
        effect = float(np.max(np.abs(payoffs.mean(axis=0)) / deviation))
        level = ALPHA / (2 * payoffs.shape[1])
        fixed = ((norm.isf(level) + norm.ppf(POWER)) / effect) ** 2
        counts = [_to_rejection(name, target, h, seed) for seed in range(3 if brief else RUNS)]
        median = statistics.median(counts)
        rows.append(
            {
                "bug": name,
                "target": target,
                "step size": h,
                "effect": effect,
                "fixed size": float(math.ceil(fixed)),
                "median to rejection": float(median),
                "ratio": float(median / fixed),
            }
        )
    ratios = [row["ratio"] for row in rows]
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=(
            f"Median ratio {statistics.median(ratios):.2f}, {sum(r <= 0.8 for r in ratios)} of "
            f"{len(ratios)} at most 0.8; {RUNS} runs each, alpha {ALPHA:g} for one law at one "
            "place. Counts are those after the batch in which evidence reaches 1/alpha.",
        ),
    )


def _trial(name: str, target: str, h: float) -> Any:
    """A fresh trial of the invariance law, with looks that grow by a quarter."""
    from verification.samplers.kernel import Kernel
    from verification.samplers.laws import invariance
    from verification.samplers.subject import Place, Subject
    from verification.samplers.targets.defaults import default_targets
    from verification.samplers.zoo import entries

    chosen = next(t for t in default_targets() if t.name == target)
    place = Place(target=chosen, step_size=h)
    kernel = Kernel(entries()[name].make(), True, "numpy")
    subject = Subject(kernel=kernel, kind="adjusted", places=[place], first=256)
    kernel.examine(chosen, h)
    return invariance.trial(subject, place, 1)


def _to_rejection(name: str, target: str, h: float, seed: int) -> float:
    trial = _trial(name, target, h)
    for _ in range(MOST_LOOKS):
        trial.look(seed)
        if trial.wealth.log_evidence >= -math.log(ALPHA):
            return float(trial.wealth.count)
    return math.inf
