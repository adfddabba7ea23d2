r"""What HOLDS leaves possible in the stationary law: an estimate, and no bound.

Laws bound the drift per step b = |E f(X') - E f(X)| from pi. A kernel whose drift is b for a
function f that forgets at the rate rho has a stationary law in which E f is off by b/(1 - rho), in
general by the drift summed over the steps it lasts. So for each function

    estimate = b sum_k rho_k,     rho_k = corr(f(X_0), f(X_k)), X_0 ~ pi,

with rho_k from chains that start at exact draws and run until every correlation is below a tenth.
Where they do not get there within what is left of the budget, nothing is said: it hardly moves.

A model's parameters are drawn with their data, which stay: f(X_0) and f(X_k) remain correlated
through y for ever. There rho_k is given y, from increments alone, in which y cancels:

    gamma_k = E (f(X_k) - f(X_0))^2 / 2,     rho_k = 1 - gamma_k / gamma_oo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .dictionary import dictionary_of
from .kernel import StepError
from .laws import invariance
from .meter import OutOfTime
from .posterior import PosteriorEnergy
from .subject import Place, Subject, child
from .trial import Trial

CHAINS = 256
FORGOTTEN = 0.1
_NOISE = 3.0
_SHORTEST = 8  # steps


def stationary_error(examination: Any) -> str:
    """The estimate in words, over the places of the law of invariance; empty where none is looked.

    Parameters
    ----------
    examination : Examination
        That has looked.
    """
    subject: Subject = examination.subject
    trials = [
        t
        for t in examination.trials.get(invariance.NAME, ())
        if t.about["steps"] == 1 and t.wealth.count
    ]
    if not trials:
        return ""
    places = {p.label: p for p in subject.places}
    level = examination.threshold(invariance.NAME) + math.log(len(trials))
    worst, at, unknown = 0.0, "", 0
    for i, trial in enumerate(trials):
        place = places[trial.label]
        sums = _sums(subject, place, len(trials) - i)
        if sums is None:
            unknown += 1
            continue
        found = _bounds(trial, level)[: len(sums)] * sums
        j = int(np.argmax(found))
        if found[j] > worst:
            worst, at = float(found[j]), f"{trial.names[j]}, {place.label}"
    if unknown == len(trials):
        return (
            "ESTIMATE of the error of the stationary law: unknown: it hardly moves, or too little "
            "of the budget was left to see it move"
        )
    said = (
        f"ESTIMATE of the error that this leaves possible in the stationary law: up to {worst:.2g} "
        f"standard deviations ({at}), drift per step times integrated autocorrelation time"
    )
    if unknown:
        said += f"; unknown at {unknown} of {len(trials)} places: it hardly moves there, or too "
        said += "little of the budget was left"
    return said


def _bounds(trial: Trial, level: float) -> FloatArray:
    """Bounds (m,) of the drift per step, in units."""
    low, high = trial.means.interval(level + math.log(len(trial.names)))
    return np.asarray(np.maximum(-low, high) / trial.units)


def _sums(subject: Subject, place: Place, places_left: int) -> FloatArray | None:
    """sum_k rho_k (m,) of the functions of one chain; None where they are not forgotten."""
    dictionary = dictionary_of(place.target, subject.seed)
    rng = np.random.default_rng((subject.seed, 23))
    x = subject.draw(place, rng, min(CHAINS, max(16, subject.first)))
    forgotten = _given_data if isinstance(place.target.for_step, PosteriorEnergy) else _of_chains
    seconds, steps = subject.meter.left
    generator = child(rng)

    def later() -> Iterator[FloatArray]:
        here = x
        while True:
            here = subject.advance(place, here, generator)
            yield dictionary(here)

    try:
        with subject.meter.within(seconds / places_left, steps / places_left):
            return forgotten(dictionary(x), later())
    except (OutOfTime, StepError):
        return None


def _of_chains(start: FloatArray, later: Iterator[FloatArray]) -> FloatArray:
    """Of chains whose first states are draws of the whole law."""
    start = start - start.mean(axis=0)
    variance = np.maximum((start**2).mean(axis=0), 1e-12)
    floor = max(FORGOTTEN, _NOISE / math.sqrt(len(start)))
    total = np.ones(len(variance))
    for values in later:
        rho = (start * (values - values.mean(axis=0))).mean(axis=0) / variance
        total += np.abs(rho)
        if np.all(rho < floor):
            break
    return np.asarray(total)


def _given_data(start: FloatArray, later: Iterator[FloatArray]) -> FloatArray:
    """Of chains that keep their data: until the increments grow no more.

    Functions that no chain ever changes, those of the data, have nothing to forget; a kernel that
    changes none at all never ends here.
    """
    floor = max(FORGOTTEN, _NOISE / math.sqrt(len(start)))
    half: list[FloatArray] = []
    for values in later:
        half.append(((values - start) ** 2).mean(axis=0) / 2)
        k = len(half)
        if k < _SHORTEST or k & (k - 1):
            continue
        gamma = np.stack(half)
        early, last = gamma[k // 2 : 3 * k // 4].mean(axis=0), gamma[3 * k // 4 :].mean(axis=0)
        settled = gamma[k // 2 :].mean(axis=0)
        moves = settled > 0
        if moves.any() and np.all(np.abs(last - early)[moves] < floor * settled[moves]):
            rho = 1 - gamma[: k // 2] / np.where(moves, settled, 1.0)
            return np.where(moves, 1 + np.abs(rho).sum(axis=0), 1.0)
    raise AssertionError("chains end by their meter")
