r"""Detailed balance: from exact draws, (X, X') and (X', X) have one law.

Statement. X ~ pi, X' = K(X), K reversible  ==>  E[g(X, X') - g(X', X)] = 0 for every bounded g.
With momenta, reversal turns them: ((x, v), (x', v')) and ((x', -v'), (x, -v)).
Level. Payoffs are antisymmetric, bounded by one and of mean zero given the past, exactly.
Power. As for invariance. Odd functions of the displacement times even functions of the pair are
scaled to the displacement itself, so small step sizes are no hiding place.
Blind spots. An error that keeps detailed balance with another law shows only through the exact
draws; asked only where reversibility is claimed (reversible=True).
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..shapes import tame
from ..subject import Place, Subject, child
from ..trial import Trial

NAME = "detailed balance"
STATEMENT = "from exact draws, (x, x') and (x', x) have one law"
SHARE = 0.2


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if not subject.keeps_target:
        return "an unadjusted scheme has another stationary law"
    if subject.kernel.walkers is not None and not subject.kernel.shared:
        return "walkers of one ensemble move together"
    return "" if subject.reversible else "not claimed; say reversible=True to have it tested"


def _features(subject: Subject, place: Place, z: FloatArray) -> FloatArray:
    """Bounded features (n, 5) of single states, in [-1, 1]."""
    centre, spread, middle, width = place.target.scale
    y = tame((z - centre) / spread)
    with np.errstate(all="ignore"):
        u = place.target.energy.potential(np.nan_to_num(z))
    energy = tame((u - middle) / max(width, 1e-300))
    last = y[:, -1]
    return np.stack(
        [
            np.tanh(y[:, 0]),
            2 * y[:, 0] ** 2 / (y[:, 0] ** 2 + 2) - 1,
            np.tanh(last),
            np.tanh(y.sum(axis=1) / np.sqrt(y.shape[1])),
            np.tanh(energy / 2),
        ],
        axis=1,
    )


_FEATURES = ("location of x0", "scale of x0", "location of the last", "sum", "energy")
_PAIRS = tuple((a, b) for a in range(5) for b in range(a + 1, 5))


def trial(subject: Subject, place: Place) -> Trial:
    """Detailed balance at one place."""
    target, kernel = place.target, subject.kernel
    d = target.for_step.dim
    looked = sorted({0, d - 1})
    centre, spread, middle, width = target.scale
    size = (spread if place.displacement is None else place.displacement)[:d]

    def reversed_(z: FloatArray) -> FloatArray:
        if not kernel.with_momenta:
            return z
        return np.concatenate([z[:, :d], -z[:, d:]], axis=1)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        x = subject.draw(place, rng, count * subject.group)
        after = subject.advance(place, x, child(rng))
        columns: list[FloatArray] = []
        for i in looked:
            odd = np.tanh(tame((after[:, i] - x[:, i]) / size[i]))
            even = np.tanh(tame(((after[:, i] + x[:, i]) / 2 - centre[i]) / spread[i]))
            columns += [odd, odd * even]
        with np.errstate(all="ignore"):
            u, w = target.energy.potential(x), target.energy.potential(np.nan_to_num(after))
        rise = np.tanh(tame(w - u))
        columns += [rise, rise * np.tanh(tame(((u + w) / 2 - middle) / max(width, 1e-300)))]
        forth, back = _features(subject, place, x), _features(subject, place, after)
        forth_r, back_r = (
            _features(subject, place, reversed_(z)) if kernel.with_momenta else f
            for z, f in ((x, forth), (after, back))
        )
        columns += [
            (forth[:, a] * back[:, b] - back_r[:, a] * forth_r[:, b]) / 2 for a, b in _PAIRS
        ]
        return subject.averaged(np.stack(columns, axis=1))

    names: list[str] = []
    for i in looked:
        names += [f"displacement of x{i}", f"displacement of x{i} against its place"]
    names += ["rise of the energy", "rise of the energy against its level"]
    names += [f"{_FEATURES[a]} before against {_FEATURES[b]} after" for a, b in _PAIRS]
    return Trial(
        law=NAME,
        label=place.label,
        names=names,
        sample=sample,
        units=np.full(len(names), 0.5),
        slack=min(subject.rounding(place) * float(np.max(spread[:d] / size)), 0.05),
        calls=subject.group,
        first=subject.fewest,
        about=place.about(1),
    )


def trials(subject: Subject) -> list[Trial]:
    """Every place."""
    return [trial(subject, p) for p in subject.places]
