r"""Learners: coupled updates of parameters and particles against their documented rule.

Statement. Particles move by ULA at the present theta, independently, and theta by the difference of
the phases, exactly:

    (latents' - latents + h grad_z E)/sqrt(2h),  (pool' - pool + h grad E)/sqrt(2h)  ~  N(0, I),
    theta' = theta + a [mean grad_theta E(pool) - mean grad_theta E(data, latents)],

with the new particles (scheme "sequential") or the old ones ("simultaneous"). On location models
theta and all particles are jointly Gaussian: from Gaussian starts theta has the mean and variance
of the closed form after 1, 4 and 10 updates, finite numbers of particles and step sizes
included, and what starts from the stationary law of the recursion is found in it.
Level. The tie of theta is met up to rounding; payoffs are bounded functions of standard normals
with closed means (of the noise: averaged over the particles of one update).
Power. As the one-step law, with all particles of an update as data; what accumulates (latents that
are not carried on, a rate that decays unasked) shows in theta after many updates.
Blind spots. Other optimisers than plain ascent; several inner steps per update; minibatches.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..dictionary import RARE
from ..learner import Learner, Reading, State, read
from ..learning_laws import closed_form_path, location_law, starts
from ..learning_model import (
    LearningModel,
    directed_model,
    latent_location_model,
    location_model,
    undirected_model,
)
from ..shapes import LOCATION, SCALE, SHAPES, SKEWNESS, tame
from ..subject import LearnerSubject, child
from ..trial import Trial

NAME = "learner"
STATEMENT = "particles move by ULA at the present parameter, the parameter by its rule"
SHARE = 1.0
OF = "learner"
DATA = np.array([[-0.6], [0.2], [1.1], [1.7]])
LATENTS = 8
POOL = 24
RATE = 0.2
STEP_SIZES = (0.1, 0.4)
LOCATION_POOL = 4
LATENT_NOISE = 0.7
PATH = (1, 3, 6)
LOCATION_STEPS = (1, 3, 6)
# noises of one update are independent: so many samples are made of them
GROUPS = 6
_EXACT = 1e-9


def reason(subject: LearnerSubject) -> str:
    """Why the law does not apply, empty when it does."""
    return ""


@lru_cache(maxsize=1)
def models() -> tuple[LearningModel, ...]:
    """Simple ones first."""
    return (location_model(), directed_model(), undirected_model())


def start(model: LearningModel, rng: np.random.Generator) -> State:
    """A state wide enough that every term of the rule matters."""
    return State(
        theta=model.theta * np.exp(0.3 * rng.standard_normal(model.theta.shape)),
        latents=1.3 * rng.standard_normal((len(DATA), LATENTS, model.dim_z)),
        pool=1.3 * rng.standard_normal((POOL, model.dim_x + model.dim_z)),
    )


def _payoffs(model: LearningModel, firsts: list[Reading], seconds: list[Reading]) -> FloatArray:
    """Payoffs (GROUPS n, m) of pairs of updates in a row, averaged over groups of particles."""
    return np.concatenate([_of_group(model, firsts, seconds, j) for j in range(GROUPS)])


def _of_group(
    model: LearningModel, firsts: list[Reading], seconds: list[Reading], group: int
) -> FloatArray:
    """Payoffs (n, m) by every so manieth noise, of the latents and of the pool."""
    r = np.clip(tame(np.array([f.noise for f in firsts])), -50, 50)
    again = np.clip(tame(np.array([f.noise for f in seconds])), -50, 50)
    force = np.tanh(tame(np.array([f.force for f in firsts])))
    latents = firsts[0].latents
    phases = [slice(latents + group, None, GROUPS)]
    if latents:
        phases.append(slice(group, latents, GROUPS))
    found: list[FloatArray] = []
    for phase in phases:
        part, push, later = r[:, phase], force[:, phase], again[:, phase]
        found += [s(part).mean(axis=1) for s in SHAPES]
        found += [(s(part) * push).mean(axis=1) for s in (LOCATION, SCALE)]
        found += [(s(part) * s(later)).mean(axis=1) for s in (LOCATION, SCALE)]
        half = part.shape[1] // 2
        found.append((LOCATION(part[:, :half]) * LOCATION(part[:, half : 2 * half])).mean(axis=1))
    if latents:
        own, other = r[:, group:latents:GROUPS], r[:, latents + group :: GROUPS]
        size = min(own.shape[1], other.shape[1])
        found.append((LOCATION(own[:, :size]) * LOCATION(other[:, :size])).mean(axis=1))
    broken = np.array(
        [_is_broken(f) or _is_broken(s) for f, s in zip(firsts, seconds, strict=True)]
    )
    return np.stack([*found, broken.astype(np.float64)], axis=1)


def _is_broken(reading: Reading) -> bool:
    return not bool(np.all(np.abs(reading.tie) <= _EXACT * (1 + np.abs(reading.push))))


def _names(model: LearningModel) -> list[str]:
    found: list[str] = []
    for phase in ("pool", *(("latents",) if model.dim_z else ())):
        found += [f"{s.name} of the noise of the {phase}" for s in SHAPES]
        found += [f"{s.name} of the noise of the {phase}, against the gradient" for s in SHAPES[:2]]
        found += [f"{s.name} of the noise of the {phase}, two updates in a row" for s in SHAPES[:2]]
        found.append(f"location of two noises of the {phase}")
    if model.dim_z:
        found.append("location of a noise of the latents and one of the pool")
    return [*found, "rule of theta"]


def _units(model: LearningModel) -> FloatArray:
    """What one unit of discrepancy is: the deviation of a payoff of one particle."""
    pair = [s.deviation for s in SHAPES[:2]]
    phase = [*(s.deviation for s in SHAPES), *pair, *(d * d for d in pair), pair[0] ** 2]
    cross = [pair[0] ** 2] if model.dim_z else []
    return np.maximum([*phase * (2 if model.dim_z else 1), *cross, 1.0], RARE)


def trial(learner: Learner, model: LearningModel, h: float, order: str, first: int) -> Trial:
    """Two updates from wide states of one model."""

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        generator = child(rng)
        readings: tuple[list[Reading], list[Reading]] = ([], [])
        for _ in range(-(-count // GROUPS)):
            before = start(model, rng)
            for found in readings:
                after = learner.advance(before, DATA, model, h, RATE, generator)
                found.append(read(before, after, DATA, model, h, RATE, order))
                before = after
        return _payoffs(model, *readings)

    names = _names(model)
    return Trial(
        law=NAME,
        label=f"{model.name} model, step size {h:g}",
        names=names,
        sample=sample,
        units=_units(model),
        slack=1e3 * learner.rounding,
        calls=2 / GROUPS,
        first=first,
        about={"target": f"{model.name} model", "step_size": h, "steps": 2},
    )


def stationary_trial(learner: Learner, h: float, order: str, first: int) -> Trial:
    """The location model from its stationary law."""
    model, law = models()[0], location_law(DATA, LOCATION_POOL, h, RATE, order)
    root = np.linalg.cholesky(law.stationary())
    whiten = np.linalg.inv(root)
    # theta, one particle, and the pool's mean are what a reader cares about
    shown = (0, 1)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        generator = child(rng)
        payoffs = []
        for _ in range(count):
            y = law.mean + root @ rng.standard_normal(len(law.mean))
            latents = np.zeros((len(DATA), 1, 0))
            state = State(theta=y[:1], latents=latents, pool=y[1:, None])
            row: list[float] = []
            for k in range(1, LOCATION_STEPS[-1] + 1):
                state = learner.advance(state, DATA, model, h, RATE, generator)
                if k in LOCATION_STEPS:
                    end = np.concatenate([state.theta, state.pool[:, 0]])
                    white = tame(whiten @ (end - law.mean))
                    row += [float(s(white[i])) for i in shown for s in (LOCATION, SCALE)]
            payoffs.append(row)
        return np.array(payoffs)

    what = ("the parameter", "a particle given the parameter")
    names = [
        f"{s.name} of {what[i]} after {k} updates"
        for k in LOCATION_STEPS
        for i in shown
        for s in (LOCATION, SCALE)
    ]
    return Trial(
        law=NAME,
        label=f"location model from its stationary law, step size {h:g}",
        names=names,
        sample=sample,
        units=np.array(
            [s.deviation for _ in LOCATION_STEPS for _ in shown for s in (LOCATION, SCALE)]
        ),
        slack=1e3 * learner.rounding,
        calls=LOCATION_STEPS[-1],
        first=max(64, first // 4),
        about={"target": "location model", "step_size": h, "steps": LOCATION_STEPS[-1]},
    )


def path_trial(learner: Learner, h: float, order: str, first: int) -> Trial:
    """theta of a location model with latents, against the closed form of the algorithm."""
    model = latent_location_model(LATENT_NOISE)
    path = closed_form_path(DATA, LATENT_NOISE, model.theta, LATENTS, POOL, h, RATE, order, PATH)
    shapes = (LOCATION, SCALE, SKEWNESS)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        generator = child(rng)
        payoffs = []
        for _ in range(count):
            state = starts(model.theta, len(DATA), LATENTS, POOL, rng)
            row: list[float] = []
            for k in range(1, PATH[-1] + 1):
                state = learner.advance(state, DATA, model, h, RATE, generator)
                if k in path:
                    mean, deviation = path[k]
                    white = tame((state.theta - mean) / deviation)
                    row += [float(s(white)[0]) for s in shapes]
            payoffs.append(row)
        return np.array(payoffs)

    names = [f"{s.name} of the parameter after {k} updates" for k in PATH for s in shapes]
    return Trial(
        law=NAME,
        label=f"{model.name} model from Gaussian starts, step size {h:g}",
        names=names,
        sample=sample,
        units=np.array([s.deviation for _ in PATH for s in shapes]),
        slack=1e3 * learner.rounding,
        calls=PATH[-1],
        first=max(64, first // 8),
        about={"target": f"{model.name} model", "step_size": h, "steps": PATH[-1]},
    )


def trials(subject: LearnerSubject) -> list[Trial]:
    """Every model and step size, the closed form of theta's path, and the stationary law."""
    learner, order, first = subject.learner, subject.order, subject.first
    found = [trial(learner, m, h, order, first) for m in models() for h in STEP_SIZES]
    found.append(path_trial(learner, STEP_SIZES[1], order, first))
    return [*found, stationary_trial(learner, STEP_SIZES[0], order, first)]
