r"""What would have been found: the power card.

Betting on a shift of s standard deviations of the payoff, the log wealth after n samples is near
n s^2/2 + s sqrt(n) Z, so with probability p it reaches the threshold L when

    s sqrt(n) >= z_p + sqrt(z_p^2 + 2 L),

L = log(1/alpha) + the logarithms of the shares of law, trial and bettor + what learning the bet
costs (about log(n)/2).

The card turns s into what a reader cares about: a shift of the mean in standard deviations of the
coordinate, and a relative change of its variance, both per application of the kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from .betting import SHARE_OF_THE_JOINT_BETTORS
from .dictionary import dictionary_of
from .targets.exact_target import ExactTarget
from .trial import Trial

PROBABILITY = 0.99
_CHANGE = 0.05


@dataclass(frozen=True, kw_only=True)
class PowerCard:
    """The smallest effects that this cost finds with probability 0.99.

    Parameters
    ----------
    samples : int
    effect : float
        Shift of a payoff in units of its law.
    of_mean, of_variance : float or None
        As a shift of the mean of x0 in standard deviations, and as a relative change of its
        variance, for laws that compare before and after.
    """

    samples: int
    effect: float
    of_mean: float | None = None
    of_variance: float | None = None

    @property
    def text(self) -> str:
        """In words."""
        if self.of_mean is not None and self.of_variance is not None:
            return (
                f"mean by {self.of_mean:.2g} sd or variance by {100 * self.of_variance:.2g} % "
                f"per application ({self.samples} samples)"
            )
        return f"effect of {self.effect:.2g} ({self.samples} samples)"


def least_effect(samples: int, log_threshold: float, bettors: int) -> float:
    """s: the smallest shift, in standard deviations of one sample, found with probability 0.99."""
    if samples < 1:
        return math.inf
    own = math.log(bettors / (1 - SHARE_OF_THE_JOINT_BETTORS))
    level = log_threshold + own + 0.5 * math.log(max(samples, 2))
    z = float(ndtri(PROBABILITY))
    return (z + math.sqrt(z * z + 2 * level)) / math.sqrt(samples)


def card(trial: Trial, log_threshold: float, target: ExactTarget | None) -> PowerCard:
    """The card of one trial.

    Parameters
    ----------
    trial : Trial
    log_threshold : float
        log(1/alpha) with the shares of law and trial.
    target : ExactTarget or None
        For laws whose payoffs are differences of its dictionary.
    """
    samples = trial.wealth.count
    s = least_effect(samples, log_threshold, len(trial.names))
    shifts = s * np.sqrt(np.maximum(trial.wealth.variance(), 1e-12))
    effect = float(np.min(shifts / trial.units))
    if target is None or not math.isfinite(s):
        return PowerCard(samples=samples, effect=effect)
    slopes = _slopes(target)
    of_mean, of_variance = (float(np.min(shifts / np.maximum(row, 1e-12))) for row in slopes)
    return PowerCard(samples=samples, effect=effect, of_mean=of_mean, of_variance=of_variance)


def _slopes(target: ExactTarget) -> tuple[np.ndarray, np.ndarray]:
    """How fast each function's mean moves with mean and log variance of x0, by the pilot."""
    dictionary = dictionary_of(target)
    x = target.pilot
    base = dictionary(x).mean(axis=0)
    centre, spread = target.scale[0][0], target.scale[1][0]
    rows = []
    for moved in (x[:, 0] + _CHANGE * spread, centre + (1 + _CHANGE / 2) * (x[:, 0] - centre)):
        y = x.copy()
        y[:, 0] = moved
        rows.append(np.abs(dictionary(y).mean(axis=0) - base) / _CHANGE)
    return rows[0], rows[1]
