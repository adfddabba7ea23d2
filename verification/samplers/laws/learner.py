r"""Learners: coupled updates of parameters and particles against their documented rule.

Statement. Particles move by ULA at the present theta, independently, and theta by the difference of
the phases, exactly:

    (latents' - latents + h grad_z E)/sqrt(2h),  (pool' - pool + h grad E)/sqrt(2h)  ~  N(0, I),
    theta' = theta + a [mean grad_theta E(pool) - mean grad_theta E(data, latents)],

with the new particles (scheme "sequential") or the old ones ("simultaneous"). On the location model
E = r (x - theta)^2/2 the pair of theta and the pool is a linear recursion; started from its
stationary law it is found in it after any number of updates.
Level. The tie of theta is met up to rounding; payoffs of the noise are bounded functions of standard
normals with closed means, averaged over the particles of one update.
Power. As the one-step law, with all particles of an update as data.
Blind spots. Other optimisers than plain ascent; several inner steps per update; minibatches.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..learner import Learner, Reading, State, read
from ..learning_model import LearningModel, directed_model, location_model, undirected_model
from ..schemes.scheme import LinearLaw
from ..shapes import LOCATION, SCALE, SHAPES, tame
from ..subject import FloatArray, LearnerSubject, child
from ..trial import Trial

NAME = "learner"
STATEMENT = "particles move by ULA at the present parameter, the parameter by its rule"
SHARE = 1.0
OF = "learner"
DATA = np.array([[-0.6], [0.2], [1.1], [1.7]])
LATENTS = 3
POOL = 6
RATE = 0.2
STEP_SIZES = (0.1, 0.4)
LOCATION_POOL = 4
LOCATION_STEPS = (1, 4, 12)
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


def _row(first: Reading, second: Reading) -> list[float]:
    """Payoffs of two updates in a row, each averaged over the particles."""
    r = np.clip(tame(first.noise), -50, 50)
    again = np.clip(tame(second.noise), -50, 50)
    force = np.tanh(tame(first.force))
    phases = [slice(first.latents, None)]
    if first.latents:
        phases.append(slice(0, first.latents))
    found: list[float] = []
    for phase in phases:
        part, push, later = r[phase], force[phase], again[phase]
        found += [float(s(part).mean()) for s in SHAPES]
        found += [float((s(part) * push).mean()) for s in (LOCATION, SCALE)]
        found += [float((s(part) * s(later)).mean()) for s in (LOCATION, SCALE)]
        half = len(part) // 2
        found.append(float((LOCATION(part[:half]) * LOCATION(part[half : 2 * half])).mean()))
    if first.latents:
        size = min(first.latents, len(r) - first.latents)
        other = r[first.latents : first.latents + size]
        found.append(float((LOCATION(r[:size]) * LOCATION(other)).mean()))
    broken = any(
        not np.all(np.abs(f.tie) <= _EXACT * (1 + np.abs(f.push))) for f in (first, second)
    )
    return [*found, float(broken)]


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


def trial(learner: Learner, model: LearningModel, h: float, order: str, first: int) -> Trial:
    """Two updates from wide states of one model."""

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        generator = child(rng)
        payoffs = []
        for _ in range(count):
            states, readings = [start(model, rng)], []
            for _ in range(2):
                before = states[-1]
                after = learner.advance(before, DATA, model, h, RATE, generator)
                readings.append(read(before, after, DATA, model, h, RATE, order))
                states.append(after)
            payoffs.append(_row(*readings))
        return np.array(payoffs)

    names = _names(model)
    return Trial(
        law=NAME,
        label=f"{model.name} model, step size {h:g}",
        names=names,
        sample=sample,
        units=np.full(len(names), 0.25),
        slack=1e3 * learner.rounding,
        calls=2,
        first=first,
        about={"target": f"{model.name} model", "step_size": h, "steps": 2},
    )


def location_law(h: float, rate: float, order: str, stiffness: float = 1.0) -> LinearLaw:
    """The recursion of (theta, x_1, ..., x_M) on the location model, around its fixed point."""
    m = LOCATION_POOL
    pool = np.zeros((m, m + 1))
    pool[:, 0] = h * stiffness
    pool[:, 1:] = (1 - h * stiffness) * np.eye(m)
    factor = np.zeros((m + 1, m + 1))
    factor[1:] = pool
    factor[0, 0] = 1.0
    # grad_theta E = -r (x - theta): theta' = theta + a r (mean data - mean pool)
    mean = np.full(m, 1.0 / m)
    covariance = np.zeros((m + 1, m + 1))
    covariance[1:, 1:] = 2 * h * np.eye(m)
    if order == "sequential":
        factor[0] -= rate * stiffness * mean @ pool
        into = np.zeros((m + 1, m))
        into[1:] = np.eye(m)
        into[0] = -rate * stiffness * mean
        covariance = 2 * h * into @ into.T
    else:
        factor[0, 1:] -= rate * stiffness * mean
    centre = float(DATA.mean())
    return LinearLaw(mean=np.full(m + 1, centre), factor=factor, covariance=covariance)


def stationary_trial(learner: Learner, h: float, order: str, first: int) -> Trial:
    """The location model from its stationary law."""
    model, law = models()[0], location_law(h, RATE, order)
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
        units=np.full(len(names), 0.4),
        slack=1e3 * learner.rounding,
        calls=LOCATION_STEPS[-1],
        first=max(64, first // 4),
        about={"target": "location model", "step_size": h, "steps": LOCATION_STEPS[-1]},
    )


def trials(subject: LearnerSubject) -> list[Trial]:
    """Every model and step size, and the stationary law of the location model."""
    learner, order = subject.learner, subject.order
    found = [trial(learner, m, h, order, subject.first) for m in models() for h in STEP_SIZES]
    return [*found, *(stationary_trial(learner, h, order, subject.first) for h in STEP_SIZES)]
