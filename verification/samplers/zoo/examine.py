"""One kernel of the zoo through the same door as any user's sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...decide import Verdict
from ..check import check_sampler
from .entry import Entry


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an examination of one entry came to.

    Parameters
    ----------
    name : str
    killed : bool
        Whether some law is VIOLATED.
    verdict : str
    law : str
        The law that refutes it, the first in the order of the laws; empty otherwise.
    laws : tuple of str
        All that refute it.
    calls : int
        Chain steps spent.
    seconds : float
    first, second : str
        Guesses at the component; empty while nothing is refuted, or none was asked for.
    """

    name: str
    killed: bool
    verdict: str
    law: str
    laws: tuple[str, ...]
    calls: int
    seconds: float
    first: str
    second: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {**asdict(self), "laws": list(self.laws)}


def examine(
    entry: Entry,
    alpha: float = 1e-6,
    budget: float = 10.0,
    seed: int = 0,
    *,
    calls: int | None = None,
    laws: Sequence[str] | None = None,
    localised: bool = True,
) -> Outcome:
    """Examines a fresh kernel of an entry.

    Parameters
    ----------
    entry : Entry
    alpha : float
        Bound of the chance that a correct kernel is refuted.
    budget : float
        Seconds.
    seed : int
    calls : int, optional
        Chain steps at most, in place of the budget: the outcome is then the same on any machine.
    laws : sequence of str, optional
        Names of laws; all by default.
    localised : bool
        Whether a violation is traced to the likely component.

    Raises
    ------
    ArgumentError
        Unusable arguments.
    StepError
        The kernel raised.
    """
    # whole chains: what the zoo's kernels share between chains is shared on purpose
    layout: dict[str, Any] = {} if entry.kind == "learner" else {"vectorised": True}
    report = check_sampler(
        entry.make(),
        entry.kind,
        alpha,
        budget,
        seed=seed,
        calls=calls,
        laws=laws,
        localised=localised,
        **layout,
        **entry.options,
    )
    guess = report.localisation
    return Outcome(
        name=entry.name,
        killed=report.verdict is Verdict.VIOLATED,
        verdict=report.verdict.value,
        law=next(iter(report.violated), ""),
        laws=report.violated,
        calls=report.calls,
        seconds=report.seconds,
        first="" if guess is None else guess.first,
        second="" if guess is None else guess.second,
    )
