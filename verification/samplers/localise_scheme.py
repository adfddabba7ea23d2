"""Guesses for samplers with a documented one-step law, from the noise read back.

What is carried from call to call is asked for first: without it no gradient is late, no noise comes
twice and no schedule runs. Then drift and noise are read apart (``common``), and the one that is
farther off is named.
"""

from __future__ import annotations

import math

from .common import CommonFeatures, of_common
from .features import SequenceFeatures, of_sequence
from .localise import Localisation
from .schemes.scheme import Scheme
from .subject import Place, Subject

CLEAR = 6.0  # standard errors
TOGETHER = 8.0
SEEN = 1e-7  # of the noise: smaller errors of the drift are rounding
Guess = tuple[str, str, list[str]]


def guess(subject: Subject) -> Localisation:
    """First and second guess."""
    scheme = subject.scheme
    assert scheme is not None
    place = _place(subject, scheme)
    c = of_common(subject, place, scheme)
    first, second, why = _ranked(c, of_sequence(subject, place, scheme), scheme)
    return Localisation(first=first, second=second, evidence=why)


def _place(subject: Subject, scheme: Scheme) -> Place:
    """A large step in several dimensions on a target that is not Gaussian, if there is one.

    On a Gaussian the gradient is determined by the one before and the noise between.
    """
    known = [p for p in subject.places if not scheme.reason(p.target, p.step_size)]
    bent = [p for p in known if not p.target.gaussian and p.target.lipschitz] or known
    wide = [p for p in bent if p.target.for_step.dim > 1] or bent
    target = wide[0].target
    here = sorted((p for p in wide if p.target is target), key=lambda p: p.step_size)
    return here[min(3, len(here) - 1)]


def _ranked(c: CommonFeatures, f: SequenceFeatures, scheme: Scheme) -> Guess:
    if c.deaf:
        return "shared randomness", "schedule", ["another seed brings the same noise"]
    if c.memory and f.shared > TOGETHER and f.rhythm > 0.9:
        return "schedule", "shared randomness", ["all chains follow one rhythm"]
    if c.shared > TOGETHER:
        return "shared randomness", "schedule", [f"chains vary together ({c.shared:.0f} for 1)"]
    if c.memory:
        return _with_memory(f)
    off = c.drift > max(SEEN, c.rounding)
    if c.across > CLEAR + 2 and not off and not scheme.terms:
        return "shared randomness", "noise scale", ["noises of one step vary together"]
    if scheme.terms:
        said = [f"the mean move is off by {c.mean_score:.0f} se"]
        first = c.mean_score > CLEAR
        return ("drift", "noise scale", said) if first else ("noise scale", "drift", said)
    if scheme.momenta:
        return _with_momenta(c, f)
    return _drift_or_noise(c)


def _with_memory(f: SequenceFeatures) -> Guess:
    """Equal arguments gave different results: what is carried on?"""
    now, last = f.scores.get("gradient", 0.0), f.scores.get("last gradient", 0.0)
    noise = f.scores.get("last noise", 0.0)
    if abs(last) > CLEAR and now * last < 0 and abs(last) > abs(noise):
        return "stale gradient", "schedule", [f"the gradient before enters ({last:.0f} se)"]
    if abs(noise) > CLEAR:
        return "shared randomness", "stale gradient", [f"noise of the last call ({noise:.0f} se)"]
    if f.time_score > CLEAR:
        return "schedule", "noise scale", ["the noise changes from call to call"]
    return "schedule", "stale gradient", ["equal arguments gave different results"]


def _with_momenta(c: CommonFeatures, f: SequenceFeatures) -> Guess:
    said = [f"noise variance {c.variance:.3f}", f"drift off by {c.drift:.2g}"]
    off = c.drift > max(SEEN, c.rounding)
    if off and c.of_gradient * c.ahead < 0 and abs(c.ahead) > 0.3 * abs(c.of_gradient):
        return "stale gradient", "drift", [*said, "a gradient of another moment enters"]
    if off and abs(c.of_momentum) > max(abs(c.of_gradient), abs(c.ahead)):
        return "momentum refresh", "noise scale", [*said, "momenta fade by another factor"]
    if off:
        return "drift", "stale gradient", said
    if f.ties > 0.01:
        if abs(c.variance_score) > CLEAR:
            return "momentum refresh", "noise scale", [*said, "positions and momenta do not fit"]
        return "stale gradient", "drift", [*said, "positions and momenta do not fit"]
    return "noise scale", "momentum refresh", said


def _drift_or_noise(c: CommonFeatures) -> Guess:
    said = [f"noise variance {c.variance:.3f}", f"drift off by {c.drift:.2g} of the noise"]
    if c.drift <= max(SEEN, c.rounding):
        return "noise scale", "drift", said
    if abs(c.variance_score) < CLEAR:
        return "drift", "noise scale", [*said, f"gradient times {c.factor:.2f}"]
    # another step size: drift and variance change by one factor
    if abs(c.factor - c.variance) < 0.1 * abs(1 - c.variance):
        return "schedule", "noise scale", [*said, f"as with {c.factor:.2f} times the step size"]
    noise = abs(math.sqrt(max(c.variance, 0.0)) - 1)
    if noise > c.drift:
        return "noise scale", "drift", said
    return "drift", "noise scale", said
