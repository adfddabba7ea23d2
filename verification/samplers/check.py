"""One call: a sampler, what it claims to be, and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .dictionary import Dictionary
from .kernel import Kernel
from .laws import invariance, one_step_law
from .targets import ExactTarget, gaussian, mixture
from .trial import Trial, log_evidence, pursue

LADDER = (0.02, 0.1, 0.3, 0.8, 2.0)


def default_targets() -> list[ExactTarget]:
    """Simple ones first."""
    return [
        gaussian(1.0, name="standard normal"),
        gaussian([[2.0, 0.6], [0.6, 1.0]], [0.5, -1.0], name="correlated normal"),
        mixture([[-1.5, 0.0], [1.5, 0.5]], 0.6, [0.3, 0.7], name="two modes"),
    ]


def trials_of(
    kernel: Kernel, kind: str, targets: Sequence[ExactTarget], ladder: Sequence[float] = LADDER
) -> list[Trial]:
    """Every law that speaks of this kind, at every target and step size."""
    found: list[Trial] = []
    for target in targets:
        dictionary = Dictionary(target)
        for factor in ladder:
            h = factor * target.length**2
            label = f"{target.name}, step size {h:.3g}"
            if kind == "adjusted":

                def sample(rng: np.random.Generator, n: int, t: ExactTarget = target, h: float = h,
                           d: Dictionary = dictionary) -> Any:  # fmt: skip
                    return invariance.payoffs(kernel, t, d, h, rng, n)[0]

                found.append(Trial(invariance.NAME, label, dictionary.names, sample, 1.0))
            elif factor < 1.9:

                def sample_one(rng: np.random.Generator, n: int, t: ExactTarget = target,
                               h: float = h) -> Any:  # fmt: skip
                    return one_step_law.payoffs(kernel, t, h, rng, n)

                found.append(
                    Trial(
                        one_step_law.NAME, label, one_step_law.names(target.dim), sample_one, 1.0, 2
                    )
                )
    for trial in found:
        trial.weight = 1.0 / len(found)
    return found


def check_sampler(
    step: Callable[..., Any],
    *,
    kind: str = "adjusted",
    alpha: float = 1e-6,
    budget: float = 30.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Verdict, where, and at what cost."""
    kernel = Kernel(step)
    trials = trials_of(kernel, kind, default_targets())
    rejected = pursue(
        trials,
        threshold=math.log(1 / alpha),
        seconds=budget,
        rng=np.random.default_rng(seed),
    )
    best = max(trials, key=lambda t: t.log_share)
    return {
        "verdict": "VIOLATED" if rejected else "UNDECIDED",
        "log_evidence": log_evidence(trials),
        "calls": kernel.calls,
        "where": best.label,
        "what": best.leading,
    }
