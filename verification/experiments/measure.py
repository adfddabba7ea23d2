"""What is measured of one fitted model against held-out data."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import LvebmError
from solvers.learning.likelihood.bracket import Bracket
from solvers.learning.systems import System, system_named

from ..estimate.mode_coverage import mode_coverage
from ..estimate.reconstruction import energy_score, error_of_mean
from ..estimate.sample_quality import energy_distance, sliced_distance_at, sliced_squares_at
from ..measurement import Measurement
from .held_out import HeldOut, held_out, training_data
from .methods import Fitted, fitted, reconstructed
from .plan import OBSERVED, Run

ALPHA = 0.05  # error probability of every interval of a run


def perform(run: Run, folder: Path) -> tuple[dict[str, Any], Fitted | None]:
    """Fits and measures; a method that fails is a result too.

    Returns
    -------
    dict
        Plain JSON.
    Fitted or None
        The model, for pictures.
    """
    system = system_named(run.system)
    data = training_data(system, run.sizes, run.seed, folder)
    fresh = held_out(system, run.sizes, folder)
    head = {"plan": run.digest, "system": run.system, "method": run.method, "seed": run.seed}
    try:
        model = fitted(
            run.method,
            data,
            run.options,
            seed=run.seed,
            updates=run.updates,
            seconds=run.sizes.seconds,
        )
        body = measured(run, model, system, data, fresh)
    except LvebmError as error:
        return {**head, "failed": f"{type(error).__name__}: {error}"}, None
    return {**head, "failed": None, **body}, model


def measured(
    run: Run, model: Fitted, system: System, data: FloatArray, fresh: HeldOut
) -> dict[str, Any]:
    """All measurements of a fitted model."""
    sizes, begun = run.sizes, time.perf_counter()
    count = sizes.sample * sizes.blocks
    drawn = model.sample(count, run.seed + 17)
    usable = bool(np.all(np.isfinite(drawn)))
    some = fresh.truth[: sizes.likelihood]
    found: dict[str, Any] = {
        "fit": {
            "updates": model.record.updates,
            "asked": run.updates,
            "seconds": model.record.seconds,
            "processor_seconds": model.record.processor_seconds,
            "parameters": model.record.parameters,
        },
        "likelihood": likelihood(model, some, run.seed),
        "true_likelihood": _true_likelihood(system, some),
        "sliced_of_truth": _sliced(fresh.truth[:count], fresh.fresh[:count], sizes.sample),
        "sliced": None,
        "energy_distance": None,
        "modes": None,
        "reconstruction": reconstruction(run, model, data, fresh.truth[: sizes.masked]),
    }
    if usable:
        truth = fresh.fresh[:count]
        found["sliced"] = _sliced(drawn, truth, sizes.sample)
        blocks = max(2, min(40, count // 200))
        found["energy_distance"] = _row(energy_distance(drawn, truth, ALPHA, blocks=blocks))
        found["modes"] = _modes(system, drawn)
    return {**found, "evaluation_seconds": time.perf_counter() - begun}


def likelihood(model: Fitted, x: FloatArray, seed: int) -> dict[str, Any]:
    """The bracket of the mean log-likelihood, by its proper name."""
    try:
        bracket = model.log_likelihood(x, alpha=ALPHA, seed=seed)
    except LvebmError as error:
        bracket = Bracket(route=f"failed: {error}")
    low, high = bracket.ends
    return {
        "kind": bracket.kind,
        "route": bracket.route,
        "lower": low if math.isfinite(low) else None,
        "upper": high if math.isfinite(high) else None,
        "data": len(x),
    }


def _true_likelihood(system: System, x: FloatArray) -> float | None:
    """Mean of the true log-density, where it is known: what no model can beat in expectation."""
    known = system.log_density
    return None if known is None else float(np.mean(known(x)))


def reconstruction(run: Run, model: Fitted, data: FloatArray, x: FloatArray) -> dict[str, Any]:
    """Scores of filling in the missing coordinates, beside that of draws that ignore the rest."""
    observed = OBSERVED[run.system]
    missing = [i for i, seen in enumerate(observed) if not seen]
    draws, info = reconstructed(
        run.method, model, x, observed, draws=run.sizes.draws, seed=run.seed + 29
    )
    rng = np.random.Generator(np.random.Philox(run.seed))
    blind = data[rng.integers(len(data), size=(len(x), run.sizes.draws))]
    truth = x[:, missing]
    return {
        "observed": list(observed),
        "score": _row(energy_score(draws[..., missing], truth, ALPHA)),
        "error": _row(error_of_mean(draws[..., missing], truth, ALPHA)),
        "blind_score": _row(energy_score(blind[..., missing], truth, ALPHA)),
        "info": info,
    }


def _modes(system: System, drawn: FloatArray) -> dict[str, Any] | None:
    """Coverage of the modes of the one system that is a known mixture."""
    if system.name != "ring_mixture":
        return None
    from solvers.learning.systems.ring_mixture import MODES, SPREAD, means

    centres = system.standardised(means())
    spread = SPREAD / system.scale[0]
    found = mode_coverage(
        drawn,
        weights=np.full(MODES, 1 / MODES),
        means=centres,
        sds=np.full(MODES, spread),
        alpha=ALPHA,
    )
    return {
        "modes": MODES,
        "hit": found.hit,
        "missed": found.missed,
        "outside": found.outside,
    }


def _sliced(x: FloatArray, y: FloatArray, size: int) -> dict[str, float]:
    """Root mean square over pairs of samples, with its interval, which is not symmetric."""
    interval = sliced_distance_at(x, y, size, ALPHA)
    value = float(np.sqrt(sliced_squares_at(x, y, size).mean()))
    return {"value": value, "lower": interval.lower, "upper": interval.upper}


def _row(m: Measurement) -> dict[str, float]:
    return {"value": m.value, "lower": m.lower, "upper": m.upper}
