r"""The gradient against finite differences of the potential.

Statement. grad U is the gradient of U, in every coordinate, at draws from the target.
Level. No randomness that matters: two step sizes of central differences give a value and an
estimate of its error; a gradient farther off than a hundred such errors and 1e-5 of its size is
refuted. Power. A wrong factor, sign or coordinate in a user's own energy.
Blind spots. The targets of this package pass by construction; errors below 1e-5; kinks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from ...decide import Verdict
from ..outcome import Outcome
from ..posterior import PosteriorEnergy
from ..subject import Subject
from ..targets.exact_target import ExactTarget
from ..views import EnergyView

NAME = "gradient"
STATEMENT = "the gradient that the step is given is the gradient of the potential"
POINTS = 40
RELATIVE = 1e-5


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if not any(_known(t) for t in subject.targets):
        return "the energy has no gradient of its own"
    return ""


def _known(target: ExactTarget) -> bool:
    energy: Any = target.for_step
    return energy.slope is not None if isinstance(energy, PosteriorEnergy) else target.has_gradient


def _gradient(energy: Any, x: FloatArray) -> FloatArray:
    """The gradient in what the step moves, at rows that end with data where there are some."""
    if isinstance(energy, PosteriorEnergy):
        assert energy.slope is not None
        return energy.slope(x[:, : energy.dim], x[:, energy.dim :])
    return np.asarray(energy.gradient(x))


def _differences(potential: FloatArray, size: FloatArray) -> FloatArray:
    return np.asarray((potential[0] - potential[1]) / (2 * size))


def examine(subject: Subject) -> Outcome:
    """Every target; and how often the step asks for U and its gradient."""
    for target in filter(_known, subject.targets):
        energy, d = target.for_step, target.for_step.dim
        x = target.draw(np.random.default_rng((subject.seed, 5)), POINTS)[:, : d + target.data]
        exact = _gradient(energy, x)
        scale = float(np.median(np.abs(exact))) + 1e-300
        for i in range(d):
            found = []
            for step in (1e-4, 5e-5):
                size = np.full(len(x), step * target.length)
                ends = []
                for sign in (1.0, -1.0):
                    y = x.copy()
                    y[:, i] += sign * size
                    ends.append(energy.potential(y))
                found.append(_differences(np.array(ends), size))
            error = np.abs(found[0] - found[1])
            off = np.abs(found[1] - exact[:, i])
            if np.any(off > 100 * error + RELATIVE * (np.abs(exact[:, i]) + scale)):
                return Outcome(
                    verdict=Verdict.VIOLATED,
                    detail=f"derivative {i} of {energy.name} is off by up to {off.max():.3g}",
                    where=target.name,
                )
    asked = _asked(subject)
    return Outcome(verdict=Verdict.HOLDS, detail=f"agrees with differences of U; {asked}")


def _asked(subject: Subject) -> str:
    """How often one step asks for U and its gradient."""
    kernel, place = subject.kernel, subject.places[0]
    if place.target.data:
        return "calls are not counted where every chain has data of its own"
    view = kernel.caller.view(place.target.for_step)
    if not isinstance(view, EnergyView) or kernel.caller.backend == "jax":
        return "calls inside compiled steps are not counted"
    before = (view.gradient_calls, view.potential_calls)
    rng = np.random.default_rng((subject.seed, 6))
    kernel.advance(place.target.draw(rng, kernel.walkers or 1), place.target, place.step_size, rng)
    gradients = view.gradient_calls - before[0]
    potentials = view.potential_calls - before[1]
    return f"a step asks for {gradients} gradients and {potentials} potentials"
