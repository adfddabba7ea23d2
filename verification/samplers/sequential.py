r"""One alpha for a whole call, and for many calls: who may spend how much of it.

Laws. Law l has a share w_l, sum w_l <= 1, and is VIOLATED when its wealth E_l reaches 1/(alpha
w_l). E_l is a weighted average of non-negative martingales that start at 1, so P(ever VIOLATED) <=
alpha w_l by Ville's inequality, and the union bound gives alpha for the call, at every look,
however long it is taken up again.

Examples. A test that draws example k = 1, 2, ... may spend alpha_k = (1 - r) alpha 6/(pi k)^2 on
it; the sum over all k is (1 - r) alpha. A data base of failing examples is replayed first; replays
have the reserved share r, split the same way, so that replaying inflates nothing: neither the
order nor the number of examples was known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lvebm_theory.errors import ArgumentError

RESERVED_FOR_REPLAYS = 0.2


def check_alpha(alpha: float) -> None:
    """Raises ArgumentError unless 0 < alpha < 1."""
    if not 0.0 < alpha < 1.0:
        raise ArgumentError(f"alpha must lie in (0, 1), got {alpha}")


def shares_of(relative: Mapping[str, float]) -> dict[str, float]:
    """Shares in proportion, with sum one; those that apply are known before any look."""
    total = sum(relative.values())
    return {name: value / total for name, value in relative.items()}


def log_threshold(alpha: float, share: float) -> float:
    """log of the wealth at which a law with this share of alpha is VIOLATED."""
    check_alpha(alpha)
    if not 0.0 < share <= 1.0:
        raise ArgumentError(f"a share must lie in (0, 1], got {share}")
    return -math.log(alpha * share)


@dataclass
class Spending:
    """Hands out error probability to examples, one after the other.

    Parameters
    ----------
    alpha : float
        For all examples together.
    """

    alpha: float
    examples: int = field(default=0)
    replays: int = field(default=0)

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    def next(self, *, replay: bool = False) -> float:
        """The alpha of the next example, or of the next replay of a stored one."""
        if replay:
            self.replays += 1
            part, k = RESERVED_FOR_REPLAYS, self.replays
        else:
            self.examples += 1
            part, k = 1 - RESERVED_FOR_REPLAYS, self.examples
        return part * self.alpha * 6 / (math.pi * k) ** 2
