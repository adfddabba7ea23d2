r"""Invariance: one or a few steps from exact draws leave pi as it is.

Statement. X ~ pi, X' = K^k(X)  ==>  E[f(X') - f(X)] = 0 for every bounded f, at every step size.
Level. Payoffs f(X') - f(X) lie in [-1, 1] and have mean zero given the past, exactly: draws are
independent, there is no burn-in and no autocorrelation. Ville's inequality does the rest.
Power. A shift of E f by s standard deviations of f(X') - f(X) is found after about 2 L / s^2 calls,
L the logarithm of 1/alpha, the shares and the number of functions. f runs over location, scale,
skewness, tails, cross terms, energy, gradient and virial.
Blind spots. A kernel that keeps pi and does not mix (the identity, x -> -x on a symmetric target);
what only shows in coordinates beyond ten that are evenly spread; errors at step sizes that were
not tried.
"""

from __future__ import annotations

import numpy as np

from ..dictionary import dictionary_of
from ..subject import FloatArray, Place, Subject, child
from ..trial import Trial

NAME = "invariance"
STATEMENT = "one step and a few steps from exact draws leave the target as it is"
SHARE = 0.4
COMPARES = True  # functions of the state before and after
FEW = 5


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    return "" if subject.keeps_target else "an unadjusted scheme has another stationary law"


def trial(subject: Subject, place: Place, steps: int, law: str = NAME) -> Trial:
    """Invariance after some steps at one place."""
    dictionary = dictionary_of(place.target)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        x = subject.draw(place, rng, count)
        after = subject.advance(place, x, child(rng), steps)
        return subject.averaged(dictionary(after) - dictionary(x))

    return Trial(
        law=law,
        label=place.label + (f", {steps} steps" if steps > 1 else ""),
        names=dictionary.names,
        sample=sample,
        units=dictionary.deviations,
        slack=subject.rounding(place),
        calls=steps * (subject.kernel.walkers or 1),
        first=subject.first,
        about=place.about(steps),
    )


def trials(subject: Subject) -> list[Trial]:
    """Every place after one step, and one place of each target after a few."""
    found: list[Trial] = []
    for target in subject.targets:
        found += [trial(subject, p, 1) for p in subject.places if p.target is target]
        found.append(trial(subject, subject.middle_place(target), FEW))
    return found
