r"""Testing a mean of zero by betting: level alpha at every look, whatever the law.

Payoffs G_1, G_2, ... in [-1, 1]^m with E[G_i | past] = 0 under the null. For a predictable bet
b_i in R^m with |b_i|_1 < 1

    W_n = prod_{i <= n} (1 + <b_i, G_i>)

is a non-negative martingale with W_0 = 1, and so is every average of such W. Ville's inequality:
P(sup_n W_n >= 1/alpha) <= alpha. Nothing is asymptotic; one may look after every batch, stop, store
the wealths and go on.

Two kinds of bettors share the money: for every function one that bets on it alone, and joint ones
on their best combination. All learn from the batches before the present one only, so their bets are
predictable. Log-growth is largest at b = Sigma^{-1} mu (Kelly), which is learned: with
b ~ N(0, tau^2) a priori, in the payoffs' own units, b = (Sigma + 1/(n tau^2))^{-1} mean after n
samples, so that little is staked on noise, and little on rare events, which cannot pay much. One
joint bettor is timid and bets on everything; one is bold and bets on those functions alone whose
means are two standard errors from zero.

A batch is settled in pieces, each with bets from all that came before it: samples of a batch are
independent, so their order is a past too. Pieces are a fifth of what was seen before, and a
twentieth where there is a scent of something: bets that lag behind cost most there.

Where the mean under the null is zero only up to a proved ``slack`` (draws from a table, rounding in
single precision), each factor is lowered by slack |b_i|_1 and W is a supermartingale.

Source: Waudby-Smith and Ramdas, JRSS B 86 (2024) 1, sections 3 and 4; Ville 1939.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

LARGEST_STAKE = 0.8  # of the wealth, on one sample: what is left pays for a surprise
SHARE_OF_THE_JOINT_BETTORS = 0.5
SMALLEST_PIECE = 200
BOLDNESS = 0.2  # tau of those who bet on one function
# tau of the joint bettors, and the squared t-value from which they bet on a function
JOINT_BETTORS = ((0.05, 0.0), (0.2, 4.0))
GROWTH = 0.2  # of what was seen: the last piece is decided by estimates from nearly all of it
CLOSE_GROWTH = 0.05  # where there is a scent
WHILE = 1.5  # the joint bets are made anew when so many times as much was seen,
SCENT = 9.0  # or when some payoff is three standard errors from zero
_BLOCK = 16  # factors in [0.2, 1.8] whose product is far from the ends of the floats
_ROUNDING = 1e-9


@dataclass
class Wealth:
    """Wealths of all bettors on m payoffs.

    ``log_evidence`` is the log of their average; reject at level alpha when it reaches
    log(1/alpha).

    Parameters
    ----------
    weights : array (m,)
        Shares of the single bettors, positive; scaled to sum to 1 - the joint bettors' share.
    slack : float
        Proved bound of |E[G_i | past]| under the null, 0 unless draws or rounding cost something.
    """

    weights: FloatArray
    slack: float = 0.0
    logs: FloatArray = field(init=False)
    joint: FloatArray = field(init=False)
    count: int = field(init=False, default=0)
    total: FloatArray = field(init=False)
    products: FloatArray = field(init=False)
    peak: float = field(init=False, default=0.0)
    log_evidence: float = field(init=False, default=0.0)
    _bet: FloatArray = field(init=False, repr=False)
    _bet_at: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        given = np.asarray(self.weights, dtype=float)
        if given.ndim != 1 or given.size == 0 or not np.all(given > 0):
            raise ArgumentError(f"weights must be positive, at least one, got {given}")
        if not 0.0 <= self.slack < 0.1:
            raise ArgumentError(f"a slack must lie in [0, 0.1), got {self.slack}")
        self.weights = given * (1.0 - SHARE_OF_THE_JOINT_BETTORS) / given.sum()
        self.logs = np.zeros(given.size)
        self.total = np.zeros(given.size)
        self.products = np.zeros((given.size, given.size))
        self.joint = np.zeros(len(JOINT_BETTORS))
        self._bet = np.zeros((given.size, len(JOINT_BETTORS)))

    def _log_evidence(self) -> float:
        return float(
            np.logaddexp.reduce(
                np.append(
                    np.log(self.weights) + self.logs,
                    math.log(SHARE_OF_THE_JOINT_BETTORS / len(JOINT_BETTORS)) + self.joint,
                )
            )
        )

    def mean(self) -> FloatArray:
        """Average payoffs so far, shape (m,)."""
        return self.total / max(self.count, 1)

    def variance(self) -> FloatArray:
        """Variances of the payoffs so far, shape (m,)."""
        return np.asarray(np.diag(self.products) / max(self.count, 1) - self.mean() ** 2)

    def _covariance(self) -> FloatArray:
        mean = self.mean()
        return self.products / max(self.count, 1) - np.outer(mean, mean)

    def single_bets(self) -> FloatArray:
        """What the single bettors stake next, shape (m,)."""
        if self.count < 2:
            return np.zeros_like(self.total)
        mean, variance = self.mean(), np.maximum(self.variance(), 0.0)
        whole = mean / (variance + 1 / (self.count * BOLDNESS**2))
        # E log(1 + b G) is maximal near b = mu / (sigma^2 + mu^2)
        return np.clip(whole / (1.0 + whole * mean), -LARGEST_STAKE, LARGEST_STAKE)

    def joint_bets(self) -> FloatArray:
        """What the joint bettors stake next, shape (m, bettors), |.|_1 below the largest stake."""
        if self.count < 2:
            return np.zeros_like(self._bet)
        mean, covariance, t2 = self.mean(), self._covariance(), self._t2()
        bets = np.zeros_like(self._bet)
        for j, (tau, least) in enumerate(JOINT_BETTORS):
            on = np.flatnonzero(t2 >= least)
            prior = np.eye(on.size) / (self.count * tau**2)
            whole = np.linalg.solve(covariance[np.ix_(on, on)] + prior, mean[on])
            # the second moment, not the variance, belongs into Kelly's bet
            bet = whole / (1.0 + float(whole @ mean[on]))
            size = float(np.abs(bet).sum())
            bets[on, j] = bet * min(1.0, LARGEST_STAKE / size) if size > 0 else bet
        return bets

    def _t2(self) -> FloatArray:
        """Squared distances (m,) of the means from zero, in standard errors."""
        return np.asarray(self.count * self.mean() ** 2 / np.maximum(self.variance(), 1e-300))

    def observe(self, payoffs: FloatArray) -> float:
        """Settle the bets on a batch (n, m) and learn from it; the log evidence afterwards.

        Raises
        ------
        ArgumentError
            Payoffs outside [-1, 1]: the martingale could become negative.
        """
        g = np.asarray(payoffs, dtype=float)
        if g.ndim != 2 or g.shape[1] != self.weights.size:
            raise ArgumentError(f"payoffs need shape (n, {self.weights.size}), got {g.shape}")
        if g.size and not np.abs(g).max() <= 1.0 + _ROUNDING:
            raise ArgumentError(f"payoffs must lie in [-1, 1], got up to {np.abs(g).max()}")
        start = 0
        while start < len(g):
            growth = CLOSE_GROWTH if self._scent() else GROWTH
            piece = g[start : start + max(SMALLEST_PIECE, int(growth * self.count))]
            self._settle(piece)
            start += len(piece)
        return self.log_evidence

    def _scent(self) -> bool:
        """Whether something has been won, or some payoff is far from zero."""
        if self.log_evidence > 0:
            return True
        return bool(self._t2().max(initial=0.0) > SCENT)

    def _current_joint_bets(self) -> FloatArray:
        """The joint bets, made anew where it matters: after a while, or when there is a scent."""
        if self.count >= WHILE * self._bet_at or self._scent():
            self._bet, self._bet_at = self.joint_bets(), self.count
        return self._bet

    def _settle(self, g: FloatArray) -> None:
        """Bets from the past on a piece (k, m), then the piece joins the past."""
        single = self.single_bets()
        staked = np.flatnonzero(single)
        if staked.size:
            bets = single[staked]
            self.logs[staked] += _log_product(g[:, staked] * bets - self.slack * np.abs(bets))
        joint = self._current_joint_bets()
        if np.any(joint):
            self.joint += _log_product(g @ joint - self.slack * np.abs(joint).sum(axis=0))
        self.count += len(g)
        self.total += g.sum(axis=0)
        self.products += g.T @ g
        self.log_evidence = self._log_evidence()
        self.peak = max(self.peak, self.log_evidence)

    def leaders(self, number: int = 3) -> Sequence[int]:
        """Indices of the payoffs with the strongest evidence, by |mean| / standard error."""
        deviation = np.sqrt(np.maximum(self.variance(), 1e-300))
        return [int(j) for j in np.argsort(-np.abs(self.mean()) / deviation)[:number]]

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, JSON only."""
        return {
            "weights": self.weights.tolist(),
            "slack": self.slack,
            "logs": self.logs.tolist(),
            "joint": self.joint.tolist(),
            "count": self.count,
            "total": self.total.tolist(),
            "bet": self._bet.tolist(),
            "bet_at": self._bet_at,
            "products": self.products.tolist(),
            "peak": self.peak,
        }

    @classmethod
    def resumed(cls, state: dict[str, Any]) -> Wealth:
        """The wealth that ``state`` described."""
        again = cls(np.asarray(state["weights"], dtype=float), float(state["slack"]))
        again.logs = np.asarray(state["logs"], dtype=float)
        again.total = np.asarray(state["total"], dtype=float)
        again.products = np.asarray(state["products"], dtype=float)
        again.joint, again.count = np.asarray(state["joint"], dtype=float), int(state["count"])
        again.peak = float(state["peak"])
        again._bet, again._bet_at = np.asarray(state["bet"], dtype=float), int(state["bet_at"])
        again.log_evidence = again._log_evidence()
        return again


def _log_product(gains: FloatArray) -> FloatArray:
    """log of the products of 1 + gains (n, m) along n, shape (m,): few logarithms, many factors."""
    factors = 1.0 + gains
    whole = len(factors) // _BLOCK * _BLOCK
    blocks = factors[:whole].reshape(-1, _BLOCK, factors.shape[1]).prod(axis=1)
    return np.asarray(np.log(blocks).sum(axis=0) + np.log(factors[whole:]).sum(axis=0))
