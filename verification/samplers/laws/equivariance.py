r"""Equivariance: the step commutes with the symmetries of its documented rule.

Statement. With the same seed: U + const gives the same step; a target moved by b gives the step
moved by b; a target stretched by s, with the step size stretched by s^2, gives the step stretched
by s. Where the step takes its noise as an argument also: coordinates permuted or turned, noise
permuted or turned alike.
Level. No randomness: common random numbers, equality to 1e-8 relative, and at most two of the
chains may differ, namely those whose acceptance hung on the last bit (a chance below 1e-12 each).
Power. Constants with a scale or an origin of their own, exp(-U) for differences of U, a permuted
index.
Blind spots. Claimed for documented schemes only, by what their rule commutes with. An adjusted
kernel may be right without any of these symmetries (a preconditioner, a scan over coordinates):
there the law says what was seen and refutes nothing. In law rather than path by path, symmetries
are part of invariance on moved, turned and stretched targets.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ...decide import Verdict
from ..callers import Noise
from ..outcome import Outcome
from ..subject import Place, Subject
from ..targets.defaults import rotation
from ..targets.exact_target import ExactTarget
from ..targets.maps import moved

NAME = "equivariance"
STATEMENT = "the step commutes with the symmetries of its rule"
CHAINS = 256
MAY_DIFFER = 2


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.given:
        return "asked of samplers for any target; here the targets were given"
    if subject.kernel.walkers is not None:
        return "asked of chains that do not interact"
    if subject.scheme is not None and subject.scheme.terms:
        return "asked of samplers that see the whole gradient"
    if subject.kernel.rounding > 1e-10:
        return "in single precision paths part too soon"
    return ""


def _claimed(subject: Subject) -> set[str]:
    return {"constant", *(subject.scheme.equivariant if subject.scheme is not None else ())}


def examine(subject: Subject) -> Outcome:
    """Each symmetry on a target of two dimensions."""
    wide = [t for t in subject.targets if t.for_step.dim > 1]
    target = (wide or subject.targets)[0]
    place = subject.middle_place(target)
    kernel, d = subject.kernel, target.for_step.dim
    plain = target.base or target
    rng = np.random.default_rng((subject.seed, 4))
    x = target.draw(rng, CHAINS)
    noise = kernel.caller.drawn(CHAINS, d, rng)
    turn = rotation(d, seed=3)
    swap = np.eye(d)[::-1]
    kinds: dict[str, tuple[ExactTarget, FloatArray, FloatArray, float]] = {
        "constant": (moved(plain, constant=10.0), np.eye(d), np.zeros(d), 1.0),
        "translation": (moved(plain, shift=3.0), np.eye(d), np.full(d, 3.0), 1.0),
    }
    if "step_size" in kernel.names and not kernel.with_momenta:
        kinds["scaling"] = (moved(plain, scale=2.0), np.eye(d), np.zeros(d), 2.0)
    if kernel.takes_noise and d > 1:
        kinds["rotation"] = (moved(plain, rotation=turn), turn, np.zeros(d), 1.0)
        kinds["permutation"] = (moved(plain, rotation=swap), swap, np.zeros(d), 1.0)
    base = _step(subject, target, x, place.step_size, noise)
    agreed: list[str] = []
    differed: list[str] = []
    for name, (image, matrix, shift, scale) in kinds.items():
        there = kernel.state_target(image)
        start = _mapped(x, d, matrix, shift, scale)
        turned = {k: v @ matrix.T if k == "xi" else v for k, v in noise.items()}
        got = _step(subject, there, start, place.step_size * scale**2, turned)
        wanted = _mapped(base, d, matrix, shift, scale)
        tolerance = 1e-8 * (np.abs(wanted).max() + 1)
        unlike = ~np.all(np.abs(got - wanted) <= tolerance, axis=1)
        unlike &= np.all(np.isfinite(wanted), axis=1)
        (differed if int(unlike.sum()) > MAY_DIFFER else agreed).append(name)
    return _outcome(subject, place, agreed, differed)


def _outcome(subject: Subject, place: Place, agreed: list[str], differed: list[str]) -> Outcome:
    claimed = _claimed(subject)
    broken = [name for name in differed if name in claimed and subject.scheme is not None]
    detail = f"commutes with: {', '.join(agreed) or 'nothing tried'}"
    if differed:
        detail += f"; not with: {', '.join(differed)}"
    if broken:
        return Outcome(verdict=Verdict.VIOLATED, detail=detail, where=place.label)
    if differed and subject.scheme is None:
        return Outcome(verdict=Verdict.NOT_APPLICABLE, detail=f"{detail} (not claimed)")
    return Outcome(verdict=Verdict.HOLDS, detail=detail)


def _step(
    subject: Subject, target: ExactTarget, x: FloatArray, h: float, noise: Noise
) -> FloatArray:
    if noise:
        return subject.kernel.with_noise(x, target, h, noise)
    return subject.kernel.advance(x, target, h, np.random.default_rng(21))


def _mapped(
    x: FloatArray, d: int, matrix: FloatArray, shift: FloatArray, scale: float
) -> FloatArray:
    """Positions turned, stretched and moved; momenta turned alike."""
    blocks = [scale * x[:, :d] @ matrix.T + shift]
    if x.shape[1] > d:
        blocks.append(x[:, d:] @ matrix.T)
    return np.concatenate(blocks, axis=1)
