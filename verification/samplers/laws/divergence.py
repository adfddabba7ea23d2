r"""Divergence: an adjusted kernel stays in the numbers and on its side of a wall.

Statement. From a finite state of finite energy an adjusted kernel returns one, at every step size,
and it keeps a law that is cut off by a wall (U infinite beyond).
Level. The first half has no randomness: one state that is not finite, or beyond the wall, refutes.
The second half is the law of invariance on |N(0, 1)|.
Power. Steps ten and a hundred times as large as the target, starts far out, quartic and exponential
walls: proposals overflow there.
Blind spots. Unadjusted schemes may diverge, and say so by not-a-number; they are left alone.
"""

from __future__ import annotations

import numpy as np

from ...decide import Verdict
from ..kernel import StepError
from ..outcome import Outcome
from ..subject import Place, Subject
from ..targets.exact_target import ExactTarget
from ..targets.warped import half_normal
from ..trial import Trial
from . import invariance

NAME = "divergence"
STATEMENT = "finite states stay finite, and walls are not crossed"
SHARE = 0.05
COMPARES = True  # functions of the state before and after
CHAINS = 200
WALL = half_normal()


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.kind != "adjusted":
        return "an unadjusted scheme may diverge"
    if "step_size" not in subject.kernel.names:
        return "the step size cannot be set"
    return ""


def examine(subject: Subject) -> Outcome:
    """Large steps from far out; a target that the user named is left only from its own draws."""
    size = subject.kernel.walkers or 1
    count = -(-min(CHAINS, subject.first) // size) * size
    rng = np.random.default_rng((subject.seed, 3))
    wall = subject.kernel.state_target(WALL)
    own = subject.given or subject.min_dim > WALL.dim
    raised = ""
    for target in subject.targets if own else [*subject.targets, wall]:
        x = target.draw(rng, count)
        if target is not wall and not subject.given:
            centre = target.scale[0]
            x[::2] = centre + 8 * (x[::2] - centre)
        for h in _step_sizes(subject, target):
            place = Place(target=target, step_size=h)
            try:
                after = subject.kernel.advance(x, target, place.step_size, rng)
            except StepError as error:
                raised = raised or str(error).splitlines()[0]
                continue
            if not np.all(np.isfinite(after)):
                return _violated(place, "a finite state was followed by one that is not")
            with np.errstate(all="ignore"):
                before, energy = target.energy.potential(x), target.energy.potential(after)
            if not np.all(np.isfinite(energy[np.isfinite(before)])):
                return _violated(place, "a state of infinite energy was entered")
    if raised:
        return Outcome(
            verdict=Verdict.UNDECIDED, detail=f"states stay finite elsewhere, but {raised}"
        )
    return Outcome(verdict=Verdict.HOLDS, detail="states stay finite under steps of any size")


def _step_sizes(subject: Subject, target: ExactTarget) -> list[float]:
    if subject.given_steps:
        return sorted({p.step_size for p in subject.places if p.target is target})
    return [factor * target.length for factor in (0.5, 10.0, 1000.0)]


def _violated(place: Place, detail: str) -> Outcome:
    return Outcome(verdict=Verdict.VIOLATED, detail=detail, where=place.label)


def trials(subject: Subject) -> list[Trial]:
    """Invariance behind the wall; not asked of a sampler made for given targets."""
    if subject.given or subject.min_dim > WALL.dim:
        return []
    target = subject.kernel.state_target(WALL)
    return [
        invariance.trial(subject, Place(target=target, step_size=h), 1, NAME) for h in (0.2, 0.7)
    ]
