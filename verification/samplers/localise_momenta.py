"""Kernels that carry momenta: their refreshment on a flat potential, and when gradients act.

Where U is constant a step only fades and refreshes: v' = C v + S xi, read exactly from changes of v
and xi, and C C' + S S' = 1 if momenta keep N(0, 1). Where in a trajectory a gradient acts is read
by pushing one gradient call at a time: the gradient at the start of a leapfrog trajectory acts over
half a step, those within over a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import FloatArray

from .localise_trace import Hands, TracedEnergy

PUSH = 1e-6
KICKS = 32
LATE = 1.25
CALM = 0.1
ROUGH = 1e4
FEWEST = 30
Guess = tuple[str, str, list[str]]


@dataclass
class OneKick(TracedEnergy):
    """A gradient that is pushed in one call alone."""

    number: int = -1

    def gradient(self, x: FloatArray) -> FloatArray:
        """The gradient, pushed if it is its turn."""
        found = super().gradient(x)
        return found + PUSH if len(self.gradients) - 1 == self.number else found


@dataclass(frozen=True, kw_only=True)
class Refreshment:
    """v' = C v + S xi on a flat potential: C (a number), |S|^2 and what both leave of 1."""

    fade: float
    noise: float

    @property
    def gap(self) -> float:
        """C^2 + S^2 - 1."""
        return self.fade**2 + self.noise - 1


def of_refreshment(hands: Hands, state: FloatArray) -> Refreshment:
    """Reads fade and noise of momenta on a flat potential from changes of v and of the normals."""
    d = hands.target.for_step.dim

    def momenta(x: FloatArray, given: dict[int, FloatArray] | None = None) -> FloatArray:
        flat = TracedEnergy(hands.target.for_step, factor=0.0)
        return hands.run(x, given, flat).after[:, d:]

    plain = hands.run(state, None, TracedEnergy(hands.target.for_step, factor=0.0))
    moved = state.copy()
    moved[:, d:] += 1.0
    fade = float(np.median(momenta(moved) - plain.after[:, d:]))
    noise = 0.0
    for slot, draw in enumerate(plain.draws):
        if draw.sort == "normal":
            change = momenta(state, {slot: draw.values + 1.0}) - plain.after[:, d:]
            noise += float(np.median(change)) ** 2
    return Refreshment(fade=fade, noise=noise)


def kept_where_refused(hands: Hands, state: FloatArray) -> float:
    """Correlation of momenta before and after where moves are refused; right is at most 0.

    The potential is made rough between neighbours, with the gradient as it was, so that many are.
    """
    d = hands.target.for_step.dim

    def rough(z: FloatArray) -> FloatArray:
        return np.asarray(ROUGH * np.sin(1e7 * z.sum(axis=-1)))

    after = hands.run(state, None, TracedEnergy(hands.target.for_step, lift=rough)).after
    stayed = np.all(after[:, :d] == state[:, :d], axis=1)
    if stayed.sum() < FEWEST:
        return np.nan
    v, w = state[stayed, d:], after[stayed, d:]
    return float((v * w).sum() / np.sqrt((v * v).sum() * (w * w).sum() + 1e-300))


def of_kicks(hands: Hands, state: FloatArray) -> tuple[float, float]:
    """How strongly the result answers to the gradient at the start, and on the way, at most.

    Read from momenta where the state has them, else from positions: of k leapfrog steps these
    answer to the start by k/2 and to the first place on the way by k - 1.
    """
    d = hands.target.for_step.dim
    seen = slice(d, None) if state.shape[1] > d else slice(0, d)
    plain = hands.run(state, None, OneKick(hands.target.for_step))
    asked = plain.energy.gradients
    moved = np.any(plain.after[:, :d] != state[:, :d], axis=1)
    answers: list[tuple[FloatArray, float]] = []
    for k, at in enumerate(asked[:KICKS]):
        if at.shape != (len(state), d):
            continue
        pushed = hands.run(state, None, OneKick(hands.target.for_step, number=k))
        off = np.abs((pushed.after - plain.after)[moved, seen])
        change = float(np.mean(off)) / PUSH if off.size else 0.0
        for i, (place, size) in enumerate(answers):
            if np.array_equal(place, at):
                answers[i] = (place, size + change)
                break
        else:
            answers.append((at, change))
    first = [size for place, size in answers if np.array_equal(place, state[:, :d])]
    later = [size for place, size in answers if not np.array_equal(place, state[:, :d])]
    return (first or [0.0])[0], max(later, default=0.0)


def skipped(hands: Hands, x: FloatArray) -> bool:
    """Whether positions move more often than gradients are asked: on a flat potential each of k
    moves of a trajectory goes h times the momentum, and k + 1 gradients belong to them.
    """
    flat = TracedEnergy(hands.target.for_step, factor=0.0)
    run = hands.run(x, None, flat)
    normals = [draw.values for draw in run.draws if draw.sort == "normal"]
    if len(normals) != 1 or normals[0].size != x.size:
        return False
    moves = np.abs(run.after - x) / (hands.step_size * np.abs(normals[0].reshape(x.shape)) + 1e-300)
    places: list[FloatArray] = []
    for at in flat.gradients:
        if not any(np.array_equal(at, other) for other in places):
            places.append(at)
    most = float(np.median(moves.max(axis=1)))
    return len(places) - 1 < 0.8 * min(most, len(flat.gradients) * 4.0) and most > 1.5


def guess(hands: Hands, state: FloatArray) -> Guess | None:
    """First and second guess of an adjusted kernel with momenta; None where all is as it should."""
    if not hands.traceable(state):
        return None
    r = of_refreshment(hands, state)
    if abs(r.gap) > 1e-6 and 0 < abs(r.fade) < 1.5:
        said = [f"momenta fade to {r.fade:.3f} and get noise of variance {r.noise:.3f}"]
        return "momentum refresh", "noise scale", said
    kept = kept_where_refused(hands, state)
    if kept > 0.1:
        said = [f"momenta keep their direction where moves are refused ({kept:.2f})"]
        return "Metropolis ratio", "momentum refresh", said
    return of_late_gradients(hands, state)


def of_late_gradients(hands: Hands, state: FloatArray) -> Guess | None:
    """Whether the gradient at the start serves the way too."""
    # small steps are accepted, and a refused trajectory answers to nothing
    start, later = of_kicks(replace(hands, step_size=CALM * hands.step_size), state)
    if later > 0 and start > LATE * later:
        said = [f"the gradient at the start acts {start / later:.2f} times those on the way"]
        return "stale gradient", "drift", said
    return None
