"""Documented schemes with momenta on a flat potential, and the drift of any scheme place by place.

Where U is constant a splitting only moves, fades and refreshes: z' = A z + N(0, Q) with A and Q in
closed form. Differences of two starts with one seed give A, equal starts give Q; what they miss is
a fault of the refreshment or of the moves. A constant gradient shows how much the kicks are, and
what is left is a gradient of another place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .localise_trace import TracedEnergy
from .schemes.scheme import Scheme
from .shapes import tame
from .subject import Place, Subject
from .targets.exact_target import ExactTarget

CHAINS = 16_384
SCAN = 128


@dataclass(frozen=True, kw_only=True)
class Flat:
    """What the step misses of its documented linear law where U is constant.

    Parameters
    ----------
    fade, move : float
        Errors of the momentum's and of the position's answer to the momentum before, relative.
    noise, reach : float
        Errors of the standard deviations of momentum and position, relative.
    kick : float
        Error of the momentum's answer to a constant gradient, relative.
    """

    fade: float
    move: float
    noise: float
    reach: float
    kick: float


def of_flat(subject: Subject, place: Place, scheme: Scheme) -> Flat:
    """Reads the linear law of a step with momenta on a flat potential."""
    target, h = place.target, place.step_size
    d = target.for_step.dim
    zero = np.zeros((2 * d, 2 * d))
    plane = replace(
        target,
        precision=zero,
        mean=np.zeros(2 * d),
        handed=TracedEnergy(target.for_step, factor=0.0),
    )
    law = scheme.linear(plane, h)
    if law is None:
        raise ArgumentError(f"{scheme.name} has no linear law on a flat potential")
    start = np.repeat(subject.draw(place, np.random.default_rng((subject.seed, 96)), 1), CHAINS, 0)
    kicked = start.copy()
    kicked[:, d:] += 1.0
    after, other = (
        tame(subject.kernel.advance(z, plane, h, np.random.default_rng(5))) for z in (start, kicked)
    )
    answer = np.median(other - after, axis=0)
    wanted = law.factor[:, d:].sum(axis=1)
    spread, own = after.std(axis=0), np.sqrt(np.diag(law.covariance))

    def largest(now: object, then: object) -> float:
        return float(np.max(np.abs(np.asarray(now) / np.asarray(then) - 1)))

    return Flat(
        fade=largest(answer[d:], wanted[d:]),
        move=largest(answer[:d], wanted[:d]),
        noise=largest(spread[d:], own[d:]),
        reach=largest(spread[:d], own[:d]),
        kick=_kick(subject, place, scheme, plane, start, after),
    )


def _kick(
    subject: Subject,
    place: Place,
    scheme: Scheme,
    plane: ExactTarget,
    start: FloatArray,
    after: FloatArray,
) -> float:
    """Relative error of what a constant gradient b does: (1 - A) m with P m = -b as P goes to 0."""
    d, h = place.target.for_step.dim, place.step_size
    little = 1e-7
    precision = np.diag(np.r_[np.full(d, little), np.ones(d)])
    law = scheme.linear(replace(plane, precision=precision), h)
    assert law is not None
    far = np.r_[np.full(d, -1 / little), np.zeros(d)]
    wanted = far - law.factor @ far
    line = TracedEnergy(
        place.target.for_step,
        lift=lambda z: np.asarray(z.sum(axis=1)),
        push=lambda z: np.ones_like(z),
        factor=0.0,
    )
    pushed = tame(
        subject.kernel.advance(start, replace(plane, handed=line), h, np.random.default_rng(5))
    )
    answer = np.median(pushed - after, axis=0)
    return float(np.max(np.abs(answer[d:] / wanted[d:] - 1)))


def farthest(subject: Subject, scheme: Scheme, rounding: float) -> Place | None:
    """The place where the drift is farthest off its rule, in units of the noise, if anywhere."""
    best, most = None, rounding
    for place in subject.places:
        target, h = place.target, place.step_size
        if scheme.reason(target, h) or not target.lipschitz:
            continue
        rng = np.random.default_rng((subject.seed, 97))
        read = []
        for x in (subject.draw(place, rng, SCAN) for _ in range(2)):
            after = subject.advance(place, x, np.random.default_rng(6))
            with np.errstate(all="ignore"):
                found = scheme.innovations(target, x, np.nan_to_num(after), h).normal
            read.append(np.clip(tame(found), -50, 50))
        size = float(np.sqrt(np.mean((read[0] - read[1]) ** 2)))
        unit = float(np.median(np.abs(x).max(axis=1))) / scheme.noise_size(target, h)
        if size > most * (1 + unit):
            best, most = place, size / (1 + unit)
    return best
