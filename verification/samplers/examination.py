"""One call at work: the laws that apply, their shares of alpha, the looks, and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from lvebm_theory.errors import ArgumentError

from ..decide import Verdict
from . import power
from .betting import Wealth
from .kernel import StepError
from .laws import all_laws, bias_order, share, speaks_of
from .meter import Budget, OutOfTime
from .outcome import Outcome
from .pool import Pool, pools_of
from .report import RESOLUTION, LawReport, rounded_up
from .schedule import next_trial
from .sequential import log_threshold, shares_of
from .subject import LearnerSubject, Subject
from .trial import Trial, share_equally

#: samples that one trial needs for intervals a tenth of a standard deviation wide
SAMPLES = 9_000
#: part of the budget by which the last look may exceed it
SLACK = 0.1
FORMAT = 3


@dataclass
class Examination:
    """Runs the laws on a subject; the looks may be interrupted, stored and taken up again.

    Parameters
    ----------
    subject : Subject
    alpha : float
    only : sequence of str, optional
        Names of laws; all by default.
    """

    subject: Subject | LearnerSubject
    alpha: float
    only: Sequence[str] | None = None
    laws: tuple[ModuleType, ...] = field(init=False)
    reasons: dict[str, str] = field(init=False, default_factory=dict)
    outcomes: dict[str, Outcome] = field(init=False, default_factory=dict)
    trials: dict[str, list[Trial]] = field(init=False, default_factory=dict)
    pools: dict[str, list[Pool]] = field(init=False, default_factory=dict)
    shares: dict[str, float] = field(init=False, default_factory=dict)
    turn: int = field(init=False, default=0)
    ended: dict[str, str] = field(init=False, default_factory=dict)
    not_afforded: list[str] = field(init=False, default_factory=list)
    spent: tuple[int, float] = field(init=False, default=(0, 0.0))
    _in: dict[str, list[Pool]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.laws = all_laws()
        names = [law.NAME for law in self.laws]
        unknown = sorted(set(self.only or ()) - set(names))
        if unknown:
            raise ArgumentError(f"laws are {', '.join(names)}; got {', '.join(unknown)}")
        if self.only is not None:
            self.laws = tuple(law for law in self.laws if law.NAME in self.only)
        own = "learner" if isinstance(self.subject, LearnerSubject) else "sampler"
        for law in self.laws:
            asked = speaks_of(law)
            self.reasons[law.NAME] = (
                law.reason(self.subject) if asked == own else f"asked of {asked}s"
            )
            if self.reasons[law.NAME] or not hasattr(law, "trials"):
                continue
            found = law.trials(self.subject)
            if found:
                share_equally(found)
                for trial in found:
                    trial.largest = max(1, self.subject.largest // self.subject.group)
                self.trials[law.NAME] = found
                self.pools[law.NAME] = pools_of(law.NAME, found)
        # simple targets and weighty laws first: that is the order of the first looks
        weighty = sorted(self.trials, key=lambda name: -share(self._law(name)))
        self.trials = {name: self.trials[name] for name in weighty}
        self._in = {
            t.key: [p for pools in self.pools.values() for p in pools if t in p.members]
            for t in self.all_trials
        }
        self.shares = shares_of(
            {law.NAME: share(law) for law in self.laws if law.NAME in self.trials}
        )

    def _law(self, name: str) -> ModuleType:
        return next(law for law in self.laws if name == law.NAME)

    def evidence(self, name: str) -> float:
        """log of a law's wealth: half of it bets on single trials, half on pools of them."""
        trials, pools = self.trials[name], self.pools[name]
        single = np.logaddexp.reduce([t.log_share for t in trials])
        if not pools:
            return float(single)
        pooled = np.logaddexp.reduce([p.wealth.log_evidence for p in pools]) - math.log(len(pools))
        return float(np.logaddexp(single, pooled) - math.log(2))

    def telling(self, name: str) -> Trial:
        """The trial that shows a law's violation best."""
        trials, pools = self.trials[name], self.pools[name]
        best = max(trials, key=lambda t: t.log_share)
        if not pools:
            return best
        pool = max(pools, key=lambda p: p.wealth.log_evidence)
        if best.wealth.log_evidence >= pool.wealth.log_evidence or not pool.wealth.count:
            return best
        return pool.clearest

    @property
    def all_trials(self) -> list[Trial]:
        """Trials of every law."""
        return [t for found in self.trials.values() for t in found]

    def threshold(self, name: str) -> float:
        """log evidence at which a law is VIOLATED."""
        return log_threshold(self.alpha, self.shares[name])

    def rejected(self) -> list[str]:
        """Laws that their bettors have refuted."""
        return [name for name in self.trials if self.evidence(name) >= self.threshold(name)]

    def settle_without_chance(self) -> None:
        """Runs the laws that need no error probability, until one is violated."""
        for law in self.laws:
            if self.reasons[law.NAME] or not hasattr(law, "examine"):
                continue
            try:
                outcome = law.examine(self.subject)
            except OutOfTime as error:
                self.not_afforded.append(law.NAME)
                outcome = Outcome(verdict=Verdict.UNDECIDED, detail=f"not afforded: {error}")
            except StepError as error:
                self.ended[law.NAME] = str(error)
                outcome = Outcome(verdict=Verdict.UNDECIDED, detail=_in_a_line(error))
            self.outcomes[law.NAME] = outcome
            if outcome.verdict is Verdict.VIOLATED:
                return

    @property
    def refuted(self) -> bool:
        """Whether some law is violated already."""
        return bool(self.rejected()) or any(
            o.verdict is Verdict.VIOLATED for o in self.outcomes.values()
        )

    def look(self, budget: Budget, share: float = 1.0) -> None:
        """Looks until a law is refuted or this share of the budget is spent.

        A look that would end beyond it is not begun; a step that raises ends its trial.
        """
        pools = [p for found in self.pools.values() for p in found]
        meter = budget.meter
        steps, began = meter.steps, meter.seconds
        while not self.rejected():
            trials = [t for t in self.all_trials if t.key not in self.ended]
            if not trials:
                break
            chosen = next_trial(trials, pools, self.turn, self.ended)
            seconds, room = budget.left(share)
            cost = chosen.next_cost
            took = (meter.seconds - began) / max(meter.steps - steps, 1)
            if seconds <= 0 or room <= 0 or cost > (1 + SLACK) * room:
                break
            if meter.steps > steps and cost * took > seconds + SLACK * budget.seconds:
                break
            try:
                with budget.up_to(share + SLACK):
                    payoffs = chosen.look(self.subject.seed)
            except OutOfTime:
                break
            except StepError as error:
                self.ended[chosen.key] = str(error)
                continue
            for pool in self._in[chosen.key]:
                pool.observe(chosen, payoffs)
            self.turn += 1
        self.spent = (meter.steps - steps, meter.seconds - began)

    @property
    def still_needed(self) -> float:
        """Seconds, roughly, until every trial is as narrow as HOLDS wants it."""
        steps = 0.0
        for trial in self.all_trials:
            n = trial.wealth.count
            wanted = n * (trial.width / RESOLUTION) ** 2 if n else SAMPLES
            steps += max(wanted - n, 0.0) * trial.calls
        made, seconds = self.spent
        return steps * seconds / made if made else math.inf

    def reports(self) -> list[LawReport]:
        """One report per law, in the order of the laws."""
        return [self._report(law) for law in self.laws]

    def _report(self, law: ModuleType) -> LawReport:
        name = law.NAME
        plain = {"name": name, "statement": law.STATEMENT}
        if self.reasons[name]:
            return LawReport(**plain, verdict=Verdict.NOT_APPLICABLE, detail=self.reasons[name])
        outcome = self.outcomes.get(name)
        found = self.trials.get(name)
        if found is None:
            if outcome is None:
                return LawReport(
                    **plain,
                    verdict=Verdict.UNDECIDED,
                    detail="not reached: another law is violated",
                )
            return LawReport(
                **plain,
                verdict=outcome.verdict,
                detail=outcome.detail,
                where=outcome.where,
                within=outcome.within,
            )
        return self._of_trials(law, found, outcome)

    def _of_trials(self, law: ModuleType, found: list[Trial], outcome: Outcome | None) -> LawReport:
        name, level = law.NAME, self.threshold(law.NAME)
        evidence, best = self.evidence(name), self.telling(name)
        each = level + math.log(len(found))
        seen = [t for t in found if t.wealth.count]
        within = max((t.within(each) for t in seen), default=math.inf)
        most = max(found, key=lambda t: t.wealth.count)
        target = self._compared(law, most)
        result: dict[str, Any] = {
            "name": name,
            "statement": law.STATEMENT,
            "evidence": evidence,
            "threshold": level,
            "within": within,
            "power": power.card(most, each, target, self.subject.seed)
            if most.wealth.count
            else None,
        }
        samples = sum(t.wealth.count for t in found)
        detail = f"{samples} samples at {len(seen)} of {len(found)} places"
        told = next((self.ended[t.key] for t in found if t.key in self.ended), "")
        if told:
            detail += "; " + told.splitlines()[0]
        if outcome is not None:
            detail += f"; {outcome.detail}"
            if outcome.verdict is Verdict.VIOLATED:
                result |= {"verdict": Verdict.VIOLATED, "where": outcome.where}
                return LawReport(**result, detail=outcome.detail)
        if evidence >= level:
            low, high = best.means.interval(each)
            j = best.wealth.leaders(1)[0]
            shift = (low[j] + high[j]) / 2 / best.units[j]
            result |= {"verdict": Verdict.VIOLATED, "where": best.label}
            return LawReport(
                **result,
                detail=f"{best.leading} is off by {shift:+.3g} standard deviations "
                f"after {best.wealth.count} samples",
            )
        scheme = getattr(self.subject, "scheme", None)
        if law is bias_order and len(seen) == len(found) and scheme is not None:
            detail += "; " + bias_order.measured(scheme, found, each)
        open_ = outcome is not None and outcome.verdict is Verdict.UNDECIDED
        if len(seen) < len(found) or within > RESOLUTION or told or open_:
            detail += f"; within {rounded_up(within)}, {RESOLUTION:g} was wanted" if seen else ""
            return LawReport(**result, verdict=Verdict.UNDECIDED, detail=detail)
        return LawReport(**result, verdict=Verdict.HOLDS, detail=f"within {within:.2g}; {detail}")

    def _compared(self, law: ModuleType, trial: Trial) -> Any:
        """The target whose dictionary the payoffs of a trial compare before and after, if so."""
        if not getattr(law, "COMPARES", False) or isinstance(self.subject, LearnerSubject):
            return None
        name = trial.about["target"]
        return next((t for t in self.subject.targets if t.name == name), None)

    def failing(self) -> dict[str, Any]:
        """What shows the violation most simply: target, step size and number of steps."""
        for name in self.rejected():
            best = self.telling(name)
            return {"law": name, **best.about, "function": best.leading}
        for name, outcome in self.outcomes.items():
            if outcome.verdict is Verdict.VIOLATED:
                return {"law": name, "where": outcome.where}
        return {}

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, JSON only."""
        return {
            "turn": self.turn,
            "trials": {t.key: t.state() for t in self.all_trials if t.looks},
            "pools": {
                p.key: p.state() for found in self.pools.values() for p in found if p.wealth.count
            },
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Takes up what ``state`` describes.

        Raises
        ------
        ArgumentError
            When it holds trials that this examination does not have.
        """
        trials = {t.key: t for t in self.all_trials}
        unknown = sorted(set(state["trials"]) - set(trials))
        if unknown:
            raise ArgumentError(f"the stored state has trials unknown here: {unknown[0]!r}")
        self.turn = int(state["turn"])
        for key, stored in state["trials"].items():
            trials[key].resume(stored)
        for found in self.pools.values():
            for pool in found:
                if pool.key in state["pools"]:
                    pool.wealth = Wealth.resumed(state["pools"][pool.key]["wealth"])


def _in_a_line(error: StepError) -> str:
    lines = str(error).splitlines()
    return lines[0] + (f": {lines[-1]}" if len(lines) > 1 else "")
