r"""Invariance: one or a few steps from exact draws leave pi as it is.

Statement. X ~ pi, X' = K^k(X)  ==>  E[f(X') - f(X)] = 0 for every bounded f, at every step size.
Level. Payoffs f(X') - f(X) lie in [-1, 1] and have mean zero given the past, exactly: draws are
independent, there is no burn-in and no autocorrelation. Ville's inequality does the rest.
Power. A shift of E f by s standard deviations of f(X') - f(X) is found after about 2 L / s^2 calls,
L the logarithm of 1/alpha, the shares and the number of functions. f runs over location, scale,
skewness, tails, cross terms, energy, gradient and virial.
Ensembles. Walkers that are drawn independently and moved together leave the law of the whole
ensemble as it is, so the average of f over it, rescaled by its own standard deviation and bounded,
is a function like any other: differences of it are worth a bet, where those of a plain average are
too small for the largest stake.
Blind spots. A kernel that keeps pi and does not mix (the identity, x -> -x on a symmetric target);
what only shows in coordinates other than the sixty-four that the seed draws, where there are more;
errors at step sizes that were not tried.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from .. import ensemble
from ..dictionary import dictionary_of
from ..subject import Place, Subject, child
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
    dictionary = dictionary_of(place.target, subject.seed)
    size, rounding = subject.kernel.walkers, subject.rounding(place)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        x = subject.draw(place, rng, count * subject.group)
        after = subject.advance(place, x, child(rng), steps)
        if size is None:
            return np.asarray(dictionary(after) - dictionary(x))
        return ensemble.payoffs(dictionary, x, after, size)

    return Trial(
        law=law,
        label=place.label + (f", {steps} steps" if steps > 1 else ""),
        names=dictionary.names if size is None else ensemble.names(dictionary),
        sample=sample,
        units=dictionary.deviations if size is None else ensemble.units(dictionary, size),
        slack=rounding if size is None else ensemble.slack(rounding, size),
        calls=steps * subject.group,
        first=subject.fewest,
        about=place.about(steps),
    )


def trials(subject: Subject) -> list[Trial]:
    """Every place after one step, and one place of each target after a few."""
    found: list[Trial] = []
    for target in subject.targets:
        found += [trial(subject, p, 1) for p in subject.places if p.target is target]
        found.append(trial(subject, subject.middle_place(target), FEW))
    return found
