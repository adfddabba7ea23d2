"""What a sampler carries from call to call, by changing one thing in the call before.

A call B with fixed arguments follows calls A. Repeated as it was, changed in its start alone, or in
its seed alone: what B then does differently shows whether calls are counted, a gradient is kept, or
a move or a noise goes on. A memory of one number for all chains (a step size, a scale) changes all
moves alike, whatever it depends on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import FloatArray

from .shapes import tame
from .subject import Place, Subject

CHAINS = 512
CALM = 1e-9
SEEN = 0.02
FACTORS = (1.0, 8.0, 0.125, 64.0)
Guess = tuple[str, str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How a call depends on the one before.

    Parameters
    ----------
    counted, placed, noisy : float
        Root mean square of the change of a move when the calls before are repeated, start
        elsewhere, or have another seed; in units of the move.
    common : float
        What is left of those changes if all chains change their step size alike, in units of the
        change; not-a-number where nothing changes.
    slope, start_slope : float
        Of the change on the change of the last displacement, by another seed and by another start.
    exact : float
        What that leaves, relative to the change.
    of_gradient : float
        Correlation of the change with that of the gradient, where the start was elsewhere.
    """

    counted: float
    placed: float
    noisy: float
    common: float
    slope: float
    start_slope: float
    exact: float
    of_gradient: float


def of_memory(subject: Subject, place: Place, before: int) -> Memory:
    """Calls A ``before`` times and B after them, with A changed in one thing."""
    d = place.target.for_step.dim
    rng = np.random.default_rng((subject.seed, 91))
    xa, xo, xb = (subject.draw(place, rng, CHAINS) for _ in range(3))
    found, last, ends = [], [], []
    for start, seed in ((xa, 7), (xa, 7), (xo, 7), (xa, 7), (xa, 8), (xa, 7)):
        end = start
        for k in range(before):
            end = subject.advance(place, start, np.random.default_rng((seed, k)))
        last.append(tame(end - start)[:, :d])
        ends.append(end[:, :d])
        after = subject.advance(place, xb, np.random.default_rng(9))
        found.append(tame(after - xb)[:, :d])
    base = found[1]
    unit = float(np.sqrt(np.mean(base**2))) + 1e-300
    pairs = ((found[3], base), (found[2], base), (found[4], found[3]))
    changes = [now - then for now, then in pairs]
    # refused chains have no move to compare
    stayed = [np.all(now == 0, axis=1) | np.all(then == 0, axis=1) for now, then in pairs]
    counted, placed, noisy = (
        _size(change[~stay]) / unit for change, stay in zip(changes, stayed, strict=True)
    )
    slope = place.target.for_step.gradient
    common = max(
        (_common(now[~s], then[~s], slope(xb[:, :d])[~s]))
        for (now, then), s in zip(pairs, stayed, strict=True)
    )
    shift = (last[4] - last[3])[~stayed[2]].ravel()
    change = changes[2][~stayed[2]].ravel()
    lean = float(shift @ change) / (float(shift @ shift) + 1e-300)
    rest = _size(change - lean * shift) / (_size(change) + 1e-300)
    start = (slope(xo[:, :d]) - slope(xa[:, :d]))[~stayed[1]].ravel()
    end = (slope(ends[2]) - slope(ends[1]))[~stayed[1]].ravel()
    moved = changes[1][~stayed[1]].ravel()
    went = (last[2] - last[1])[~stayed[1]].ravel()
    return Memory(
        counted=counted,
        placed=placed,
        noisy=noisy,
        common=common,
        slope=lean,
        start_slope=float(went @ moved) / (float(went @ went) + 1e-300),
        exact=rest,
        of_gradient=max(_correlation(moved, start), _correlation(moved, end), key=abs),
    )


def guess(subject: Subject, place: Place) -> Guess | None:
    """First and second guess; None where the call before shows nothing."""
    factors = FACTORS if "step_size" in subject.kernel.names else (1.0,)
    # a memory with bounds shows in some step sizes only, one of every second call in some counts
    for factor in factors:
        here = replace(place, step_size=factor * place.step_size)
        found = [of_memory(subject, here, before) for before in (3, 2)]
        m = max(found, key=lambda f: f.noisy + f.placed + f.counted)
        if max(m.counted, m.placed, m.noisy) > CALM:
            break
    said = [
        f"a move changes by {m.counted:.2g} if repeated, {m.placed:.2g} with the start and "
        f"{m.noisy:.2g} with the seed of the call before"
    ]
    if max(m.counted, m.placed, m.noisy) < CALM:
        return None
    if m.common < SEEN:
        return "schedule", "noise scale", [*said, "all chains change their step size alike"]
    if m.noisy > SEEN and m.slope > SEEN and m.exact < 0.5:
        # a move that goes on takes its drift along, a noise that comes again does not
        if abs(m.slope - 1) < 0.1 or m.start_slope < 0.5 * m.slope:
            return "shared randomness", "momentum refresh", [*said, "the noise comes again"]
        return "momentum refresh", "shared randomness", [*said, f"{m.slope:.2f} of a move goes on"]
    if abs(m.of_gradient) > 0.5 and m.placed > max(m.counted, CALM):
        return "stale gradient", "schedule", [*said, "it follows the gradient of another place"]
    if m.counted > 0.5 * max(m.placed, m.noisy):
        return "schedule", "shared randomness", [*said, "as much whatever came before"]
    return None


def counts(subject: Subject, place: Place) -> bool:
    """Whether chains stay or move otherwise when all calls before are repeated as they were."""
    rng = np.random.default_rng((subject.seed, 92))
    xa, xb = (subject.draw(place, rng, CHAINS) for _ in range(2))
    found = []
    for _ in range(12):
        subject.advance(place, xa, np.random.default_rng(7))
        after = subject.advance(place, xb, np.random.default_rng(9))
        found.append(np.any(after != xb, axis=1))
    return bool(np.any(found[-1] != found[-2]) or np.any(found[-1] != found[1]))


def _size(a: FloatArray) -> float:
    return float(np.sqrt(np.mean(a**2))) if a.size else 0.0


def _correlation(a: FloatArray, b: FloatArray) -> float:
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _common(now: FloatArray, then: FloatArray, slope: FloatArray) -> float:
    """What ``a then + b grad U`` leaves of ``now - then``, relative to it; 0 if no change."""
    change = (now - then).ravel()
    if not change.size or _size(change) < CALM * (_size(then) + 1e-300):
        return 0.0
    columns = np.stack([then.ravel(), slope.ravel()], axis=1)
    found, *_ = np.linalg.lstsq(columns, change, rcond=1e-12)
    return _size(change - columns @ found) / _size(change)
