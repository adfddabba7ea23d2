r"""Independence across chains and across seeds.

Statement. Chains of one call are independent, and so are chains of calls with different seeds.
Level. Groups of four: chains a, b from one call, a', b' from another with another seed, starts
independent exact draws. b and b' then have one law and are independent of a, so for every bounded
F, E[F(a) (F(b) - F(b'))] = 0 exactly, whatever the kernel. Noise shared within a call makes it
positive. Likewise E[F(a) (F(a') - F(b'))] = 0 sees noise that repeats from seed to seed in place;
and a chain among few has the law of a chain among many: E[F(c) - F(c')] = 0 for calls of different
sizes. Power. Noise shared within a call moves the mean by the variance of F: found in some hundred
groups. Blind spots. Dependence that averages out of the location and the size of a displacement;
pairs of chains other than neighbours and far ends. Not asked of walkers, which interact.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..shapes import tame
from ..subject import Place, Subject, child
from ..trial import Trial

NAME = "independence"
STATEMENT = "chains of one call, and calls with different seeds, are independent"
SHARE = 0.15
FEW = 4
SMALL_CALLS = 8


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.kernel.shared:
        return f"the chains of one call share their {subject.kernel.shared}, as was said"
    return "walkers of one ensemble interact" if subject.kernel.walkers is not None else ""


def _functions(place: Place, x: FloatArray, after: FloatArray) -> FloatArray:
    """Bounded functions (n, 3) of one chain's step, in [-1, 1]."""
    _, spread, middle, width = place.target.scale
    size = spread if place.displacement is None else place.displacement
    moved = tame((after - x) / size)
    with np.errstate(all="ignore"):
        energy = place.target.energy.potential(np.nan_to_num(after))
    return np.stack(
        [
            np.tanh(moved[:, 0]),
            np.tanh(np.abs(moved).mean(axis=1) - 1),
            np.tanh(tame((energy - middle) / max(width, 1e-300))),
        ],
        axis=1,
    )


_SEEN = ("displacement", "size of the displacement", "energy")


def trial(subject: Subject, place: Place) -> Trial:
    """Independence at one place."""

    def call(rng: np.random.Generator, count: int) -> FloatArray:
        x = subject.draw(place, rng, count)
        return _functions(place, x, subject.advance(place, x, child(rng)))

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        groups = max(1, count // 4)
        one, other = call(rng, 2 * groups), call(rng, 2 * groups)
        few = [call(rng, FEW) for _ in range(SMALL_CALLS)]
        a, b = one[0::2], one[1::2]
        c, e = other[0::2], other[1::2]
        # the first half of a call against its second half: chains that are far apart
        far = groups // 2
        distant = np.zeros_like(a)
        distant[:far] = a[:far] * (a[groups - far :] - c[groups - far :]) / 2
        sizes = np.zeros_like(a)
        together = np.concatenate(few)[:groups]
        sizes[: len(together)] = (together - e[: len(together)]) / 2
        return np.concatenate(
            [a * (b - e) / 2, distant, a * (c - e) / 2, sizes],
            axis=1,
        )

    names = [f"{f} of neighbouring chains" for f in _SEEN]
    names += [f"{f} of distant chains" for f in _SEEN]
    names += [f"{f} under different seeds" for f in _SEEN]
    names += [f"{f} among few chains and among many" for f in _SEEN]
    return Trial(
        law=NAME,
        label=place.label,
        names=names,
        sample=sample,
        units=np.full(len(names), 0.25),
        slack=0.0,
        calls=4,
        first=subject.first,
        about=place.about(1),
    )


def trials(subject: Subject) -> list[Trial]:
    """The middle place of the first three targets."""
    return [trial(subject, subject.middle_place(t)) for t in subject.targets[:3]]
