r"""What would have been found: the power card.

What it promises. Of the place that a law looked at most often: had the mean of one test function
there been off by the stated amount, with the variance that was seen, the law would have been
VIOLATED within these samples with probability 0.99, by the bettor on that function alone. Other
bettors, places and pools only add to that. It is the smallest such amount over the functions, a
planning figure by the normal approximation; no verdict rests on it.

A bet b on payoffs of mean mu and variance v multiplies the wealth, per sample, by 1 + b G; its log
has mean near log(1 + b mu) - (b/(1 + b mu))^2 v/2 and variance near (b/(1 + b mu))^2 v. After i
samples the bet is near b_i = a/(1 + a mu), a = mu/(v + 1/(i tau^2)), at most the largest stake, and
mu is found when

    sum_i [log(1 + b_i mu) - (b_i/(1 + b_i mu))^2 v/2]
        - z_p sqrt(v sum_i (b_i/(1 + b_i mu))^2) >= L.

For mu small against 1 and many samples this is sqrt(n/v) mu >= z_p + sqrt(z_p^2 + 2 L). Where v is
tiny, bets that wait for evidence and the largest stake limit what is won: payoffs that hardly vary
do not show arbitrarily small shifts. L = log(1/alpha) + the logarithms of the shares of law, trial
and bettor and of the half that bets on pools + what the noise in the bets costs, about
log(1 + n tau^2 v)/2; on the first piece nothing is staked.

Functions that were not seen to vary, or so rarely that their variance is not known, are left out:
of them nothing can be said. When that is all of them, the card says so.

The card turns mu into what a reader cares about: a shift of x0 in its standard deviations, and a
relative change of its variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from lvebm_theory.arrays import FloatArray

from .betting import BOLDNESS, LARGEST_STAKE, SHARE_OF_THE_JOINT_BETTORS, SMALLEST_PIECE
from .dictionary import dictionary_of
from .targets.exact_target import ExactTarget
from .trial import Trial

PROBABILITY = 0.99
# samples on which a payoff must have differed from its mean before its variance is believed
SEEN_TO_VARY = 50.0
_STILL = 1e-9  # deviations below it are rounding; the joint bettor does not see them either
# changes of mean and log variance at which the answers of the functions are known
_CHANGES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_PILOT = 10_000
_BISECTIONS = 50
_PIECES = 40
_NOTHING = "nothing can be said: no test function was seen to vary where this law looked most"


@dataclass(frozen=True, kw_only=True)
class PowerCard:
    """The smallest effects that this cost finds with probability 0.99, at one place.

    Parameters
    ----------
    samples : int
        At the place.
    effect : float or None
        Shift of the mean of a test function in its unit, its standard deviation; None when no
        function varied enough to say.
    of_mean, of_variance : float or None
        As a shift of x0 in standard deviations, and as a relative change of its variance, for laws
        that compare before and after; None when no change of this kind would have been found.
    steps : int
        Applications of the kernel between before and after.
    where : str
        The place: target and step size.
    """

    samples: int
    effect: float | None
    of_mean: float | None = None
    of_variance: float | None = None
    steps: int = 1
    where: str = ""

    @property
    def text(self) -> str:
        """In words."""
        cost = f"({self.samples} samples)"
        if self.effect is None:
            return f"{_NOTHING} {cost}"
        found = []
        if self.of_mean is not None:
            found.append(f"mean by {self.of_mean:.2g} sd")
        if self.of_variance is not None:
            found.append(f"variance by {100 * self.of_variance:.2g} %")
        if found:
            steps = "in one step" if self.steps == 1 else f"in {self.steps} steps"
            return f"{' or '.join(found)} {steps} {cost}"
        return f"a test function off by {self.effect:.2g} sd {cost}"


def least_effect(samples: int, log_threshold: float, bettors: int) -> float:
    """s = (z_p + sqrt(z_p^2 + 2 L))/sqrt(n): the smallest shift in standard deviations, if small.

    About the limit of ``least_shifts`` for payoffs that vary much more than they shift; inf
    without samples.
    """
    if samples < 1:
        return math.inf
    own = math.log(bettors / (1 - SHARE_OF_THE_JOINT_BETTORS))
    level = log_threshold + own + 0.5 * math.log(max(samples, 2))
    z = float(ndtri(PROBABILITY))
    return (z + math.sqrt(z * z + 2 * level)) / math.sqrt(samples)


def least_shifts(
    variances: FloatArray, samples: int, log_threshold: float, bettors: int, staked_from: int = 0
) -> FloatArray:
    """mu: the smallest means, of payoffs of these variances, found with probability 0.99.

    Parameters
    ----------
    variances : array (m,)
    samples : int
    log_threshold : float
        log of the wealth of a trial at which its law is VIOLATED.
    bettors : int
        Payoffs bet on.
    staked_from : int
        Samples on which nothing was staked.

    Returns
    -------
    array (m,)
        inf where not even a mean of one would have been found.
    """
    v = np.maximum(np.asarray(variances, dtype=float), 0.0)
    n = samples - staked_from
    if n < 1:
        return np.full_like(v, math.inf)
    own = math.log(bettors / (1 - SHARE_OF_THE_JOINT_BETTORS))
    needed = log_threshold + own + 0.5 * np.log1p(samples * BOLDNESS**2 * v)
    z = float(ndtri(PROBABILITY))
    edges = np.geomspace(max(staked_from, 1), samples, _PIECES + 1)
    # the bet of a piece is that of its begin
    many, caution = np.diff(edges)[:, None], 1 / (edges[:-1, None] * BOLDNESS**2)

    def found(mu: FloatArray) -> np.ndarray:
        whole = mu / (v + caution)
        bet = np.minimum(whole / (1 + whole * mu), LARGEST_STAKE)
        leverage = bet / (1 + bet * mu)
        growth = (many * (np.log1p(bet * mu) - leverage**2 * v / 2)).sum(axis=0)
        spread = np.sqrt(v * (many * leverage**2).sum(axis=0))
        return np.asarray(growth - z * spread >= needed)

    low, high = np.full_like(v, math.log(1e-12)), np.zeros_like(v)
    possible = found(np.ones_like(v))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        enough = found(np.exp(middle))
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(possible, np.exp(high), math.inf)


def card(
    trial: Trial, log_threshold: float, target: ExactTarget | None, seed: int = 0
) -> PowerCard:
    """The card of one trial.

    Parameters
    ----------
    trial : Trial
    log_threshold : float
        log(1/alpha) with the shares of law and trial.
    target : ExactTarget or None
        For laws whose payoffs are differences of its dictionary.
    seed : int
        Of that dictionary.
    """
    samples = trial.wealth.count
    shifts = trial.slack + least_shifts(
        trial.wealth.variance(),
        samples,
        log_threshold + math.log(2),  # half of a law's wealth bets on pools
        len(trial.names),
        staked_from=min(SMALLEST_PIECE, trial.first),
    )
    shifts[~_varied(trial)] = math.inf
    steps, where = int(trial.about.get("steps", 1)), trial.label
    least = float(np.min(shifts / trial.units))
    if not math.isfinite(least):
        return PowerCard(samples=samples, effect=None, steps=steps, where=where)
    of_mean, of_variance = None, None
    if target is not None and _bears_changes(target):
        of_mean, of_variance = (
            _least_change(shifts, answers) for answers in _answers(target, seed)
        )
    return PowerCard(
        samples=samples,
        effect=least,
        of_mean=of_mean,
        of_variance=None if of_variance is None else math.expm1(of_variance),
        steps=steps,
        where=where,
    )


def _bears_changes(target: ExactTarget) -> bool:
    """Whether U can be asked beside draws: not where x0 is one of few numbers, or bounded."""
    x = target.pilot[:_PILOT].copy()
    if len(np.unique(x[:, 0])) < len(x) / 2:
        return False
    x[:, 0] += target.scale[1][0] * _CHANGES[0]
    with np.errstate(all="ignore"):
        return bool(np.all(np.isfinite(target.energy.potential(x))))


def _varied(trial: Trial) -> np.ndarray:
    """Which payoffs (m,) differed from their mean often enough for a variance."""
    n, s1, s2, s3, s4 = trial.means.sums
    n = np.maximum(n, 1)
    mean = s1 / n
    second = np.maximum(s2 / n - mean**2, 0.0)
    fourth = s4 / n - 4 * mean * s3 / n + 6 * mean**2 * s2 / n - 3 * mean**4
    # n p for a payoff that is the same but for a share p of the samples
    times = n * second**2 / np.maximum(fourth, 1e-300)
    deviation = np.sqrt(trial.wealth.variance().clip(0.0))
    return np.asarray((times >= SEEN_TO_VARY) & (deviation > _STILL))


def _least_change(shifts: FloatArray, answers: FloatArray) -> float | None:
    """The smallest change at which some function's mean has moved by its least shift."""
    known = np.array([0.0, *_CHANGES])
    best = math.inf
    # after them may come averages of ensembles, which are of other functions
    for j in np.flatnonzero(np.isfinite(shifts[: answers.shape[1]])):
        moved = np.concatenate([[0.0], answers[:, j]])
        reached = np.flatnonzero(moved >= shifts[j])
        if reached.size:
            k = int(reached[0])
            part = (shifts[j] - moved[k - 1]) / (moved[k] - moved[k - 1])
            best = min(best, float(known[k - 1] + part * (known[k] - known[k - 1])))
    return best if math.isfinite(best) else None


@lru_cache(maxsize=128)
def _answers(target: ExactTarget, seed: int) -> tuple[FloatArray, FloatArray]:
    """How far the functions' means move with mean and log variance of x0, (changes, m) each.

    By the pilot, the same draws before and after: for units and planning only.
    """
    dictionary = dictionary_of(target, seed)
    x = target.pilot[:_PILOT]
    base = dictionary(x).mean(axis=0)
    centre, spread = target.scale[0][0], target.scale[1][0]
    tables = []
    for stretched in (False, True):
        rows = []
        for change in _CHANGES:
            y = x.copy()
            if stretched:
                y[:, 0] = centre + math.exp(change / 2) * (x[:, 0] - centre)
            else:
                y[:, 0] = x[:, 0] + change * spread
            rows.append(np.abs(dictionary(y).mean(axis=0) - base))
        tables.append(np.stack(rows))
    return tables[0], tables[1]
