"""What is known of a number: a lower side, an upper side, or both.

Let W_1, ..., W_N >= 0 be independent with E W_i = Z. Then for every N

    E log( mean W ) <= log Z                                         (Jensen)
    P( mean_b log V_b > log Z + log(1/alpha) / B ) <= alpha          (Markov)

where V_1, ..., V_B are means of the W over disjoint blocks: E prod_b V_b = Z^B. The second is a
confidence bound without any limit theorem, whatever the variance of W. It is taken over several
numbers of blocks, each with its share of alpha. The same with 1/Z bounds log Z from above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a bracket.

    Parameters
    ----------
    estimate : float
        Its expectation lies on this side of the number.
    end : float
        Lies on this side of the number, up to ``error_probability``.
    error_probability : float
        Zero for what is not random.
    """

    estimate: float
    end: float
    error_probability: float = 0.0

    def __post_init__(self) -> None:
        if math.isnan(self.estimate) or math.isnan(self.end):
            raise ArgumentError(f"a side needs numbers, got {self.estimate}, {self.end}")
        if not 0 <= self.error_probability < 1:
            raise ArgumentError(f"an error probability is in [0, 1), got {self.error_probability}")

    def plus(self, other: Side) -> Side:
        """The same side of the sum of two numbers."""
        return Side(
            estimate=self.estimate + other.estimate,
            end=self.end + other.end,
            error_probability=self.error_probability + other.error_probability,
        )

    def negated(self) -> Side:
        """The opposite side of the number with its sign changed."""
        return Side(
            estimate=-self.estimate, end=-self.end, error_probability=self.error_probability
        )


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """A number between a lower and an upper side, either of which may be missing.

    Parameters
    ----------
    lower, upper : Side, optional
    route : str
        How the sides were had; ``"quadrature"`` where they are numerical widths.
    """

    lower: Side | None = None
    upper: Side | None = None
    route: str

    @classmethod
    def from_width(cls, value: float, width: float, route: str = "quadrature") -> Bracket:
        """value +- width, not random."""
        return cls(
            lower=Side(estimate=value, end=value - width),
            upper=Side(estimate=value, end=value + width),
            route=route,
        )

    @property
    def kind(self) -> str:
        """What the number may be called."""
        if self.lower is not None and self.upper is not None:
            if self.lower.error_probability == self.upper.error_probability == 0:
                return "exact by quadrature"
            return "two-sided bracket"
        if self.lower is not None:
            return "lower bound in expectation"
        if self.upper is not None:
            return "upper bound in expectation"
        return "unknown"

    @property
    def error_probability(self) -> float:
        """That of either end being wrong, by the union bound."""
        return sum(s.error_probability for s in (self.lower, self.upper) if s is not None)

    @property
    def ends(self) -> tuple[float, float]:
        """(lower, upper) ends, infinite where a side is missing."""
        return (
            -math.inf if self.lower is None else self.lower.end,
            math.inf if self.upper is None else self.upper.end,
        )

    @property
    def crossed(self) -> bool:
        """The ends contradict each other: one of the sides is not what it claims to be."""
        low, high = self.ends
        return low > high

    def shifted(self, by: float) -> Bracket:
        """The bracket of the number plus a known one."""
        exact = Side(estimate=by, end=by)
        return Bracket(
            lower=None if self.lower is None else self.lower.plus(exact),
            upper=None if self.upper is None else self.upper.plus(exact),
            route=self.route,
        )

    def minus(self, other: Bracket) -> Bracket:
        """The bracket of a difference; a side needs the opposite side of what is subtracted."""
        lower = upper = None
        if self.lower is not None and other.upper is not None:
            lower = self.lower.plus(other.upper.negated())
        if self.upper is not None and other.lower is not None:
            upper = self.upper.plus(other.lower.negated())
        routes = dict.fromkeys((self.route, other.route))
        return Bracket(lower=lower, upper=upper, route=" and ".join(routes))


def log_mean(log_weights: npt.ArrayLike) -> float:
    """log( mean exp a ) without overflow, of a (N,)."""
    a = np.asarray(log_weights, dtype=float)
    return float(logsumexp(a) - math.log(a.size))


def effective_sample_size(log_weights: npt.ArrayLike) -> float:
    """(sum w)^2 / sum w^2 of weights w = exp a (N,); between 1 and N."""
    a = np.asarray(log_weights, dtype=float)
    return float(np.exp(2 * logsumexp(a) - logsumexp(2 * a)))


def lower_side(log_weights: npt.ArrayLike, alpha: float) -> Side:
    """The lower side of log E e^A from independent A (N,); see the module's docstring.

    Parameters
    ----------
    log_weights : array (N,)
        -inf is a weight of zero.
    alpha : float
        Error probability of the end, in (0, 1).
    """
    a = np.asarray(log_weights, dtype=float).reshape(-1)
    if not 0 < alpha < 1:
        raise ArgumentError(f"alpha must lie in (0, 1), got {alpha}")
    if a.size == 0 or np.any(np.isnan(a)) or np.any(a == np.inf):
        raise ArgumentError("a lower side needs at least one log-weight, none of them nan or inf")
    counts = _block_counts(a.size)
    end = max(
        float(np.mean(_block_log_means(a, blocks))) - math.log(len(counts) / alpha) / blocks
        for blocks in counts
    )
    return Side(estimate=log_mean(a), end=end, error_probability=alpha)


def upper_side(log_weights: npt.ArrayLike, alpha: float) -> Side:
    """The upper side of -log E e^A: for weights with E e^A = 1/Z, of log Z."""
    return lower_side(log_weights, alpha).negated()


def mean_lower_side(log_estimates: npt.ArrayLike, alpha: float) -> Side:
    """The lower side of mean_i log Z_i from one independent unbiased estimate of each Z_i.

    P( mean_i log V_i > mean_i log Z_i + log(1/alpha)/n ) <= alpha, since E prod V_i = prod Z_i.

    Parameters
    ----------
    log_estimates : array (n,)
        log V_i with E V_i = Z_i, independent over i.
    """
    a = np.asarray(log_estimates, dtype=float).reshape(-1)
    if not 0 < alpha < 1 or a.size == 0 or np.any(np.isnan(a)):
        raise ArgumentError(f"need estimates and alpha in (0, 1), got {a.size} and {alpha}")
    value = float(a.mean())
    return Side(estimate=value, end=value - math.log(1 / alpha) / a.size, error_probability=alpha)


def _block_counts(size: int) -> list[int]:
    """1, 4, 16, ... and the size itself: fixed before any weight is seen."""
    counts = {1, size}
    while (blocks := 4 ** len(counts)) < size:
        counts.add(blocks)
    return sorted(counts)


def _block_log_means(a: FloatArray, blocks: int) -> FloatArray:
    edges = np.linspace(0, a.size, blocks + 1).astype(np.int64)
    return np.asarray(np.logaddexp.reduceat(a, edges[:-1]) - np.log(np.diff(edges)))
