"""A step against the laws, on targets and step sizes that Hypothesis draws: one alpha for all.

Level. Example k = 1, 2, ... is examined at alpha_k, whose sum is below alpha (``Spending``); stored
failures are replayed before that, out of a share of their own. Up to the first violation every
examination is decided before its draws are seen, so the chance that a correct sampler fails is at
most alpha. What follows a violation, Hypothesis's search for a simpler example, only chooses what
to show: it cannot turn a pass into a failure. It is done at the alpha of the example that failed.
"""

from __future__ import annotations

import contextlib
import time
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.database import ExampleDatabase

from lvebm_theory.errors import ArgumentError

from ..decide import Verdict
from ..strategies.case import Case, cases
from ..strategies.drawn import Drawn
from .arguments import arguments_of
from .check import check_sampler
from .report import Report
from .sequential import Spending, check_alpha

#: seconds of shrinking, as a multiple of the budget
PATIENCE = 2.0


class LawViolation(AssertionError):
    """A sampler broke a law; the message says which, where, and what is likely at fault.

    Attributes
    ----------
    report : Report
    case : Case
    """

    def __init__(self, text: str, report: Report, case: Case) -> None:
        super().__init__(text)
        self.report = report
        self.case = case


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a test that passed has seen.

    Parameters
    ----------
    reports : mapping of case to Report
    alpha : float
        Of the whole test.
    spent : float
        Of it, so far.
    """

    reports: dict[str, Report]
    alpha: float
    spent: float

    @property
    def calls(self) -> int:
        """Chain steps."""
        return sum(report.calls for report in self.reports.values())

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By case; UNDECIDED says that the budget was too small to exclude a tenth of a sd."""
        return {key: report.verdict for key, report in self.reports.items()}


@dataclass
class PropertyTest:
    """One step, one alpha, many targets.

    Parameters
    ----------
    step : callable
        As for ``check_sampler``.
    kind : {"adjusted", "unadjusted"}
    alpha : float
        Bound of the chance that the test of a correct sampler fails.
    examples : int
        Targets and step sizes drawn.
    budget : float
        Seconds for all of them.
    calls : int, optional
        Chain steps for each of them, instead of the budget: then the outcome is the same anywhere.
    max_dim : int
        Of the targets.
    targets : Hypothesis strategy of ``Drawn``, optional
        Instead of the usual ones.
    scheme, reversible, vectorised, backend, walkers, laws
        As for ``check_sampler``.
    seed : int
        Of the drawn examples and of the chains.
    database : hypothesis ExampleDatabase, optional
        Of failing examples; that of the current Hypothesis profile by default.
    name : str
        Under which failing examples are stored.
    spending : Spending, optional
        Shared with other tests under the same alpha.
    """

    step: Callable[..., Any]
    kind: str = "adjusted"
    alpha: float = 1e-6
    examples: int = 10
    budget: float = 20.0
    calls: int | None = None
    max_dim: int = 3
    targets: Any = None
    scheme: Any = None
    reversible: bool | None = None
    vectorised: bool | None = None
    backend: str | None = None
    walkers: int | None = None
    laws: Sequence[str] | None = None
    seed: int = 0
    database: ExampleDatabase | None = None
    name: str = "sampler"
    spending: Spending | None = None
    reports: dict[str, Report] = field(init=False, default_factory=dict)
    _level: float | None = field(init=False, default=None)
    _until: float = field(init=False, default=0.0)
    _spent: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.examples < 1 or not self.budget > 0 or (self.calls or 1) < 1:
            raise ArgumentError(
                f"a test needs examples >= 1, a budget > 0 and calls >= 1, got {self.examples}, "
                f"{self.budget} and {self.calls}"
            )
        if self.scheme == "sgld":
            raise ArgumentError(
                "no targets with terms are drawn; scheme='sgld' needs check_sampler"
            )
        self._names = arguments_of(self.step)
        self._spending = self.spending or Spending(self.alpha)

    def run(self) -> Summary:
        """Replays what failed before, then draws new examples.

        Returns
        -------
        Summary

        Raises
        ------
        LawViolation
            On the simplest example that was found.
        StepError
            The step raised.
        """
        __tracebackhide__ = True
        try:
            self._stage((Phase.reuse, Phase.shrink), replay=True)
            self._stage((Phase.generate, Phase.shrink), replay=False)
        except LawViolation as found:
            raise LawViolation(str(found), found.report, found.case) from None
        return Summary(reports=self.reports, alpha=self.alpha, spent=self._spent)

    def _stage(self, phases: tuple[Phase, ...], *, replay: bool) -> None:
        profile = hypothesis.settings.default
        usual = None if profile is None else profile.database
        base = usual if self.database is None else self.database
        if replay and base is None:
            return

        # settings outermost: a seed by itself would switch the database off
        @hypothesis.settings(
            phases=phases,
            database=None if base is None else Named(base, self.name),
            max_examples=self.examples,
            deadline=None,
            derandomize=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
        )
        @hypothesis.seed(self.seed)
        @hypothesis.given(self._cases())
        def examine(case: Case) -> None:
            self._examine(case, replay)

        # with nothing to replay Hypothesis asks for the test to be skipped
        with contextlib.suppress(unittest.SkipTest) if replay else contextlib.nullcontext():
            examine()

    def _cases(self) -> Any:
        momenta = "v" in self._names
        return cases(self.kind, self.max_dim, self.targets, momenta=momenta)

    def _examine(self, case: Case, replay: bool) -> None:
        """One example at its share of alpha; the same again when Hypothesis asks again."""
        report = self.reports.get(case.key)
        if report is None:
            if self._level is not None and time.perf_counter() > self._until:
                return
            report = self.reports[case.key] = self._report(case, replay)
        if report.verdict is not Verdict.VIOLATED:
            return
        if self._level is None:
            self._level = report.alpha
            self._until = time.perf_counter() + PATIENCE * self.budget
        raise LawViolation(self._told(case, report), report, case)

    def _next_level(self, replay: bool) -> float:
        if self._level is not None:
            return self._level
        level = self._spending.next(replay=replay)
        self._spent += level
        return level

    def _report(self, case: Case, replay: bool) -> Report:
        return check_sampler(
            self.step,
            self.kind,
            alpha=self._next_level(replay),
            budget=self.budget / self.examples,
            scheme=self.scheme,
            reversible=self.reversible,
            vectorised=self.vectorised,
            backend=self.backend,
            # an example that was stored for its draws is not judged by them again
            seed=self.seed + replay,
            targets=[case.drawn.target],
            step_sizes=[case.step_size],
            walkers=self.walkers,
            calls=self.calls,
            laws=self.laws,
        )

    def _told(self, case: Case, report: Report) -> str:
        lines = [
            f"the sampler breaks a law: {', '.join(report.violated)}",
            f"simplest example: {case}, dimension {case.drawn.dim}",
            *(
                f"{law.name}: {law.statement}; {law.detail}"
                for law in report.laws
                if law.verdict is Verdict.VIOLATED
            ),
        ]
        if report.localisation is not None:
            lines.append(report.localisation.text)
        lines.append(
            f"a correct sampler fails this test with probability at most {self.alpha:g} "
            f"({len(self.reports)} examples, {sum(r.calls for r in self.reports.values())} steps)"
        )
        return "\n".join(lines)


class Named(ExampleDatabase):
    """A part of a database of examples, under a name of its own.

    Parameters
    ----------
    base : ExampleDatabase
    name : str
    """

    def __init__(self, base: ExampleDatabase, name: str) -> None:
        super().__init__()
        self._base = base
        self._prefix = name.encode() + b" "

    def fetch(self, key: bytes) -> Any:
        """The examples stored under a key."""
        return self._base.fetch(self._prefix + key)

    def save(self, key: bytes, value: bytes) -> None:
        """Stores an example."""
        self._base.save(self._prefix + key, value)

    def delete(self, key: bytes, value: bytes) -> None:
        """Forgets an example."""
        self._base.delete(self._prefix + key, value)


__all__ = ["Drawn", "LawViolation", "PropertyTest", "Summary"]
