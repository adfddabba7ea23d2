"""Where to look next; decided by the past only, so that every wealth stays a martingale.

In turn the first trial that was not seen yet, what promises most (log evidence won per kernel call,
of a trial or of a pool of them, as long as it has not had a third of all calls or is close to the
end), and the trial whose intervals are widest.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from .pool import Pool
from .trial import Trial

SCENT = 1.0
NEAR_THE_END = 6.0


def next_trial(
    trials: Sequence[Trial], pools: Sequence[Pool], turn: int, ended: Container[str] = ()
) -> Trial:
    """The trial to look at in this turn; of members of pools none whose key has ``ended``."""
    if turn % 3 == 1:
        chosen = _promising(trials, pools, ended)
        if chosen is not None:
            return chosen
    if turn % 3 == 0:
        fresh = next((t for t in trials if t.wealth.count == 0), None)
        if fresh is not None:
            return fresh
    return max(trials, key=lambda t: t.width)


def _promising(
    trials: Sequence[Trial], pools: Sequence[Pool], ended: Container[str]
) -> Trial | None:
    candidates: list[Trial | Pool] = [*trials, *pools]
    best = max(candidates, key=lambda c: c.wealth.log_evidence / max(c.spent, 1))
    evidence = best.wealth.log_evidence
    modest = 3 * best.spent <= sum(t.spent for t in trials)
    if not ((evidence > SCENT and modest) or evidence > NEAR_THE_END):
        return None
    if isinstance(best, Trial):
        return best
    # its members take turns, so that no single one stands for the pool
    able = [t for t in best.members if t.key not in ended]
    return min(able, key=lambda t: t.spent) if able else None
