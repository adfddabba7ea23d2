r"""Numerical extremes: single precision, large offsets, tiny and huge scales, a constant added to
U.

Statement. The laws of invariance (adjusted) and of one step (unadjusted) hold on targets moved by a
thousand standard deviations, shrunk and stretched by 1e4, with a constant added to U beside which
exp(-U) underflows or overflows, and from positions in single precision.
Level. These are trials like any other; what rounding can add to a mean is bounded and given to the
bets as slack. A sampler in single precision is moved and shifted less.
Power. Tolerances, clips and floors with a scale of their own, exp(-U) where differences of U were
meant, and mixed precision.
Blind spots. Extremes beyond these.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from ..subject import Place, Subject
from ..targets.exact_target import ExactTarget
from ..targets.gaussians import gaussian
from ..targets.maps import moved
from ..trial import Trial
from . import invariance, one_step_law

NAME = "numerical extremes"
STATEMENT = "scales, offsets and constants change nothing, nor does single precision"
SHARE = 0.1
BASE = gaussian([[1.5, 0.5], [0.5, 1.0]])


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.given:
        return "asked of samplers for any target; here the targets were given"
    if "step_size" not in subject.kernel.names:
        return "the step size cannot be set"
    if subject.min_dim > BASE.dim:
        return f"its targets have {BASE.dim} dimensions"
    if not subject.keeps_target and subject.scheme is None:
        return "no documented one-step law; name one with scheme="
    if subject.scheme is not None and subject.scheme.terms:
        return "asked of samplers that see the whole gradient"
    return ""


@lru_cache(maxsize=2)
def _targets(offset: float, constant: float) -> tuple[ExactTarget, ...]:
    return (
        moved(BASE, shift=offset, name=f"normal at {offset:g}"),
        moved(BASE, scale=1e-4, name="normal of scale 1e-4"),
        moved(BASE, scale=1e4, name="normal of scale 1e4"),
        moved(BASE, constant=constant, name=f"normal, U + {constant:g}"),
        moved(BASE, constant=-constant, name=f"normal, U - {constant:g}"),
    )


def _places(subject: Subject) -> list[tuple[Place, float]]:
    """Places, and what the constant in U adds to rounding."""
    coarse = subject.kernel.rounding > 1e-10
    offset, constant = (20.0, 200.0) if coarse else (1e3, 1e3)
    usual = subject.middle_place(subject.targets[0])
    found = []
    for target in _targets(offset, constant):
        state = subject.kernel.state_target(target)
        rounded = 8 * subject.kernel.rounding * (constant if "U" in target.name else 0.0)
        # the step size that matches a scale s is s or s^2, whichever the sampler's is
        for power in (1, 2) if target.length != BASE.length else (1,):
            h = usual.step_size * (target.length / subject.targets[0].length) ** power
            found.append((Place(target=state, step_size=h), rounded))
    return found


def _trials(subject: Subject, place: Place, rounded: float, note: str = "") -> list[Trial]:
    if subject.keeps_target:
        found = invariance.trial(subject, place, 1, NAME)
    elif subject.scheme is None or subject.scheme.reason(place.target, place.step_size):
        return []
    else:
        found = one_step_law.trial(subject, subject.scheme, place)
    label = found.label + note
    return [replace(found, law=NAME, label=label, slack=min(found.slack + rounded, 0.05))]


def trials(subject: Subject) -> list[Trial]:
    """Every extreme."""
    found = [t for place, rounded in _places(subject) for t in _trials(subject, place, rounded)]
    kernel = subject.kernel
    if kernel.rounding < 1e-10:
        single = replace(subject, kernel=kernel.in_single_precision())
        place = subject.middle_place(subject.targets[0])
        found += _trials(single, place, 0.0, " (single precision)")
    return found
