r"""The order of the bias: how it falls when the step size is halved, with a confidence interval.

Statement. From N(0, 1) = pi, after time T, the mean of a bounded function under the scheme is known
exactly at h and at h/2 (the law is Gaussian with a variance in closed form); so is the local order
log2(bias(h)/bias(h/2)), which tends to the documented order as h falls.
Level. Payoffs are centred by the exact means: bets as everywhere. The interval for the order comes
from confidence sequences for both means, all of them true at every look.
Power. The step sizes are large (the bias of ULA's variance at h = 1 is 100 per cent), so that some
10^4 chains give the order to a few tenths.
Blind spots. One function on one Gaussian; schemes that are not linear there.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray

from ..schemes.scheme import Scheme
from ..shapes import SCALE, tame
from ..subject import Place, Subject, child
from ..targets.exact_target import ExactTarget
from ..targets.gaussians import gaussian
from ..targets.maps import with_momenta
from ..trial import Trial

NAME = "order of the bias"
STATEMENT = "the bias falls with the step size as documented"
SHARE = 0.05
TIME = 6.0
STEP_SIZES = (1.0, 0.5)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(160)


@lru_cache(maxsize=2)
def _target(momenta: bool) -> ExactTarget:
    plain = gaussian(1.0, name="standard normal")
    return with_momenta(plain) if momenta else plain


def reason(subject: Subject) -> str:
    """Why the law does not apply, empty when it does."""
    scheme = subject.scheme
    if scheme is None or scheme.weak_order is None:
        return "no documented order"
    if scheme.terms or scheme.linear(_target(scheme.momenta), STEP_SIZES[0]) is None:
        return f"{scheme.name} is not linear on Gaussians"
    if "step_size" not in subject.kernel.names:
        return "the step size cannot be set"
    if subject.min_dim > 1:
        return "its target has one dimension"
    return ""


def _mean(variance: float) -> float:
    """E of the scale function under N(0, variance)."""
    values = SCALE(math.sqrt(variance) * _NODES)
    return float(_WEIGHTS @ values / _WEIGHTS.sum())


def _variances(scheme: Scheme, h: float) -> npt.NDArray[np.float64]:
    """Variances of the components after time T, started from pi."""
    law = scheme.linear(_target(scheme.momenta), h)
    assert law is not None  # reason has asked
    later = law.after(round(TIME / h))
    return np.diag(later.factor @ later.factor.T + later.covariance)


def exact_order(scheme: Scheme) -> tuple[int, float]:
    """The component with the largest bias, and its local order between the two step sizes."""
    biases = np.array([[_mean(v) for v in _variances(scheme, h)] for h in STEP_SIZES])
    i = int(np.argmax(np.abs(biases[1])))
    return i, float(np.log2(np.abs(biases[0, i] / biases[1, i])))


def trial(subject: Subject, scheme: Scheme, h: float) -> Trial:
    """The bias at one step size."""
    place = Place(target=_target(scheme.momenta), step_size=h)
    i, _ = exact_order(scheme)
    exact = _mean(float(_variances(scheme, h)[i]))
    steps = round(TIME / h)

    def sample(rng: np.random.Generator, count: int) -> FloatArray:
        x = subject.draw(place, rng, count * subject.group)
        after = subject.advance(place, x, child(rng), steps)
        # halved, since centring at the exact mean widens the range
        return subject.averaged((SCALE(tame(after[:, i : i + 1])) - exact) / 2)

    return Trial(
        law=NAME,
        label=place.label,
        names=[f"scale of component {i} after {steps} steps"],
        sample=sample,
        units=np.array([0.125]),
        ranges=np.array([0.5]),
        slack=subject.rounding(place),
        calls=steps * subject.group,
        first=subject.fewest,
        about=place.about(steps),
    )


def trials(subject: Subject) -> list[Trial]:
    """Both step sizes."""
    if subject.scheme is None:
        return []
    return [trial(subject, subject.scheme, h) for h in STEP_SIZES]


def measured(scheme: Scheme, found: list[Trial], log_level: float) -> str:
    """The measured order with its interval, in words."""
    i, exact = exact_order(scheme)
    ends = []
    for t, h in zip(found, STEP_SIZES, strict=True):
        low, high = t.means.interval(log_level)
        mean = _mean(float(_variances(scheme, h)[i]))
        ends.append((2 * float(low[0]) + mean, 2 * float(high[0]) + mean))
    said = f"documented order {scheme.weak_order}, exact local order {exact:.3f}"
    sign = 1.0 if ends[1][0] > 0 else -1.0
    (a, b), (c, d) = (sorted((sign * low, sign * high)) for low, high in ends)
    if a <= 0 or c <= 0:
        return f"{said}; the measured interval still contains a bias of zero"
    return f"{said}, measured in [{math.log2(a / d):.3f}, {math.log2(b / c):.3f}]"
