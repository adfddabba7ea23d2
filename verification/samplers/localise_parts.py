"""Guesses from an acceptance that was taken apart (``localise_acceptance``).

First what any right step must have: a draw of its own for every chain, and a way back from every
proposal. Then what the acceptance takes the proposal to be is read from its log ratio and compared
with what the proposal is: the one of the two that keeps the relation of Einstein (drift and noise
of one step size) is the one that was meant, and the other is named.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from .localise_acceptance import FEWEST, SMALL, Acceptance
from .targets.exact_target import ExactTarget

SAME = 1e-4
BACK = 0.98
NEAR = 0.01
Guess = tuple[str, str, list[str]]


def guess(
    a: Acceptance, target: ExactTarget, x: FloatArray, h: float, trajectory: bool
) -> Guess | None:
    """First and second guess; None where interventions do not decide."""
    crowd = _of_randomness(a, trajectory)
    if crowd is not None:
        return crowd
    known = np.isfinite(a.right)
    if a.decisions and a.unmoved > 1 - BACK:
        said = [f"{a.unmoved:.2g} of the proposals are accepted by no draw"]
        return "Metropolis ratio", "proposal correction", said
    if not a.decisions and a.unmoved > 1 - BACK and a.gradients:
        return "Metropolis ratio", "proposal correction", ["moves are refused by no draw"]
    if np.isfinite(a.returns) and a.returns < BACK:
        said = [f"from {1 - a.returns:.2g} of the proposals there is no way back"]
        return "proposal correction", "drift" if trajectory else "Metropolis ratio", said
    if not known.any():
        return _without_noise(a)
    wrong = known & ~a.read & (a.ratio == 0) & (a.right < -SAME)
    if a.read.sum() < FEWEST:
        if wrong.any():
            return "Metropolis ratio", "proposal correction", ["what should be refused is accepted"]
        return None
    kept = a.read & known
    ratio = _of_barker(a, kept)
    miss = float(np.sqrt(np.mean((ratio - a.right)[kept] ** 2)))
    if miss < SAME:
        return None
    said = [f"log ratio off by {miss:.2g} from what the proposals call for"]
    return _compared(a, target, x, h, trajectory, ratio, kept, said)


def _without_noise(a: Acceptance) -> Guess | None:
    """No one normal makes the proposal, so that only the potential's part of the ratio is known."""
    if a.strays:
        said = ["where a move is refused the chain does not stay"]
        return "Metropolis ratio", "proposal correction", said
    if np.isfinite(a.weight) and a.scatter < SAME:
        said = [f"a change of the potential enters {a.weight:.3f} times"]
        # with several moves before one decision the right factor is not known
        if abs(a.weight - 1) > SAME or len(a.moving) > 1:
            return "Metropolis ratio", "schedule", said
        if not a.gradients:
            return "proposal correction", "Metropolis ratio", [*said, "no gradient is asked"]
    if a.gradients:
        return None
    if a.decisions:
        said = ["several draws decide, and no gradient is asked"]
        return "Metropolis ratio", "proposal correction", said
    said = ["no draw decides and no gradient is asked"]
    return "proposal correction", "Metropolis ratio", said


def _of_randomness(a: Acceptance, trajectory: bool) -> Guess | None:
    """Draws that serve more than one chain, or are of the wrong sort."""
    if a.mixed:
        return "shared randomness", "Metropolis ratio", ["a chain depends on where the others are"]
    if a.odd:
        said = ["a draw cannot give every chain its own"]
        return "shared randomness", "Metropolis ratio", said
    if a.shapes == "one":
        return "shared randomness", "Metropolis ratio", ["one draw decides for all chains"]
    if a.few:
        second = "momentum refresh" if trajectory else "noise scale"
        return "shared randomness", second, ["fewer normals than coordinates make the moves"]
    if a.shapes == "whole numbers":
        return "Metropolis ratio", "proposal correction", ["a whole number decides"]
    if a.shapes == "coordinates":
        return "Metropolis ratio", "shared randomness", ["coordinates are accepted apart"]
    if "normal" not in a.moving and "uniform" in a.moving and a.gradients:
        first = "momentum refresh" if trajectory else "noise scale"
        return first, "proposal correction", ["what moves is uniform, not normal"]
    return None


def _of_barker(a: Acceptance, kept: np.ndarray) -> FloatArray:
    """The log ratio where acceptance is ratio/(1 + ratio), as far as it looks like it."""
    if not a.read.all():
        return a.ratio
    with np.errstate(all="ignore"):
        odds = -np.log(np.expm1(-a.ratio))
    columns = np.stack([a.potential, a.proposal, np.ones(len(odds))], axis=1)[kept]
    plain, other = (_left(columns, v[kept]) for v in (a.ratio, odds))
    return odds if other < plain else a.ratio


def _left(columns: FloatArray, values: FloatArray) -> float:
    """What least squares leave, relative to the values' spread."""
    found, *_ = np.linalg.lstsq(columns, values, rcond=1e-9)
    return float(np.std(values - columns @ found) / max(float(np.std(values)), 1e-300))


def _compared(
    a: Acceptance,
    target: ExactTarget,
    x: FloatArray,
    h: float,
    trajectory: bool,
    ratio: FloatArray,
    kept: np.ndarray,
    said: list[str],
) -> Guess:
    """Which of proposal and acceptance is off, once they do not fit."""
    one = np.ones(int(kept.sum()))
    barker = ratio is not a.ratio
    direct = np.isfinite(a.weight) and a.scatter < SAME and not barker
    parts, values = [a.proposal[kept], one], ratio[kept]
    if direct:
        # on a Gaussian the parts may be proportional: the factor seen directly goes before
        values = values - a.weight * a.potential[kept]
    else:
        parts = [a.potential[kept], *parts]
    columns = np.stack(parts, axis=1)
    slopes, *_ = np.linalg.lstsq(columns, values, rcond=1e-9)
    p, c = slopes[-2:]
    u = a.weight if direct else slopes[0]
    exact = float(np.std(values - columns @ slopes)) < SAME * float(np.std(ratio[kept]))
    if exact:
        said = [*said, f"it is {u:.3f} (potential) + {p:.3f} (proposal) + {c:.3f}"]
    weight = u if exact or barker else a.weight
    if np.isfinite(weight) and abs(weight - 1) > SAME:
        return "Metropolis ratio", "proposal correction", [*said, f"potential times {weight:.3f}"]
    if exact and abs(c) > SAME:
        return "Metropolis ratio", "proposal correction", said
    if not a.gradients:
        # a correction that is there, but for another proposal: which of the two was meant?
        second = "noise scale" if exact and abs(p) > SAME else "Metropolis ratio"
        return "proposal correction", second, [*said, "no gradient is asked"]
    drift, noise, gap = (v / SMALL for v in _einstein(a, target, x))
    gap *= SMALL
    said = [*said, f"drift {drift / h:.3f} h, noise {noise / h:.3f} h"]
    if trajectory:
        return _of_trajectory(a, ratio, kept, exact, gap, said)
    if abs(drift) < 0.05 * noise:
        return "proposal correction", "Metropolis ratio", [*said, "a walk without drift"]
    if gap < NEAR:
        return "proposal correction", "Metropolis ratio", said
    return _of_langevin(a, target, x, h, ratio, kept, (drift, noise), said)


def _einstein(a: Acceptance, target: ExactTarget, x: FloatArray) -> tuple[float, float, float]:
    """Drift and noise of the proposal, and how far lean is from S S' grad U/2, in units of it."""
    assert a.lean is not None
    assert a.spread is not None
    g = target.for_step.gradient(x)
    square = np.einsum("nij,nkj->nik", a.spread, a.spread) / 2
    wanted = np.einsum("nij,nj->ni", square, g)
    drift = float((a.lean * g).sum() / (g * g).sum())
    noise = float(np.mean(np.trace(square, axis1=1, axis2=2)) / x.shape[1])
    gap = float(np.sqrt(np.sum((a.lean - wanted) ** 2) / np.sum(wanted**2)))
    return drift, noise, gap


def _of_trajectory(
    a: Acceptance, ratio: FloatArray, kept: np.ndarray, exact: bool, gap: float, said: list[str]
) -> Guess:
    assert a.noise is not None
    assert a.back is not None
    if not a.looked:
        return "stale gradient", "drift", [*said, "the gradient is not asked at the end"]
    halves = (a.noise**2 - a.back**2)[kept] / 2
    kinetic = np.concatenate([a.potential[kept, None], halves, a.volume[kept, None]], axis=1)
    if exact or _left(kinetic, ratio[kept]) < SAME:
        # momenta of the wrong size reach elsewhere too; a wrong kinetic energy does not
        if gap > 0.05:
            return "momentum refresh", "Metropolis ratio", [*said, "momenta do not fit"]
        return "Metropolis ratio", "momentum refresh", [*said, "kinetic energies do not fit"]
    return "drift", "Metropolis ratio", [*said, "the trajectory is not reversible"]


def _of_langevin(
    a: Acceptance,
    target: ExactTarget,
    x: FloatArray,
    h: float,
    ratio: FloatArray,
    kept: np.ndarray,
    seen: tuple[float, float],
    said: list[str],
) -> Guess:
    """Drift and noise of the proposal do not fit: which of them does the acceptance not know?

    With q = N(x - s grad U, 2 t) the log ratio less the potential is (s/t) A + (s^2/t) B.
    """
    y, slope = a.proposed, target.for_step.gradient
    gx, gy = slope(x), slope(y)
    first = ((y - x) * (gx + gy)).sum(axis=1) / 2
    second = ((gx * gx).sum(axis=1) - (gy * gy).sum(axis=1)) / 4
    columns = np.stack([first, second], axis=1)[kept]
    values = (ratio - a.potential)[kept]
    drift, noise = seen
    meant = (h, h)
    (one, two), *_ = np.linalg.lstsq(columns, values, rcond=1e-12)
    if _left(columns, values) < SAME and abs(one) > SAME and abs(two) > 1e-12:
        meant = (float(two / one), float(two / one**2))
        said = [
            *said,
            f"the acceptance takes them for {meant[0] / h:.3f} h and {meant[1] / h:.3f} h",
        ]
    off = [
        abs(np.log(max(now, 1e-300) / max(then, 1e-300)))
        for now, then in zip((drift, noise), meant, strict=True)
    ]
    if max(off) < NEAR:
        return "drift", "proposal correction", [*said, "the drift is not along the gradient"]
    if off[0] > off[1]:
        return "drift", "noise scale", said
    return "noise scale", "drift", said
