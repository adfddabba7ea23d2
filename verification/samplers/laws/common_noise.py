r"""Common noise: the same seed brings the same noise, wherever the step starts.

Statement. x' = F(x) + N xi with xi from the generator alone: the noise R that the documented rule
reads back from a step depends on the seed and not on the start, R(x, x') = R(y, y') for x' and y'
made with one seed.
Level. No randomness: equality up to rounding, which is bounded by the sizes of states and drifts in
units of the noise. No false alarm, no error probability spent.
Power. Errors of the drift of any size above rounding, seen at once: the noise, and an error of its
scale, cancel in the difference. Clipped, tamed, damped and preconditioned gradients; noise whose
size depends on the place.
Blind spots. Constant drifts; errors of the noise. Asked of documented schemes with additive noise
that are reproducible; a generator that is read differently in different places (draws by rejection
of the state, say) would be refuted, though its law might be right.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ...decide import Verdict
from ..arguments import SOURCES_OF_NOISE
from ..outcome import Outcome
from ..schemes.scheme import Scheme
from ..shapes import tame
from ..subject import Place, Subject

NAME = "common noise"
STATEMENT = "one seed brings one noise, wherever the step starts"
CHAINS = 64
MAY_DIFFER = 2
_ROUNDINGS = 1e4
_COARSEST = 0.01
_SEED = 51


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    scheme = subject.scheme
    if scheme is None:
        return "no documented one-step law; name one with scheme="
    if scheme.terms:
        return "minibatch noise is not additive"
    if subject.kernel.walkers is not None:
        return "asked of chains that do not interact"
    if SOURCES_OF_NOISE.isdisjoint(subject.kernel.names):
        return "the step takes no rng, key, xi or u: its noise is its own"
    return "" if _placed(subject, scheme) else "the law is known at none of the places"


def _placed(subject: Subject, scheme: Scheme) -> list[Place]:
    return [p for p in subject.places if not scheme.reason(p.target, p.step_size)]


def noise_of(
    subject: Subject, scheme: Scheme, place: Place, x: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The noise (n, k) read back from steps with one seed, and its rounding (n, 1)."""
    target, h = place.target, place.step_size
    after = subject.kernel.advance(x, target, h, np.random.default_rng(_SEED))
    d = target.for_step.dim
    with np.errstate(all="ignore"):
        found = tame(scheme.innovations(target, x, after, h).normal)
        force = np.abs(target.for_step.gradient(x[:, :d])).max(axis=1)
    size = np.abs(x).max(axis=1) + np.abs(np.nan_to_num(after)).max(axis=1) + h * force
    rounding = _ROUNDINGS * subject.kernel.rounding * (1 + size / scheme.noise_size(target, h))
    return found, np.asarray(rounding[:, None])


def examine(subject: Subject) -> Outcome:
    """Two starts for every chain, at every place."""
    scheme = subject.scheme
    assert scheme is not None  # reason has asked
    seen, largest = 0, 0.0
    for place in _placed(subject, scheme):
        rng = np.random.default_rng((subject.seed, 51))
        x, y = (subject.representable(place.target.draw(rng, CHAINS)) for _ in range(2))
        first, rounding = noise_of(subject, scheme, place, x)
        second, other = noise_of(subject, scheme, place, y)
        again, _ = noise_of(subject, scheme, place, x)
        if not np.array_equal(first, again, equal_nan=True):
            return Outcome(
                verdict=Verdict.UNDECIDED, detail="the same start and seed gave another noise"
            )
        limit = rounding + other
        resolved = (limit <= _COARSEST)[:, 0]
        unlike = np.any(np.abs(first - second) > limit, axis=1) & resolved
        if int(unlike.sum()) > MAY_DIFFER:
            off = float(np.abs(first - second)[unlike].max())
            return Outcome(
                verdict=Verdict.VIOLATED,
                detail=f"the noise read back differs by up to {off:.3g} between two starts",
                where=place.label,
            )
        if resolved.any():
            seen += 1
            largest = max(largest, float(np.abs(first - second)[resolved].max()))
    if not seen:
        return Outcome(verdict=Verdict.UNDECIDED, detail="rounding hides the noise everywhere")
    return Outcome(
        verdict=Verdict.HOLDS, detail=f"noises agree within {largest:.1g} at {seen} places"
    )
