"""What the command line shows: a live table while a plan runs, and one screen at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from . import wording
from .claim import Claim
from .decide import Verdict
from .finding import Finding
from .plan import Plan
from .runner import Progress
from .summary import WORST_FIRST, Exit, summarise

COLOURS = {
    Verdict.HOLDS: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.CONSTANT_CONTRADICTED: "bold red",
    Verdict.UNDECIDED: "yellow",
    Verdict.NOT_TOLD_APART: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.SOLVER_FAILED: "magenta",
}
# reasons on the last screen; the rest stands in the report
MOST_REASONS = 8
# lines of the live table that are not claims
FRAME = 5


class LiveTable:
    """A table of the run so far, kept current by listening to the runner."""

    def __init__(self, plan: Plan) -> None:
        self._begun = time.monotonic()
        self._planned = Counter(group.claim for group in plan.groups)
        self._finished: Counter[str] = Counter()
        self._verdicts: dict[str, Counter[Verdict]] = {name: Counter() for name in self._planned}
        self._controls: dict[str, set[str]] = {name: set() for name in self._planned}
        self._under_way: Counter[str] = Counter()

    def hear(self, progress: Progress) -> None:
        """Takes in what the runner says."""
        if progress.group is None:
            return
        claim = progress.group.claim
        if progress.findings is None:
            self._under_way[claim] += 1
            return
        self._under_way[claim] = max(0, self._under_way[claim] - 1)
        self._finished[claim] += 1
        for finding in progress.findings:
            if finding.control is None:
                self._verdicts[claim][finding.verdict] += 1
            elif finding.verdict is Verdict.VIOLATED:
                self._controls[claim].add(finding.control)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(self._planned)
        done, whole = self._finished.total(), self._planned.total()
        seconds = time.monotonic() - self._begun
        parts: list[RenderableType] = []
        if len(shown) > console.height - FRAME:
            waiting = sum(not self._finished[c] and not self._under_way[c] for c in shown)
            over = sum(self._finished[c] == self._planned[c] for c in shown)
            parts.append(Text(f"{over} claims finished, {waiting} waiting"))
            shown = [claim for claim in shown if self._under_way[claim]]
        table = Table(box=None, pad_edge=False, title_justify="left")
        table.title = f"{done} of {whole} measurements, {seconds:.0f} s"
        table.add_column("claim", no_wrap=True)
        table.add_column("done", justify="right")
        table.add_column("so far")
        table.add_column("controls caught", justify="right")
        for claim in shown:
            planned = self._planned[claim]
            running = " …" if self._under_way[claim] else ""
            table.add_row(
                claim,
                f"{self._finished[claim]}/{planned}{running}",
                _verdict_counts(self._verdicts[claim]),
                str(len(self._controls[claim]) or ""),
            )
        yield Group(table, *parts)


def _verdict_counts(found: Counter[Verdict]) -> Text:
    parts = [(f"{v.value} {found[v]}  ", COLOURS[v]) for v in WORST_FIRST if found[v]]
    return Text.assemble(*parts)


def progress_line(progress: Progress) -> str | None:
    """One line per finished group, for output that is not a terminal."""
    if progress.group is None or progress.findings is None:
        return None
    group = progress.group
    tally = Counter(f.verdict.value for f in progress.findings if f.control is None)
    controls = [f for f in progress.findings if f.control is not None]
    if controls:
        hits = sum(f.verdict is Verdict.VIOLATED for f in controls)
        tally["controls refuted"] = hits
    said = ", ".join(f"{name} {n}" for name, n in tally.items())
    return f"{group.claim}  {group.path}: {said}"


def last_screen(plan: Plan, findings: Sequence[Finding], status: Exit, where: str) -> Group:
    """Per claim: verdict, measured against predicted, slack, sensitivity, controls caught."""
    table = Table(box=None, pad_edge=False, title_justify="left")
    table.title = f"{escape(plan.request.label)}, budget {plan.request.budget}"
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict")
    table.add_column("measured against predicted", no_wrap=True)
    table.add_column("slack", justify="right", no_wrap=True)
    table.add_column("sensitivity", justify="right", no_wrap=True)
    table.add_column("controls", justify="right")
    summaries = summarise(findings)
    for summary in summaries:
        telling = summary.telling
        table.add_row(
            summary.claim,
            _verdict_counts(summary.counts),
            "—" if telling is None else wording.comparison(telling),
            "—" if telling is None else wording.number(telling.slack, 3),
            wording.per_cent(summary.sensitivity),
            wording.caught(summary),
        )
    parts: list[RenderableType] = [*_first_of_all(findings), table, Text()]
    parts += _reason_lines(findings)
    if plan.omitted:
        names = ", ".join(plan.omitted)
        parts.append(Text(f"Left out, for they speak only of their own settings: {names}.", "dim"))
    if plan.request.assumed:
        parts.append(Text(wording.ASSUMED, "yellow"))
    colour = (
        "green"
        if status is Exit.AGREES
        else "bold red"
        if status is Exit.CONTRADICTED
        else "yellow"
    )
    parts.append(Text(f"{status.sentence} (exit status {int(status)})", colour))
    parts.append(Text(where))
    return Group(*parts)


def _first_of_all(findings: Sequence[Finding]) -> list[RenderableType]:
    """Where witnesses disagree, before anything that may rest on them."""
    said: list[RenderableType] = [
        Text(line, "bold red") for line in wording.disagreements(findings)
    ]
    return [*said, Text()] if said else said


def _reason_lines(findings: Sequence[Finding]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    by_reason = wording.reasons(findings)
    for reason, rows in list(by_reason.items())[:MOST_REASONS]:
        lines.append(Text(f"{reason} ({wording.places(rows)})", COLOURS[rows[0].verdict]))
    if len(by_reason) > MOST_REASONS:
        lines.append(Text(f"and {len(by_reason) - MOST_REASONS} further reasons, in the report"))
    return lines


def claims_table(claims: Mapping[str, Claim]) -> Table:
    """Names and titles of the claims."""
    table = Table(box=None, pad_edge=False)
    table.add_column("claim", no_wrap=True)
    table.add_column("says")
    table.add_column("of your energy", no_wrap=True)
    table.add_column("controls", justify="right")
    for name, claim in claims.items():
        own = "yes" if claim.adapt is not None else "own settings"
        table.add_row(name, escape(claim.title), own, str(len(claim.controls)))
    return table


def claim_page(claim: Claim) -> Group:
    """Statements with sources and assumptions, settings, and controls of one claim."""
    parts: list[RenderableType] = [Text(f"{claim.name}: {claim.title}", "bold")]
    for theorem in claim.theorems:
        parts += [
            Text(),
            Text(f"{theorem.title} ({theorem.relation.value}{', loose' if theorem.loose else ''})"),
            Text(f"  {theorem.statement}"),
            Text(f"  proved in {wording.cited(theorem.reference)}", "dim"),
        ]
        if theorem.inspired_by:
            sources = ", ".join(wording.known_as(key) for key in theorem.inspired_by)
            parts.append(Text(f"  inspired by {sources}", "dim"))
        parts += [Text(f"  assumes: {assumption.text}") for assumption in theorem.assumptions]
    parts += [Text(), Text("negative controls, each of which must come out VIOLATED")]
    parts += [Text(f"  {name}: {what}") for name, what in claim.controls.items()]
    parts += [Text(), Text("settings")]
    for setting in claim.settings():
        cases = claim.cases(setting, "numba")
        own = sum(case.control is None for case in cases)
        witnesses = ", ".join(dict.fromkeys(case.witness for case in cases))
        parts.append(
            Text(f"  {setting.name}: {own} findings, {len(cases) - own} of controls ({witnesses})")
        )
    if claim.adapt is None:
        parts.append(Text("It speaks only of these settings."))
    else:
        parts.append(Text("It also speaks of an energy of yours (`lvebm verify --potential ...`)."))
    return Group(*parts)


def constants_table(label: str, constants: Mapping[str, Mapping[str, Any]]) -> Table:
    """Name, value, bounds, grade and source of each constant."""
    table = Table(
        box=None,
        pad_edge=False,
        title_justify="left",
        title=escape(label),
        caption_justify="left",
        caption=(
            "smoothness: Lipschitz constant of grad U, the largest absolute eigenvalue of its "
            "Hessian; convexity: the least eigenvalue"
        ),
    )
    for column in ("constant", "value", "lower", "upper", "how", "source"):
        table.add_column(column, no_wrap=column != "source")
    for name, row in constants.items():
        numbers = ("—" if row[k] is None else f"{row[k]:.9g}" for k in ("value", "lower", "upper"))
        table.add_row(name, *numbers, row["how"], escape(row["source"]))
    return table


class Screen(Console):
    """A console that leaves it to its caller what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError, where rich would end the process with status 1."""
        raise BrokenPipeError


def screen(*, stderr: bool = False) -> Console:
    """A console; wide where the output is not a terminal, so that tables do not wrap."""
    console = Screen(stderr=stderr, highlight=False)
    return console if console.is_terminal else Screen(stderr=stderr, highlight=False, width=140)
