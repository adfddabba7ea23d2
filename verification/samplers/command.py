"""``lvebm check-sampler my_sampler.py:step``: verdicts on the screen, as JSON, or in a file."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..decide import Verdict
from ..summary import Exit

if TYPE_CHECKING:
    from .report import LawReport, Report

# laws that do not apply for one reason, by name; more are counted
MOST_NAMES = 6
STATUS = {
    Verdict.HOLDS: Exit.AGREES,
    Verdict.VIOLATED: Exit.CONTRADICTED,
    Verdict.UNDECIDED: Exit.UNDECIDED,
}


def check_sampler_command(
    sampler: Annotated[str, typer.Argument(help="file.py:step, a function step(x, energy, ...).")],
    kind: Annotated[
        str, typer.Option(help="adjusted, unadjusted, exact-discretisation or learner.")
    ] = "adjusted",
    alpha: Annotated[
        float, typer.Option(help="Chance that a correct sampler is called VIOLATED.")
    ] = 1e-6,
    budget: Annotated[float, typer.Option(help="Seconds.")] = 40.0,
    scheme: Annotated[
        str | None, typer.Option(help="Of an unadjusted sampler: ula, sk-rock, sgld, baoab, ...")
    ] = None,
    reversible: Annotated[
        bool, typer.Option("--reversible", help="Detailed balance is claimed: test it.")
    ] = False,
    backend: Annotated[str | None, typer.Option(help="numpy, torch or jax.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    calls: Annotated[
        int | None, typer.Option(help="Chain steps at most, in place of the budget.")
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(help="file.py:name: your own target, a list, or a function that returns one."),
    ] = None,
    step_sizes: Annotated[
        str | None, typer.Option(help="Step sizes to be tried, separated by commas.")
    ] = None,
    laws: Annotated[
        str | None, typer.Option(help="Names of laws, separated by commas; all by default.")
    ] = None,
    walkers: Annotated[
        int | None, typer.Option(help="Chains that interact, in ensembles of this many.")
    ] = None,
    shared: Annotated[
        str, typer.Option(help='What chains share on purpose: "trajectory length", say.')
    ] = "",
    vectorised: Annotated[
        bool | None,
        typer.Option("--vectorised/--one-chain", help="Whether x is (n, d); found out by trying."),
    ] = None,
    dim: Annotated[
        int, typer.Option("--dim", "--min-dim", help="Least dimension that the sampler takes.")
    ] = 1,
    convention: Annotated[
        str, typer.Option(help='"half" for x - (s/2) grad U + sqrt(s) xi with step size s.')
    ] = "full",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on standard output.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="File for the report and what is needed to go on.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="File of an earlier call: go on where it stopped.")
    ] = None,
) -> int:
    """Tests your sampler: one verdict per law, at a proved false-alarm rate."""
    from ..keeping import Lock, ready_for, sealed, write_json, writing_to
    from ..saying import say, talk_aside
    from .check import check_sampler
    from .kernel import StepError
    from .user_step import load_step, load_targets, names_in, numbers_in

    with contextlib.ExitStack() as held, talk_aside():
        if out is not None:
            ready_for(out)
            held.enter_context(Lock(out))
        step = load_step(sampler)
        own = None if targets is None else load_targets(targets)
        sizes = None if step_sizes is None else numbers_in(step_sizes)
        limit = f"{budget:g} s" if calls is None else f"{calls:,} chain steps"
        say(f"looking at {sampler} for up to {limit}")
        try:
            report = check_sampler(
                step,
                kind,
                alpha,
                budget,
                scheme,
                reversible or None,
                vectorised,
                backend,
                seed,
                resume,
                own,
                sizes,
                walkers=walkers,
                shared=shared,
                calls=calls,
                laws=None if laws is None else names_in(laws),
                min_dim=dim,
                convention=convention,
            )
        except StepError as error:
            say(f"error: {error}")
            return int(Exit.FAILED)
        if out is not None:
            with writing_to(out):
                write_json(out, sealed({**report.as_json(), "state": report.state}), indent=1)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    else:
        show(report, _going_on(budget, calls, out, report.more))
    for traceback in report.raised:
        say(f"error: {traceback}")
    if report.raised and report.verdict is not Verdict.VIOLATED:
        return int(Exit.FAILED)
    return int(STATUS[report.verdict])


def show(report: Report, going_on: str = "") -> None:
    """The report on the terminal: worst first, what does not apply together at the end.

    Parameters
    ----------
    report : Report
    going_on : str
        The command by which undecided laws are looked at longer.
    """
    from .. import screens

    console = screens.screen()
    table = Table(box=None, pad_edge=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("law", max_width=27)
    table.add_column("within (sd)", justify="right", no_wrap=True)
    table.add_column("what was seen (a place is a target with a step size)")
    for law in report.worst_first:
        if law.verdict is Verdict.NOT_APPLICABLE:
            continue
        colour = screens.COLOURS[law.verdict]
        table.add_row(
            f"[{colour}]{law.verdict.value}[/]",
            law.name,
            law.bound,
            escape(law.seen) + _would_find(law),
        )
    console.print(table)
    for reason, names in _left_out(report).items():
        told = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} laws"
        console.print(escape(f"NOT_APPLICABLE  {told}: {reason}"), style="dim")
    console.print()
    if report.note:
        console.print(f"note: {escape(report.note)}")
    console.print(escape(report.headline), style=screens.COLOURS[report.verdict])
    for remark in report.remarks:
        console.print(escape(remark), style="dim")
    if report.localisation is not None:
        console.print(escape(report.localisation.text))
    if report.what_next:
        more = f" {going_on}" if not report.hopeless and report.verdict is Verdict.UNDECIDED else ""
        console.print(escape(report.what_next + more))


def _would_find(law: LawReport) -> str:
    if law.power is None or law.verdict is Verdict.VIOLATED:
        return ""
    return escape(f"\nfound with probability 0.99: {law.power.text}")


def _left_out(report: Report) -> dict[str, list[str]]:
    """Names of the laws that do not apply, by reason."""
    found: dict[str, list[str]] = {}
    for law in report.laws:
        if law.verdict is Verdict.NOT_APPLICABLE:
            found.setdefault(law.detail, []).append(law.name)
    return found


def _going_on(budget: float, calls: int | None, out: Path | None, more: float) -> str:
    """The command by which undecided laws are decided; what was stored need not be looked at."""
    times = more if out is None else more - 1
    limit = f"--budget {budget * times:g}" if calls is None else f"--calls {calls * times:.0f}"
    if out is not None:
        return f"Go on by the same command with {limit} --resume {out}"
    return f"Run it with {limit}, or with --out FILE now and --resume FILE later."
