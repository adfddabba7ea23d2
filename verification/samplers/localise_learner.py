"""Guesses for learners, from the noise and the rule of theta read back over some updates.

Every third update starts anew, so that its noise cannot know the one before. A misfit of the
particles is read again with the parameter of another time, and a misfit of theta with the particles
or the push of another time: what fits then is a question of when, not of what.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import FloatArray

from .laws.learner import DATA, RATE, models, start
from .learner import Reading, State, read, rows
from .localise import Localisation
from .shapes import tame
from .subject import LearnerSubject, child

UPDATES = 600
IN_A_ROW = 3
CLEAR = 6.0
ALIKE = 0.8
STEP_SIZE = 0.3
_EXACT = 1e-9
Guess = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Update:
    """One update: states before and after, and the parameter of the call before."""

    before: State
    after: State
    last: FloatArray
    fresh: bool

    @property
    def places(self) -> FloatArray:
        """Where the particles were, in the order of their noises."""
        return np.concatenate([self.before.latents.ravel(), self.before.pool.ravel()])

    @property
    def data(self) -> FloatArray:
        """The datum of each latent."""
        return np.repeat(DATA[:, 0], self.before.latents.shape[1])

    def reading(self, order: str, theta: FloatArray | None = None) -> Reading:
        """The noise, with the particles pushed at another parameter if one is given."""
        model = models()[2]
        own = read(self.before, self.after, DATA, model, STEP_SIZE, RATE, order)
        if theta is None:
            return own
        moved = replace(self.before, theta=theta)
        other = read(moved, self.after, DATA, model, STEP_SIZE, RATE, order)
        return replace(own, noise=other.noise, force=other.force)


def guess(subject: LearnerSubject) -> Localisation:
    """First and second guess."""
    updates = _updates(subject)
    with np.errstate(all="ignore"):
        first, second, why = _ranked(updates, subject.order)
    return Localisation(first=first, second=second, evidence=[why])


def _updates(subject: LearnerSubject) -> list[Update]:
    model, rng = models()[2], np.random.default_rng((subject.seed, 41))
    generator = child(rng)
    found: list[Update] = []
    state, last = start(model, rng), model.theta
    with np.errstate(all="ignore"):
        for k in range(UPDATES):
            fresh = k % IN_A_ROW == 0
            state = start(model, rng) if fresh else state
            after = subject.learner.advance(state, DATA, model, STEP_SIZE, RATE, generator)
            found.append(Update(before=state, after=after, last=last, fresh=fresh))
            state, last = after, state.theta
    return found


def _noises(readings: list[Reading]) -> FloatArray:
    return np.asarray(np.clip(tame(np.array([f.noise for f in readings])), -20, 20))


def _score(a: FloatArray, b: FloatArray) -> float:
    """Correlation in standard errors; 0 where there is none."""
    found = np.corrcoef(a.ravel(), b.ravel())[0, 1] * np.sqrt(a.size)
    return float(np.nan_to_num(found))


def _ranked(updates: list[Update], order: str) -> Guess:
    readings = [u.reading(order) for u in updates]
    fresh = [f for f, u in zip(readings, updates, strict=True) if u.fresh]
    r, k = _noises(fresh), fresh[0].latents
    together = float(np.var(r.mean(axis=1))) * r.shape[1] / max(float(r.var()), 1e-12)
    size = min(k, r.shape[1] - k)
    if together > 2.0:
        return "shared randomness", "noise scale", "particles share their noise"
    if abs(_score(r[:, :size], r[:, k : k + size])) > CLEAR:
        return "shared randomness", "noise scale", "both phases share their noise"
    alike = np.abs(np.nan_to_num(np.corrcoef(r.T)) - np.eye(r.shape[1])).max()
    if alike > ALIKE:
        return "shared randomness", "noise scale", "two particles have one noise"
    particles = _of_particles(updates, order, fresh)
    if particles is not None:
        return particles
    every = _noises(readings)
    pairs = [i for i, u in enumerate(updates) if not u.fresh]
    again = _score(every[[i - 1 for i in pairs]], every[pairs])
    if abs(again) > CLEAR:
        return "shared randomness", "stale gradient", f"noise is used again ({again:.0f} se)"
    return _of_parameter(updates, readings, order)


def _misfit(readings: list[Reading], chosen: list[Update]) -> tuple[float, float]:
    """How loud the noise is, and how it leans on what pushed it and on where it was."""
    r, k = _noises(readings), readings[0].latents
    force = np.clip(tame(np.array([f.force for f in readings])), -20, 20)
    places = np.array([u.places for u in chosen])
    loud, lean = 0.0, abs(_score(r[:, :k], np.array([u.data for u in chosen])))
    for phase in (slice(0, k), slice(k, None)):
        part = r[:, phase]
        loud = max(loud, abs(float(np.mean(part**2)) - 1) / np.sqrt(2 / part.size))
        for other in (force, places):
            lean = max(lean, abs(_score(part, other[:, phase])))
    return loud, lean


def _uneven(readings: list[Reading]) -> float:
    """How much the size of the noise varies from update to update, in standard errors."""
    r = _noises(readings)
    size = (r**2).mean(axis=1)
    excess = float(np.var(size)) / (float(np.var(r**2)) / r.shape[1]) - 1
    return float(excess / np.sqrt(2 / len(r)))


def _explains(own: FloatArray, other: FloatArray) -> bool:
    """Whether the noise would have been read better the other way.

    If the other way is right, own = other - delta: regressed on delta, slope -1.
    """
    delta = np.clip(other - own, -20, 20)
    size = float((delta * delta).sum())
    slope, error = float((own * delta).sum()) / max(size, 1e-12), 1 / np.sqrt(max(size, 1e-12))
    return bool(slope < -CLEAR * error and abs(slope + 1) < max(4 * error, 0.1))


def _of_particles(updates: list[Update], order: str, fresh: list[Reading]) -> Guess | None:
    """The rule of the particles, in updates that start anew."""
    chosen = [u for u in updates if u.fresh]
    for name, when in (("after", "after its update"), ("last", "of the update before")):
        used = [u.last if name == "last" else u.after.theta for u in chosen]
        other = [u.reading(order, at) for u, at in zip(chosen, used, strict=True)]
        if _explains(_noises(fresh), _noises(other)) and max(_misfit(other, chosen)) < CLEAR:
            return "stale gradient", "drift", f"particles move at the parameter {when}"
    loud, lean = _misfit(fresh, chosen)
    if loud > CLEAR and _uneven(fresh) > CLEAR:
        said = "the size of the noise changes from update to update"
        return "schedule", "noise scale", said
    if lean > max(CLEAR, 0.15 * loud):
        return "drift", "noise scale", f"noise leans on place or gradient ({lean:.0f} se)"
    if loud > CLEAR:
        return "noise scale", "drift", f"the size of the noise is off ({loud:.0f} se)"
    return None


def _of_parameter(updates: list[Update], readings: list[Reading], order: str) -> Guess:
    """The rule of theta, once the particles follow theirs."""
    broken = np.array([f.tie for f in readings])
    push = np.array([f.push for f in readings])
    change = np.array([u.after.theta - u.before.theta for u in updates])

    def fits(rule: FloatArray, kept: list[int]) -> bool:
        miss = np.abs(change[kept] - rule[kept])
        return bool(np.all(miss <= 1e-8 * (1 + np.abs(rule[kept]))))

    every, later = list(range(len(updates))), [i for i, u in enumerate(updates) if not u.fresh]
    if fits(push, every):
        return "schedule", "noise scale", "nothing is seen in single updates"
    other = "simultaneous" if order == "sequential" else "sequential"
    if fits(np.array([u.reading(other).push for u in updates]), every):
        return "stale gradient", "drift", "theta moves with the other particles of the update"
    if fits(np.roll(push, 1, axis=0), later):
        return "stale gradient", "schedule", "theta moves by the push of the update before"
    found = _rule(updates, later)
    if found is not None:
        return found
    ratio = change / np.where(np.abs(push) > 1e-12, push, np.nan)
    within = float(np.nanmax(np.nanstd(ratio, axis=1)))
    if within < 1e-6 and float(np.nanmedian(ratio)) > 0:
        steady = float(np.nanstd(ratio)) < 1e-6
        said = f"theta moves {np.nanmedian(ratio):.3f} times its rule"
        return "schedule", "drift", said if steady else "the rate changes from update to update"
    if abs(_score(broken, push)) < CLEAR and abs(_score(broken, _gradient(updates))) < CLEAR:
        return "noise scale", "drift", "theta has a noise of its own"
    return "drift", "schedule", "theta does not follow its rule"


def _rule(updates: list[Update], later: list[int]) -> Guess | None:
    """The rule that theta does follow, if it is made of phases, of theta and of its last change.

    Phases of the pool and of the data, each with the particles of before and of after the update.
    """
    names = ("pool", "data", "pool before", "data before", "theta", "its last change")
    rows_of, changes = [], []
    for i in later:
        u, model = updates[i], models()[2]
        phases = [
            RATE * sign * model.parameter_gradient(u.before.theta, points).mean(axis=0)
            for state in (u.after, u.before)
            for sign, points in ((1, state.pool), (-1, rows(DATA, state.latents)))
        ]
        last = updates[i - 1]
        rows_of.append([*phases, RATE * u.before.theta, last.after.theta - last.before.theta])
        changes.append(u.after.theta - u.before.theta)
    columns = np.array(rows_of).transpose(0, 2, 1).reshape(-1, len(names))
    values = np.array(changes).ravel()
    slopes, *_ = np.linalg.lstsq(columns, values, rcond=1e-12)
    rest = values - columns @ slopes
    if not np.sqrt(np.mean(rest**2)) < 1e-6 * np.sqrt(np.mean(values**2)):
        return None
    pool, data, old_pool, old_data, theta, again = (float(v) for v in np.round(slopes, 6))
    said = "theta moves by " + ", ".join(
        f"{v:.3f} {name}" for v, name in zip(slopes, names, strict=True) if abs(v) > 1e-6
    )
    if again:
        return "momentum refresh", "stale gradient", said
    new, old = abs(pool) + abs(data), abs(old_pool) + abs(old_data)
    if not theta and new and old:
        return "stale gradient", "drift", said
    if not theta and pool + old_pool == data + old_data > 0:
        return "schedule", "drift", said
    return "drift", "schedule", said


def _gradient(updates: list[Update]) -> FloatArray:
    """The phase of the data alone, (n, p)."""
    model = models()[2]
    return np.array(
        [
            model.parameter_gradient(u.before.theta, rows(DATA, u.before.latents)).mean(axis=0)
            for u in updates
        ]
    )
