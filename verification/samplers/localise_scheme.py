"""Guesses for samplers with a documented one-step law, from the noise read back.

What is carried from call to call is asked for first: without it no gradient is late, no noise comes
twice and no schedule runs. Then drift and noise are read apart (``common``), and the one that is
farther off is named.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lvebm_theory.errors import LvebmError

from . import localise_memory
from .common import CHAINS, CommonFeatures, of_common
from .features import SequenceFeatures, of_sequence
from .localise import Localisation
from .localise_crowd import paired, repeated
from .localise_flat import CHAINS as FLAT_CHAINS
from .localise_flat import Flat, farthest, of_flat
from .schemes.scheme import Scheme
from .shapes import tame
from .subject import Place, Subject, child

CLEAR = 6.0  # standard errors
TOGETHER = 8.0
ONE = 0.95  # correlation of noises that are one
LARGE = 1e4  # steps so large that only the drift is seen; one over it: only the noise
MANY = 16_384
EXACT = 1e-5
PASSING = ("sk-rock", "exact")  # schemes whose noise the drift takes part in
SEEN = 1e-7  # of the noise: smaller errors of the drift are rounding
HALF = (
    "the rule of half this step size is followed: if x - (s/2) grad U + sqrt(s) xi is "
    "meant, say convention='half'"
)
Guess = tuple[str, str, list[str]]


def guess(subject: Subject) -> Localisation:
    """First and second guess."""
    scheme = subject.scheme
    assert scheme is not None
    place = _place(subject, scheme)
    c = of_common(subject, place, scheme)
    crowd = _of_crowd(subject, place, c, scheme)
    if crowd is not None:
        first, second, why = crowd
    elif c.memory:
        carried = localise_memory.guess(subject, place)
        first, second, why = carried or _with_memory(of_sequence(subject, place, scheme))
    elif scheme.terms:
        first, second, why = _of_terms(subject, place, c)
    else:
        if c.drift <= max(SEEN, c.rounding):
            # an error of the drift may show on few targets
            other = farthest(subject, scheme, max(SEEN, 1e3 * subject.kernel.rounding))
            if other is not None:
                place, c = other, of_common(subject, other, scheme)
        f = of_sequence(subject, place, scheme)
        if scheme.momenta:
            first, second, why = _with_momenta(c, f, _flat(subject, place, scheme))
        else:
            first, second, why = _drift_or_noise(c, scheme)
    if half_convention(subject, place, scheme):
        why = [HALF, *why]
    return Localisation(first=first, second=second, evidence=why)


def half_convention(subject: Subject, place: Place, scheme: Scheme) -> bool:
    """Whether the step is right for half its step size: drift and noise of another convention."""
    kernel = subject.kernel
    if scheme.momenta or scheme.terms or kernel.unit != 1 or "step_size" not in kernel.names:
        return False
    rng = np.random.default_rng((subject.seed, 97))
    x = subject.draw(place, rng, CHAINS)
    after = subject.advance(place, x, child(rng))
    with np.errstate(all="ignore"):
        found = scheme.innovations(place.target, x, after, place.step_size / 2)
    r = tame(found.normal)
    g = place.target.for_step.gradient(x)
    against = float((r * g).sum() / np.sqrt((g * g).sum() + 1e-300))
    variance = (float(np.mean(r**2)) - 1) / math.sqrt(2 / r.size)
    return abs(variance) < CLEAR and abs(against) < CLEAR


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


def _of_crowd(subject: Subject, place: Place, c: CommonFeatures, scheme: Scheme) -> Guess | None:
    """Noise that serves more than one chain, coordinate or call."""
    if c.deaf:
        return "shared randomness", "schedule", ["another seed brings the same noise"]
    if c.memory:
        carried = None if scheme.terms else localise_memory.guess(subject, place)
        if carried is not None and carried[0] == "stale gradient":
            return carried
        f = of_sequence(subject, place, scheme)
        if f.shared > TOGETHER and f.rhythm > 0.9:
            return "schedule", "shared randomness", ["all chains follow one rhythm"]
        if f.shared > TOGETHER:
            said = [f"chains vary together ({f.shared:.0f} for 1)"]
            return "shared randomness", "schedule", said
        return None
    if c.shared > TOGETHER:
        said = [f"chains vary together ({c.shared:.0f} for 1)"]
        return "shared randomness", "noise scale", said
    if repeated(subject, place, scheme):
        return "shared randomness", "noise scale", ["chains draw from few numbers"]
    far = replace(place, step_size=LARGE * place.target.length**2) if scheme.terms else place
    if paired(subject, far):
        return "shared randomness", "noise scale", ["two chains always move alike or opposite"]
    if c.across > CLEAR + 2 and c.drift <= max(SEEN, c.rounding) and not scheme.terms:
        together = c.across / math.sqrt(CHAINS)
        said = [f"noises of one step correlate ({together:.2f})"]
        if together > ONE:
            return "shared randomness", "noise scale", said
        return "noise scale", "shared randomness", said
    return None


def _of_terms(subject: Subject, place: Place, c: CommonFeatures) -> Guess:
    """Minibatches: at large steps the noise is theirs alone, at small ones they are not seen."""
    target, d = place.target, place.target.for_step.dim
    rng = np.random.default_rng((subject.seed, 98))
    scores = []
    large = replace(place, step_size=LARGE * target.length**2)
    tiny = replace(place, step_size=target.length**2 / LARGE)
    for _ in range(5):
        x = np.repeat(subject.draw(place, rng, 1), MANY, axis=0)
        move = subject.advance(large, x, child(rng))[:, :d] - x
        miss = move.mean(axis=0) + large.step_size * target.for_step.gradient(x[:1])[0]
        scores.append(np.abs(miss / (move.std(axis=0) + 1e-300)).max() * math.sqrt(MANY))
    move = subject.advance(tiny, x, child(rng))[:, :d] - x
    noise = float(move.std()) / math.sqrt(2 * tiny.step_size)
    said = [
        f"the mean move is off by {max(scores):.0f} se at large steps",
        f"the noise is {noise:.3f} times its rule at small ones",
    ]
    if max(scores) > max(CLEAR, c.mean_score / 4):
        return "drift", "noise scale", said
    return "noise scale", "drift", said


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


def _flat(subject: Subject, place: Place, scheme: Scheme) -> Flat | None:
    """None where the step takes no other energy than those it was made for."""
    try:
        return of_flat(subject, place, scheme)
    except LvebmError:
        return None


def _with_momenta(c: CommonFeatures, f: SequenceFeatures, flat: Flat | None) -> Guess:
    if flat is None:
        said = [f"drift off by {c.drift:.2g}"]
        off = c.drift > max(SEEN, c.rounding)
        return ("drift", "stale gradient", said) if off else ("noise scale", "drift", said)
    said = [
        f"on a flat potential momenta fade by a factor off by {flat.fade:.2g}, their noise is off "
        f"by {flat.noise:.2g}, moves by {flat.move:.2g}"
    ]
    rough = 6 / math.sqrt(FLAT_CHAINS)
    if flat.fade > EXACT:
        return "momentum refresh", "noise scale", said
    if flat.noise > rough:
        return "noise scale", "momentum refresh", said
    if flat.move > EXACT or flat.reach > rough:
        return "drift", "momentum refresh", said
    off = c.drift > max(SEEN, c.rounding)
    said = [*said, f"drift off by {c.drift:.2g}"]
    if flat.kick > 1e-4:
        return "drift", "stale gradient", [*said, f"kicks off by {flat.kick:.2g}"]
    if off or f.ties > 0.01:
        # the right amount, but not of the right place
        return "stale gradient", "drift", [*said, "kicks are right where the gradient is constant"]
    return "noise scale", "momentum refresh", said


def _drift_or_noise(c: CommonFeatures, scheme: Scheme) -> Guess:
    said = [f"noise variance {c.variance:.3f}", f"drift off by {c.drift:.2g} of the noise"]
    if c.drift <= max(SEEN, c.rounding):
        return "noise scale", "drift", said
    if abs(c.variance_score) < CLEAR:
        return "drift", "noise scale", [*said, f"gradient times {c.factor:.2f}"]
    # another step size: drift and variance change by one factor
    if abs(c.factor - c.variance) < 0.1 * abs(1 - c.variance):
        return "schedule", "noise scale", [*said, f"as with {c.factor:.2f} times the step size"]
    if scheme.name in PASSING:
        # noise passes through the stages of the drift, not the other way round
        return "drift", "noise scale", said
    noise = abs(math.sqrt(max(c.variance, 0.0)) - 1)
    if noise > 0.8 * min(c.drift, abs(1 - c.factor)):
        return "noise scale", "drift", said
    return "drift", "noise scale", said
