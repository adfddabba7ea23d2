"""Which modes of a known mixture a sampler visits, without clustering.

The region of mode k is where k is the most responsible component and |x - m_k| <= reach s_k. A
mode is HIT when the model's mass there is at least ``share`` of the mode's own weight, decided by
an exact binomial interval: the lower end above the threshold is a hit, the upper end below it a
miss, and anything else stays undecided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .averages import check_alpha


@dataclass(frozen=True, kw_only=True)
class ModeCoverage:
    """What a sample says of the modes.

    Attributes
    ----------
    lower, upper : arrays (K,)
        Intervals of the model's mass in each region, jointly at confidence 1 - alpha.
    thresholds : array (K,)
        share times the weight of each mode.
    outside : float
        Share of the sample in no region.
    """

    lower: FloatArray
    upper: FloatArray
    thresholds: FloatArray
    outside: float

    @property
    def hit(self) -> int:
        """Modes that are visited for certain."""
        return int((self.lower >= self.thresholds).sum())

    @property
    def missed(self) -> int:
        """Modes that are missed for certain."""
        return int((self.upper < self.thresholds).sum())

    @property
    def share_hit(self) -> float:
        """hit / K."""
        return self.hit / len(self.thresholds)


def mode_coverage(
    x: npt.ArrayLike,
    *,
    weights: npt.ArrayLike,
    means: npt.ArrayLike,
    sds: npt.ArrayLike,
    alpha: float,
    share: float = 0.25,
    reach: float = 4.0,
) -> ModeCoverage:
    """Modes of sum_k w_k N(m_k, s_k^2 I) that independent draws x (n, d) of a model visit.

    Parameters
    ----------
    weights, means, sds : arrays (K,), (K, d), (K,)
    alpha : float
        Error probability of all K decisions together.
    """
    check_alpha(alpha)
    points, centres = np.asarray(x, dtype=float), np.asarray(means, dtype=float)
    w, s = np.asarray(weights, dtype=float), np.asarray(sds, dtype=float)
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1]:
        raise ArgumentError(f"need x (n, d), means (K, d): {points.shape}, {centres.shape}")
    if w.shape != centres.shape[:1] or s.shape != w.shape or not np.all(s > 0):
        raise ArgumentError(f"{len(centres)} modes need as many weights and sds > 0")
    distance = np.linalg.norm(points[:, None] - centres, axis=2)
    dim = centres.shape[1]
    most = np.argmax(np.log(w) - dim * np.log(s) - distance**2 / (2 * s**2), axis=1)
    near = distance[np.arange(len(points)), most] <= reach * s[most]
    counts = np.bincount(most[near], minlength=len(w))
    lower, upper = binomial_interval(counts, len(points), alpha / len(w))
    return ModeCoverage(
        lower=lower, upper=upper, thresholds=share * w / w.sum(), outside=float(1 - near.mean())
    )


def binomial_interval(
    counts: npt.ArrayLike, total: int, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Clopper-Pearson intervals for the probabilities behind counts (K,) of ``total``."""
    k = np.asarray(counts, dtype=float)
    with np.errstate(invalid="ignore"):
        lower = np.where(k > 0, betaincinv(np.maximum(k, 1), total - k + 1, alpha / 2), 0.0)
        upper = np.where(k < total, betaincinv(k + 1, np.maximum(total - k, 1), 1 - alpha / 2), 1.0)
    return np.asarray(lower), np.asarray(upper)
