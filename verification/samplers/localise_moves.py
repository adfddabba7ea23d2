"""Guesses for adjusted kernels: what they do at small steps, and whether they reject."""

from __future__ import annotations

import math

import numpy as np

from .common import repeats
from .features import of_sequence
from .localise import Localisation
from .moves import MoveFeatures, of_moves
from .subject import Place, Subject
from .targets.exact_target import ExactTarget

CLEAR = 6.0  # standard errors
TOGETHER = 8.0
LEANING = 0.02
Guess = tuple[str, str, list[str]]


def guess(subject: Subject) -> Localisation:
    """First and second guess."""
    place = _place(subject)
    memory, _ = repeats(subject.kernel, place, subject.seed)
    if all(p.moved == 0.0 for p in subject.places):
        return Localisation(
            first="Metropolis ratio", second="proposal correction", evidence=["chains never move"]
        )
    f = of_moves(subject, place)
    first, second, why = _ranked(subject, place, f, memory)
    return Localisation(first=first, second=second, evidence=why)


def _place(subject: Subject) -> Place:
    """A Gaussian in the plane, where everything is smooth, if there is one."""
    targets = [t for t in subject.targets if t.for_step.dim > 1 and t.gaussian]
    return subject.middle_place((targets or subject.targets)[0])


def _ranked(subject: Subject, place: Place, f: MoveFeatures, memory: bool) -> Guess:
    if not memory and max(f.shared, f.shared_moves) > TOGETHER:
        size = max(f.shared, f.shared_moves)
        return "shared randomness", "Metropolis ratio", [f"chains vary together ({size:.0f} for 1)"]
    if memory:
        return _with_memory(subject, f)
    if abs(f.growth) < 0.2:
        return _without_step_size(subject, f)
    if subject.kernel.with_momenta and f.kept > 0:
        return "momentum refresh", "Metropolis ratio", ["momenta are kept where moves are refused"]
    return _small_steps(subject, f)


def _with_memory(subject: Subject, f: MoveFeatures) -> Guess:
    """Equal arguments gave different results: what is carried from call to call?"""
    target = _bent(subject)
    h = 0.05 * target.length**2
    found = of_sequence(subject, Place(target=target, step_size=h), None)
    now, last = found.scores.get("gradient", 0.0), found.scores.get("last gradient", 0.0)
    noise, slope = found.scores.get("last noise", 0.0), found.slopes.get("last noise", 0.0)
    if f.shared > TOGETHER or found.shared > TOGETHER:
        return "shared randomness", "schedule", ["chains vary together"]
    if slope > 0.5:
        return "momentum refresh", "shared randomness", ["a move goes on where the last one went"]
    if abs(last) > CLEAR and abs(last) > abs(noise) and abs(last) > 0.5 * abs(now):
        return "stale gradient", "schedule", [f"the gradient before enters ({last:.0f} se)"]
    if abs(noise) > CLEAR:
        return "shared randomness", "momentum refresh", [f"the last move enters ({noise:.0f} se)"]
    if found.time_score > CLEAR:
        return "schedule", "stale gradient", ["the size of moves changes from call to call"]
    return "stale gradient", "schedule", ["equal arguments gave different results"]


def _bent(subject: Subject) -> ExactTarget:
    bent = [t for t in subject.targets if not t.gaussian and t.lipschitz]
    return (bent or subject.targets)[0]


def _without_step_size(subject: Subject, f: MoveFeatures) -> Guess:
    """A scan over coordinates, say: the last coordinate given the others, on a Gaussian."""
    gaussians = [t for t in subject.targets if t.gaussian and t.dim > 1]
    ratio = float(f.drift[-1] / max(f.noise[-1], 1e-300))
    if not gaussians:
        return "noise scale", "drift", [f"drift over noise {ratio:.3f}"]
    target = gaussians[0]
    assert target.precision is not None
    place = subject.middle_place(target)
    rng = np.random.default_rng((subject.seed, 35))
    x = subject.draw(place, rng, 64 * subject.first)
    after = subject.advance(place, x, np.random.default_rng((subject.seed, 36)))
    best: tuple[float, float, float] | None = None
    for i in range(target.dim):
        p = target.precision[i, i]
        r = target.energy.gradient(after)[:, i] / math.sqrt(p)
        others = (after - x).copy()
        others[:, i] = 0.0
        shift = others @ target.precision[i] / math.sqrt(p)
        old = float(np.corrcoef(r, shift)[0, 1]) if shift.std() > 0 else 0.0
        centre = float(np.corrcoef(r, x[:, i])[0, 1])
        candidate = (abs(float(r.var()) - 1) + abs(old) + abs(centre), float(r.var()), old)
        best = candidate if best is None or candidate < best else best
    assert best is not None
    _, variance, old = best
    said = [f"a coordinate given the others has {variance:.3f} times its variance"]
    if abs(old) > 0.05:
        return "stale gradient", "drift", ["coordinates are updated from old values of the others"]
    if abs(variance - 1) > 0.01:
        return "noise scale", "drift", said
    return "drift", "noise scale", said


def _small_steps(subject: Subject, f: MoveFeatures) -> Guess:
    h, drift, noise = f.step_sizes[-1], float(f.drift[-1]), float(f.noise[-1])
    error = float(f.drift_errors[-1]) / max(noise, 1e-300)
    ratio = drift / max(noise, 1e-300)
    said = [f"drift over noise {ratio:.3f} at small steps", f"{1 - f.moved[-1]:.2g} refused"]
    trajectory = f.growth > 1.6
    if abs(f.spread_score) > 0.15:
        return "proposal correction", "drift", ["the size of moves depends on the place"]
    if f.tilt > LEANING:
        return _leaning(f, trajectory, said)
    if f.mean_score > CLEAR:
        return "drift", "proposal correction", [*said, "moves have a direction of their own"]
    if abs(ratio - 1) > max(0.04, 4 * error):
        return _proposal(h, drift, noise, trajectory, subject.kernel.with_momenta, said)
    if all(p.moved == 1.0 for p in subject.places if p.target is subject.targets[0]):
        return "Metropolis ratio", "proposal correction", [*said, "nothing is ever refused"]
    refused = 1 - f.moved
    if trajectory and refused[-1] > 0.005:
        return "stale gradient", "Metropolis ratio", [*said, "trajectories lose their energy"]
    if not trajectory and refused[-1] > 0.03:
        return "proposal correction", "stale gradient", [*said, "refusals grow with the step size"]
    if subject.kernel.with_momenta:
        return "Metropolis ratio", "momentum refresh", said
    return "Metropolis ratio", "proposal correction", said


def _leaning(f: MoveFeatures, trajectory: bool, said: list[str]) -> Guess:
    """Acceptance leans on the gradient at small steps: a random walk, or a wrong correction."""
    unit = float(f.noise[0])
    total, k = float(f.drift[0]) / unit, f.tilt
    # what the proposal does, whichever way acceptance leans
    own = min((total - k, total + k), key=lambda d: min(abs(d), abs(d - 1)))
    said = [*said, f"acceptance leans {k:.2f} on the gradient, the proposal drifts {own:.2f}"]
    if f.mean_score > CLEAR:
        return "proposal correction", "drift", [*said, "moves have a direction of their own"]
    if abs(own) < 0.35:
        return "Metropolis ratio", "proposal correction", said
    if trajectory or k < 0.3:
        return "Metropolis ratio", "proposal correction", said
    return "proposal correction", "Metropolis ratio", said


def _proposal(
    h: float, drift: float, noise: float, trajectory: bool, momenta: bool, said: list[str]
) -> Guess:
    """Drift and noise of the proposal do not fit: which of them is right by itself?"""
    if trajectory:
        # (L h)^2/2 for trajectories of L steps
        lengths = [math.sqrt(max(2 * v, 0.0)) / h for v in (drift, noise)]
        off = [abs(n - round(n)) / max(n, 1.0) for n in lengths]
        if off[0] <= off[1]:
            return "momentum refresh", "noise scale", said
        return "drift", "momentum refresh" if momenta else "proposal correction", said
    off = [abs(math.log(max(v, 1e-300) / h)) for v in (drift, noise)]
    said = [*said, f"drift {drift / h:.3f} h, noise {noise / h:.3f} h"]
    if off[0] <= off[1]:
        return "noise scale", "drift", said
    return "drift", "noise scale", said
