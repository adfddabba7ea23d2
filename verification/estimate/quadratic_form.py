"""Tails of weighted sums of squared Gaussians, and intervals by inverting them.

Both the divergence of a histogram and the transport distance of a sample behave, near equality,
like a quadratic form in Gaussians, and away from it like a Gaussian; this family holds both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr

from lvebm_theory.arrays import FloatArray


@dataclass(frozen=True, kw_only=True)
class QuadraticForm:
    """T = shift + sum_k w_k X_k + w' (Y_noncentral).

    X_k are independent chi-squares with ``multiplicities[k]`` degrees of freedom, and the last
    term is a squared Gaussian's non-central part: its cumulant function is

        K(s) = shift s - sum_k m_k log(1 - 2 w_k s) / 2 + c s / (1 - 2 v s)

    Parameters
    ----------
    weights, multiplicities : arrays (r,)
        w_k > 0 and m_k > 0.
    shift : float
    noncentral, noncentral_weight : float
        c >= 0 and v > 0: adds c to the mean and 4 c v to the variance.
    """

    weights: FloatArray
    multiplicities: FloatArray
    shift: float = 0.0
    noncentral: float = 0.0
    noncentral_weight: float = 1.0

    @property
    def mean(self) -> float:
        """E T."""
        return float(self.shift + self.multiplicities @ self.weights + self.noncentral)

    @property
    def variance(self) -> float:
        """Var T."""
        central = 2 * self.multiplicities @ self.weights**2
        return float(central + 4 * self.noncentral * self.noncentral_weight)

    def _cumulants(self, s: float) -> tuple[float, float, float]:
        """K(s), K'(s), K''(s)."""
        open_ = 1 - 2 * self.weights * s
        ratio = self.weights / open_
        far = 1 - 2 * self.noncentral_weight * s
        zeroth = -0.5 * self.multiplicities @ np.log(open_) + self.shift * s
        first = self.multiplicities @ ratio + self.shift + self.noncentral / far**2
        second = 2 * self.multiplicities @ ratio**2
        second += 4 * self.noncentral * self.noncentral_weight / far**3
        return float(zeroth + self.noncentral * s / far), float(first), float(second)

    def _saddle(self, t: float) -> float:
        """The s with K'(s) = t, by Newton's method.

        K' increases and is convex, so from any point right of the root Newton comes down to it
        monotonically; the tangent at 0 gives such a point, unless it lies beyond the pole.
        """
        highest = float(self.weights.max(initial=0.0))
        if self.noncentral > 0:
            highest = max(highest, self.noncentral_weight)
        end = 0.5 / highest
        s, gap = (t - self.mean) / self.variance, end / 2
        if s > end - gap:
            s = end - gap
            while self._cumulants(s)[1] < t:
                gap /= 4
                s = end - gap
        for _ in range(200):
            _, first, second = self._cumulants(s)
            step = (first - t) / second
            s -= step
            if abs(step) <= 1e-9 * abs(s):
                break
        return float(s)

    def tails(self, t: float) -> tuple[float, float]:
        """P(T <= t) and P(T >= t) by the saddlepoint formula of Lugannani and Rice (1980).

        Relative error of a few per cent or less into the far tails; below ``shift`` the
        distribution has no mass.
        """
        if t <= self.shift:
            return 0.0, 1.0
        spread = np.sqrt(self.variance)
        if abs(t - self.mean) < 1e-4 * spread:  # the formula is 0 / 0 there: step across
            below, above = (
                self.tails(self.mean - 2e-4 * spread),
                self.tails(self.mean + 2e-4 * spread),
            )
            return (below[0] + above[0]) / 2, (below[1] + above[1]) / 2
        s = self._saddle(t)
        zeroth, _, second = self._cumulants(s)
        w = np.sign(s) * np.sqrt(max(2 * (s * t - zeroth), 0.0))
        u = s * np.sqrt(second)
        correction = np.exp(-0.5 * w**2) / np.sqrt(2 * np.pi) * (1 / w - 1 / u)
        lower = np.exp(log_ndtr(w)) + correction
        upper = np.exp(log_ndtr(-w)) - correction
        return min(max(float(lower), 0.0), 1.0), min(max(float(upper), 0.0), 1.0)

    def upper_quantile(self, alpha: float) -> float:
        """The t with P(T >= t) = alpha, for alpha below one half."""
        low = self.mean
        high = low + np.sqrt(self.variance)
        while self.tails(high)[1] > alpha:
            low, high = high, 2 * high - self.shift
        return float(brentq(lambda t: self.tails(t)[1] - alpha, low, high, rtol=1e-9))


def invert(
    observed: float,
    law: Callable[[float], QuadraticForm],
    estimate: float,
    scale: float,
    alpha: float,
) -> tuple[float, float]:
    """Confidence interval for a parameter theta >= 0 from a statistic that grows with it.

    All theta whose acceptance region holds the observed value. The region leaves out probability
    alpha in all: everything above at theta = 0, where a small statistic is no evidence against,
    and equal tails once theta is far above ``scale``; in between the lower share grows
    continuously. So the interval has its nominal coverage at equality as well as away from it.

    Parameters
    ----------
    law : theta -> distribution of the statistic
    estimate : float
        Any guess of theta; only saves time.
    scale : float
        Size of theta below which equality cannot be told apart.
    """

    def lower_share(theta: float) -> float:
        return alpha / 2 * min(1.0, theta / scale)

    def too_large(theta: float) -> float:
        return law(theta).tails(observed)[1] - (alpha - lower_share(theta))

    def too_small(theta: float) -> float:
        return law(theta).tails(observed)[0] - lower_share(theta)

    lower = 0.0
    if too_large(0.0) < 0:
        lower = _root(too_large, max(estimate, 0.0), scale)
    return lower, _root(lambda theta: -too_small(theta), max(estimate, lower), scale)


def _root(increasing: Callable[[float], float], start: float, step: float) -> float:
    """The zero of an increasing function that is negative at 0, looked for around ``start``."""
    low = high = start
    while increasing(low) > 0:
        low, high, step = max(low - step, 0.0), low, 2 * step
    while high == low or increasing(high) < 0:
        low, high, step = high, high + step, 2 * step
    return float(brentq(increasing, low, high, xtol=1e-5 * step, rtol=1e-7))
