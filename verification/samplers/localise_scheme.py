"""Guesses for samplers with a documented one-step law, from the noise read back."""

from __future__ import annotations

from .features import SequenceFeatures, of_sequence
from .localise import Localisation
from .schemes.scheme import Scheme
from .subject import Place, Subject

CLEAR = 6.0  # standard errors
TOGETHER = 8.0


def guess(subject: Subject, memory: bool) -> Localisation:
    """First and second guess; ``memory`` says that equal arguments gave different results."""
    scheme = subject.scheme
    assert scheme is not None
    place = _place(subject, scheme)
    found = of_sequence(subject, place, scheme)
    first, second, why = _ranked(found, memory)
    return Localisation(first=first, second=second, evidence=why)


def _place(subject: Subject, scheme: Scheme) -> Place:
    """A large step on a target that is not Gaussian, if there is one.

    On a Gaussian the gradient is determined by the one before and the noise between.
    """
    known = [p for p in subject.places if not scheme.reason(p.target, p.step_size)]
    bent = [p for p in known if not p.target.gaussian and p.target.lipschitz] or known
    target = bent[0].target
    here = sorted((p for p in bent if p.target is target), key=lambda p: p.step_size)
    return here[min(3, len(here) - 1)]


def _ranked(f: SequenceFeatures, memory: bool) -> tuple[str, str, list[str]]:
    said = [f"noise variance {f.variance:.3f}", f"drift factor {f.drift:.2f}"]
    if f.shared > TOGETHER:
        return "shared randomness", "schedule", [f"chains vary together ({f.shared:.0f} for 1)"]
    now, last = f.scores.get("gradient", 0.0), f.scores.get("last gradient", 0.0)
    ahead, noise = f.scores.get("next gradient", 0.0), f.scores.get("last noise", 0.0)
    curved = f.scores.get("curved gradient", 0.0)
    momentum = f.scores.get("momentum", 0.0)
    for other, name in ((last, "the call before"), (ahead, "the end of the step")):
        if abs(other) > CLEAR and now * other < 0 and abs(other) > abs(noise):
            return "stale gradient", "drift", [f"the gradient of {name} enters ({other:.0f} se)"]
    if abs(noise) > CLEAR:
        return "shared randomness", "stale gradient", [f"noise of the last call ({noise:.0f} se)"]
    if f.time_score > CLEAR:
        return "schedule", "noise scale", [*said, "the noise changes from call to call"]
    push = now if abs(now) > abs(curved) else curved
    if f.ties > 0.01:
        if abs(push) > CLEAR:
            return "drift", "stale gradient", [*said, "positions and momenta do not fit"]
        return "stale gradient", "drift", [*said, "positions and momenta do not fit"]
    if abs(momentum) > CLEAR:
        return "momentum refresh", "noise scale", [f"the momentum enters ({momentum:.0f} se)"]
    loud = max(abs(f.variance_score), abs(f.tail_score))
    together = abs(f.drift - f.variance) < 0.3 * abs(1 - f.variance)
    if abs(push) > 4 and abs(f.variance_score) > CLEAR and together:
        return "schedule", "noise scale", [*said, "as with another step size"]
    if memory and max(loud, abs(push)) < CLEAR:
        return "schedule", "stale gradient", ["equal arguments gave different results"]
    # the drift shows in the variance too, so it is asked for first
    if abs(push) > CLEAR and abs(push) > 0.3 * loud:
        return "drift", "noise scale", said
    if loud > CLEAR / 2 and loud > abs(push):
        return "noise scale", "drift", said
    return "drift", "noise scale", said
