r"""The law of a linear scheme on Gaussians, at every step.

Statement. On N(m, P^-1) the scheme is y' - m = A (y - m) + N(0, Q). Started from its own stationary
law N(m, S), S = A S A' + Q, the state after k steps is N(m, S) again, and given y_0 it is
N(m + A^k (y_0 - m), Q_k).
Level. States are whitened by S and by Q_k; payoffs are bounded functions of standard normals
centred by closed forms.
Power. As the one-step law for what shows in one step; what accumulates (a schedule, a stale
gradient, noise used twice) grows with k.
Blind spots. Gaussian targets only; step sizes below the scheme's own limit of stability only.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..dictionary import RARE
from ..schemes.scheme import Scheme
from ..shapes import LOCATION, SCALE, SKEWNESS, tame
from ..subject import Place, Subject, child
from ..trial import Trial

NAME = "autoregression"
STATEMENT = "on Gaussians the state after k steps has the scheme's own law, at every step"
SHARE = 0.15
STEPS = (1, 2, 6)
_LARGEST_RADIUS = 0.995
_SHAPES = (LOCATION, SCALE, SKEWNESS)


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.scheme is None:
        return "no documented one-step law; name one with scheme="
    if _placed(subject):
        return ""
    return f"{subject.scheme.name} is linear and stable at none of the places tried"


def _placed(subject: Subject) -> list[Place]:
    scheme = subject.scheme
    if scheme is None:
        return []
    found = []
    for place in subject.places:
        law = scheme.linear(place.target, place.step_size)
        known = not scheme.reason(place.target, place.step_size)
        if known and law is not None and law.radius < _LARGEST_RADIUS:
            found.append(place)
    return found


def trial(subject: Subject, scheme: Scheme, place: Place) -> Trial:
    """The linear law at one place."""
    law = scheme.linear(place.target, place.step_size)
    assert law is not None  # _placed has asked
    k = len(law.mean)
    looked = sorted({0, k // 2, k - 1})
    root = np.linalg.cholesky(law.stationary())
    whiten = np.linalg.inv(root)
    later = {n: law.after(n) for n in STEPS[1:]}
    given = {n: np.linalg.inv(np.linalg.cholesky(p.covariance)) for n, p in later.items()}

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        z = rng.standard_normal((max(1, count) * subject.group, k))
        start = subject.representable(law.mean + z @ root.T)
        x, generator = start, child(rng)
        columns: list[FloatArray] = []
        for n in range(1, STEPS[-1] + 1):
            x = np.nan_to_num(subject.advance(place, x, generator), nan=1e6)
            if n not in STEPS:
                continue
            white = tame((x - law.mean) @ whiten.T)
            columns += [s(white[:, i]) for i in looked for s in _SHAPES]
            if n in later:
                mean = law.mean + (start - law.mean) @ later[n].factor.T
                r = tame((x - mean) @ given[n].T)
                for i in looked:
                    columns += [s(r[:, i]) for s in (LOCATION, SCALE)]
                    columns += [LOCATION(r[:, i]) * LOCATION(z[:, i])]
        return subject.averaged(np.stack(columns, axis=1))

    names: list[str] = []
    units: list[float] = []
    given_start = [LOCATION.deviation, SCALE.deviation, LOCATION.deviation**2]
    for n in STEPS:
        names += [f"{s.name} of component {i} after {n} steps" for i in looked for s in _SHAPES]
        units += [s.deviation for _ in looked for s in _SHAPES]
        if n in later:
            for i in looked:
                names += [
                    f"location of component {i} after {n} steps, given the start",
                    f"scale of component {i} after {n} steps, given the start",
                    f"memory of component {i} after {n} steps",
                ]
                units += given_start
    smallest = float(np.sqrt(min(np.linalg.eigvalsh(p.covariance)[0] for p in later.values())))
    reach = float(np.sqrt(law.stationary().diagonal().max())) * place.target.spread
    return Trial(
        law=NAME,
        label=place.label,
        names=names,
        sample=sample,
        units=np.maximum(units, RARE),
        slack=min(8 * subject.kernel.rounding * reach / smallest, 0.05),
        calls=STEPS[-1] * subject.group,
        first=subject.fewest,
        about=place.about(STEPS[-1]),
    )


def trials(subject: Subject) -> list[Trial]:
    """Every Gaussian place below the limit of stability."""
    if subject.scheme is None:
        return []
    return [trial(subject, subject.scheme, p) for p in _placed(subject)]
