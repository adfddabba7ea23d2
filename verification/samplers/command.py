"""``lvebm check-sampler my_sampler.py:step``: verdicts on the screen, as JSON, or in a file."""

from __future__ import annotations

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
    budget: Annotated[float, typer.Option(help="Seconds.")] = 30.0,
    scheme: Annotated[
        str | None, typer.Option(help="Of an unadjusted sampler: ula, sk-rock, sgld, baoab, ...")
    ] = None,
    reversible: Annotated[
        bool, typer.Option("--reversible", help="Detailed balance is claimed: test it.")
    ] = False,
    backend: Annotated[str | None, typer.Option(help="numpy, torch or jax.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    calls: Annotated[
        int | None, typer.Option(help="Kernel calls at most, in place of the budget.")
    ] = None,
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
    from ..saying import say, talk_aside
    from .check import check_sampler
    from .kernel import StepError
    from .user_step import load_step

    with talk_aside():
        step = load_step(sampler)
        say(f"looking at {sampler} for up to {budget:g} s")
        try:
            report = check_sampler(
                step,
                kind,
                alpha,
                budget,
                scheme,
                reversible or None,
                backend=backend,
                seed=seed,
                resume=resume,
                calls=calls,
            )
        except StepError as error:
            say(f"error: {error}")
            return int(Exit.FAILED)
    if out is not None:
        from ..store import write_json

        write_json(out, {**report.as_json(), "state": report.state}, indent=1)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    else:
        show(report)
    return int(STATUS[report.verdict])


def show(report: Report) -> None:
    """The report on the terminal."""
    from .. import screens

    console = screens.screen()
    table = Table(box=None, pad_edge=False)
    table.add_column("law", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("within", justify="right")
    table.add_column("found with probability 0.99", max_width=44)
    table.add_column("what was seen", max_width=64)
    for law in report.laws:
        colour = screens.COLOURS[law.verdict]
        table.add_row(
            law.name,
            f"[{colour}]{law.verdict.value}[/]",
            "" if law.within is None else f"{law.within:.2g}",
            "" if law.power is None else escape(law.power.text),
            escape(_seen(law)),
        )
    console.print(table)
    if report.note:
        console.print(f"note: {escape(report.note)}")
    console.print(escape(report.headline), style=screens.COLOURS[report.verdict])
    if report.localisation is not None:
        console.print(escape(report.localisation.text))


def _seen(law: LawReport) -> str:
    return law.detail + (f" [{law.where}]" if law.where else "")
