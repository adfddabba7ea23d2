r"""Reproducibility: a step is a function of its arguments, its seed among them.

Statement. The same position, step size and seed give the same next position: now and later, after
other calls, with one thread and with several; another seed gives another one. A step that takes its
noise as an argument treats every chain alone: a row of chains is stepped as each of them is.
An adjusted kernel may have no noise, if where a chain goes depends on where it is alone.
Level. No randomness: equality to the last bit (to 1e-9 relative between numbers of threads and
batch sizes, where sums are ordered differently). No false alarm, no error probability spent.
Power. Hidden state (a stale gradient, a momentum kept from call to call, a schedule that counts
calls) and noise from outside the seed are found at once.
Blind spots. State that is reset before it shows; asked only of steps that take rng, key, xi or u.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from ...decide import Verdict
from ..arguments import SOURCES_OF_NOISE
from ..outcome import Outcome
from ..subject import Place, Subject

NAME = "reproducibility"
STATEMENT = "a step is a function of its arguments, its seed among them"
CHAINS = 64
STAY = 3
SEEDS = (11, 12)


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if SOURCES_OF_NOISE.isdisjoint(subject.kernel.names):
        return "the step takes no rng, key, xi or u: its noise is its own"
    return ""


def _run(subject: Subject, place: Place, x: FloatArray, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    return subject.kernel.advance(x, place.target, place.step_size, rng)


def _same(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))


def _close(subject: Subject, a: FloatArray, b: FloatArray) -> bool:
    """Equal up to the order of sums, but for a chain whose acceptance hung on the last bit."""
    tolerance = max(1e-9, 1e3 * subject.kernel.rounding)
    same = np.isclose(a, b, rtol=tolerance, atol=tolerance * float(np.nanmax(np.abs(a)) + 1))
    different = ~np.all(same | (np.isnan(a) & np.isnan(b)), axis=1)
    return int(different.sum()) <= 1


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Numba and torch on this many threads, where they are loaded."""
    setters: list[tuple[Any, int]] = []
    torch, numba = sys.modules.get("torch"), sys.modules.get("numba")
    if torch is not None:
        setters.append((torch.set_num_threads, torch.get_num_threads()))
    if numba is not None:
        most = numba.config.NUMBA_NUM_THREADS
        setters.append((lambda n: numba.set_num_threads(min(n, most)), numba.get_num_threads()))
    for setter, _ in setters:
        setter(number)
    try:
        yield
    finally:
        for setter, before in setters:
            setter(before)


def examine(subject: Subject) -> Outcome:
    """Repeats steps in the places where a faulty repetition would show."""
    size = subject.kernel.walkers or 1
    count = -(-CHAINS // size) * size
    moved = settled = False
    for place in [subject.middle_place(t) for t in subject.targets[:3]]:
        x = place.target.draw(np.random.default_rng((subject.seed, 2)), count)
        first = _run(subject, place, x, SEEDS[0])
        other = _run(subject, place, x, SEEDS[1])
        for elsewhere in _elsewhere(subject, place):
            _stay(subject, elsewhere, count)
            if not _same(first, _run(subject, place, x, SEEDS[0])):
                return _violated(place, "the same position and seed gave another result later")
        moved |= not _same(first, x)
        if not _same(first, x) and _same(first, other):
            if not _of_the_place_alone(subject, place, x, first):
                return _violated(place, "another seed gave the same result")
            settled = True
        with _threads(1):
            single = _run(subject, place, x, SEEDS[0])
        if not _close(subject, first, single):
            return _violated(place, "one thread gave another result than several")
        if subject.kernel.takes_noise and subject.kernel.caller.layout == "whole" and size == 1:
            rows = _row_by_row(subject, place, x)
            if not _close(subject, rows[0], rows[1]):
                return _violated(place, "a chain alone is stepped otherwise than among others")
    if not moved:
        return Outcome(verdict=Verdict.UNDECIDED, detail="no chain moved, so nothing was compared")
    if settled:
        return Outcome(
            verdict=Verdict.HOLDS,
            detail="the step has no noise: where a chain goes depends on where it is alone",
        )
    return Outcome(
        verdict=Verdict.HOLDS, detail="repeated calls, other seeds and other thread counts agree"
    )


def _of_the_place_alone(subject: Subject, place: Place, x: FloatArray, first: FloatArray) -> bool:
    """Whether a step that ignores its seed is a map of each chain's place.

    A noise that is drawn from a seed of the step's own stays with the row when chains change
    places. A map of the place is left to the other laws: it may be right, as x -> -x is.
    """
    if subject.scheme is not None or subject.kernel.walkers is not None:
        return False
    turned = _run(subject, place, x[::-1].copy(), SEEDS[0])
    return _close(subject, first[::-1], turned)


def _elsewhere(subject: Subject, place: Place) -> list[Place]:
    """The place itself, and those of the smallest and the largest step size of its target.

    A step size that adapts may be at one end of its range, and only calls where it leaves that end
    change it.
    """
    here = sorted(
        (p for p in subject.places if p.target is place.target), key=lambda p: p.step_size
    )
    return [place, here[0], here[-1]]


def _stay(subject: Subject, place: Place, count: int) -> None:
    """Some calls: what a step keeps of another place would be used when it comes back."""
    x = place.target.draw(np.random.default_rng((subject.seed, 9)), count)
    for _ in range(STAY):
        _run(subject, place, x, SEEDS[1])


def _row_by_row(subject: Subject, place: Place, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same chains with the same noise, together and in batches of one."""
    kernel, d = subject.kernel, place.target.for_step.dim
    noise = kernel.caller.drawn(len(x), d, np.random.default_rng(SEEDS[0]))
    together = kernel.with_noise(x, place.target, place.step_size, noise)
    alone = []
    for i in range(len(x)):
        own = {name: value[i : i + 1] for name, value in noise.items()}
        alone.append(kernel.with_noise(x[i : i + 1], place.target, place.step_size, own))
    return together, np.concatenate(alone)


def _violated(place: Place, detail: str) -> Outcome:
    return Outcome(verdict=Verdict.VIOLATED, detail=detail, where=place.label)
