r"""The stationary law of ULA on the line, bias of the step size included.

Statement. For U with Lipschitz gradient ULA has a stationary law p_h = P p_h. It is computed on a
lattice and on one twice as dense (Nystrom's method: with e the error on the first, that on the
second is about e^4, and e is seen to be below 1e-5), drawn from, and left as it is by the step: the
bias that is right is accepted, another one refuted.
Level. A draw is one more step of the true kernel from the computed law, so its distance from p_h in
total variation is at most that of the masses; twice a bound of it is given to the bets as slack.
Power. As for invariance.
Blind spots. One dimension; superlinear gradients, for which ULA is transient and no such law
exists.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from scipy.sparse import SparseEfficiencyWarning

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import LvebmError

from ..dictionary import dictionary_of
from ..subject import Place, Subject, child
from ..targets.exact_target import ExactTarget
from ..trial import Trial

NAME = "stationary law on a lattice"
STATEMENT = "on the line the step keeps the scheme's own stationary law, bias included"
SHARE = 0.1
COMPARES = True  # functions of the state before and after
ERROR = 1e-9
STEPS = 3
_COARSE_ERROR = 1e-5


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    if subject.scheme is None or subject.scheme.name != "ula":
        return "computed for scheme='ula' only"
    found = _placed(subject)
    if found:
        return ""
    lines = [p.target for p in subject.places if p.target.dim == 1]
    if lines and not any(t.lipschitz for t in lines):
        return "the gradient grows superlinearly: ULA is transient and has no stationary law"
    return "no target of dimension one whose stationary law could be computed"


def _placed(subject: Subject) -> list[Place]:
    found = []
    for place in subject.places:
        target = place.target
        if target.dim != 1 or not target.lipschitz:
            continue
        if _stationary(target, place.step_size) is not None:
            found.append(place)
    return found


@lru_cache(maxsize=64)
def _stationary(target: ExactTarget, h: float) -> tuple[FloatArray, FloatArray] | None:
    """Nodes and masses; None where no stationary law was found on the lattice."""
    from solvers.densities.transition_kernel import ula_kernel

    centre, spread, _, _ = target.scale
    for reach in (15.0, 40.0):
        low, high = (float(centre[0] + side * reach * spread[0]) for side in (-1, 1))
        try:
            with warnings.catch_warnings():
                # a wide band is what a large step size on a fine lattice has
                warnings.simplefilter("ignore", SparseEfficiencyWarning)
                coarse = ula_kernel(target.energy, h, (low, high)).stationary()
                dense = 2 * len(coarse.nodes) - 1
                law = ula_kernel(target.energy, h, (low, high), nodes=dense).stationary()
        except LvebmError:
            continue
        if np.abs(2 * law.masses[::2] - coarse.masses).sum() > _COARSE_ERROR:
            continue
        masses = np.maximum(law.masses, 0.0)
        ends = masses[:3].sum() + masses[-3:].sum()
        if np.all(np.isfinite(masses)) and ends < ERROR / 100:
            return law.nodes, masses / masses.sum()
    return None


def trial(subject: Subject, place: Place) -> Trial:
    """The stationary law at one place."""
    target, h = place.target, place.step_size
    dictionary = dictionary_of(target)
    found = _stationary(target, h)
    assert found is not None  # _placed has asked
    nodes, masses = found
    table = np.cumsum(masses)[:-1]

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        n = max(1, count) * subject.group
        at = nodes[np.searchsorted(table, rng.random(n), side="right")][:, None]
        noise = np.sqrt(2 * h) * rng.standard_normal((n, 1))
        x = subject.representable(at - h * target.energy.gradient(at) + noise)
        after = subject.advance(place, x, child(rng), STEPS)
        return subject.averaged(dictionary(after) - dictionary(x))

    return Trial(
        law=NAME,
        label=f"{place.label}, {STEPS} steps",
        names=dictionary.names,
        sample=sample,
        units=dictionary.deviations,
        slack=2 * ERROR + subject.rounding(place),
        calls=STEPS * subject.group,
        first=subject.fewest,
        about=place.about(STEPS),
    )


def trials(subject: Subject) -> list[Trial]:
    """Every place on the line."""
    return [trial(subject, p) for p in _placed(subject)]
