"""Tails of weighted sums of squared Gaussians, and intervals by inverting them.

Both the divergence of a histogram and the transport distance of a sample behave, near equality,
like a quadratic form in Gaussians, and away from it like a Gaussian; this family holds both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import log_ndtr

FloatArray = npt.NDArray[np.float64]


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

    def _slope(self, s: float) -> float:
        """K'(s)."""
        central = self.multiplicities @ (self.weights / (1 - 2 * self.weights * s))
        far = 1 - 2 * self.noncentral_weight * s
        return float(central + self.shift + self.noncentral / far**2)

    def _saddle(self, t: float) -> float:
        """The s with K'(s) = t."""
        highest = float(self.weights.max(initial=0.0))
        if self.noncentral > 0:
            highest = max(highest, self.noncentral_weight)
        end = 0.5 / highest
        if t >= self.mean:
            low, high, gap = 0.0, end / 2, end / 2
            while self._slope(high) < t:
                low, gap = high, gap / 4
                high = end - gap
        else:
            high, low = 0.0, -1 / np.sqrt(self.variance)
            while self._slope(low) > t:
                high, low = low, 4 * low
        root = brentq(lambda s: self._slope(s) - t, low, high, xtol=1e-300, rtol=1e-12)
        return float(root)

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
        return float(np.clip(lower, 0, 1)), float(np.clip(upper, 0, 1))

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

    guess = max(estimate, scale)
    lower = 0.0
    if too_large(0.0) < 0:
        start = guess
        while too_large(start) <= 0:
            start *= 2
        lower = float(brentq(too_large, 0.0, start, xtol=1e-6 * scale, rtol=1e-9))
    high = 2 * guess
    while too_small(high) >= 0:
        high *= 2
    upper = float(brentq(too_small, lower, high, xtol=1e-6 * scale, rtol=1e-9))
    return lower, upper
