"""``lvebm zoo``: planted bugs and correct kernels, examined by the laws for samplers.

Exit status: 0 every bug was killed and no correct or equivalent kernel refuted; 1 one of those was
refuted; 2 a bug is alive at this budget; 3 bad input; 4 a kernel raised.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from lvebm_theory.errors import ArgumentError

from ..decide import Verdict
from ..summary import Exit

if TYPE_CHECKING:
    from .zoo.entry import Entry
    from .zoo.examine import Outcome

EXAMINE = "verification.samplers.zoo_command:examine_named"


def zoo_command(
    family: Annotated[
        str | None, typer.Option(help="A family (ula, mala, hmc, ...) or one kernel's name.")
    ] = None,
    budget: Annotated[float, typer.Option(help="Seconds for each kernel.")] = 10.0,
    alpha: Annotated[
        float, typer.Option(help="Chance that a correct kernel is refuted, each.")
    ] = 1e-6,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    calls: Annotated[
        int | None, typer.Option(help="Kernel calls at most for each, in place of the budget.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes, each on one thread.")] = 2,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcomes as JSON on standard output.")
    ] = False,
) -> int:
    """Planted bugs in samplers: killed or not, by which law, in how many calls."""
    from ..saying import say, talk_aside
    from .kernel import StepError
    from .sequential import check_alpha

    check_alpha(alpha)
    if not budget > 0 or jobs < 1 or (calls is not None and calls < 1):
        raise ArgumentError(
            f"budget, jobs and calls must be positive, got {budget}, {jobs} and {calls}"
        )
    chosen = selected(family)
    outcomes: list[Outcome] = []
    with talk_aside():
        say(f"{len(chosen)} kernels, up to {budget:g} s each")
        try:
            for outcome in outcomes_of(chosen, alpha, budget, seed, calls, jobs):
                outcomes.append(outcome)
                say(f"  {outcome.name}: {outcome.law or outcome.verdict}")
        except StepError as error:
            say(f"error: {error}")
            return int(Exit.FAILED)
    rows = list(zip(chosen, outcomes, strict=True))
    if as_json:
        content = {"alpha": alpha, "seed": seed, "kernels": [as_row(e, o) for e, o in rows]}
        sys.stdout.write(json.dumps(content, indent=1, allow_nan=False) + "\n")
    else:
        show(rows)
    return int(status_of(rows))


def selected(family: str | None) -> list[Entry]:
    """Kernels of a family, one by name, or all.

    Raises
    ------
    ArgumentError
        For a name that is neither, with what was meant.
    """
    from .zoo import entries

    every = list(entries().values())
    if family is None:
        return every
    found = [e for e in every if family in (e.family, e.name)]
    if found:
        return found
    names = sorted({e.family for e in every})
    near = difflib.get_close_matches(family, [*names, *(e.name for e in every)], 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise ArgumentError(f"a family is one of {', '.join(names)}, got {family!r}{meant}")


def outcomes_of(
    chosen: Sequence[Entry],
    alpha: float,
    budget: float,
    seed: int,
    calls: int | None,
    jobs: int,
) -> Iterator[Outcome]:
    """Outcomes in the order of the entries, as they come."""
    from ..worker import each
    from .kernel import StepError
    from .zoo.examine import Outcome, examine

    if jobs == 1 or len(chosen) == 1:
        for entry in chosen:
            yield examine(entry, alpha, budget, seed, calls=calls)
        return
    # kernels are made in the worker: closures do not travel
    arguments = [(entry.name, alpha, budget, seed, calls) for entry in chosen]
    found: dict[int, Outcome] = {}
    done = 0
    for index, row in each(EXAMINE, arguments, processes=jobs):
        if "raised" in row:
            raise StepError(row["raised"])
        found[index] = Outcome(**{**row, "laws": tuple(row["laws"])})
        while done in found:
            yield found.pop(done)
            done += 1


def examine_named(
    name: str, alpha: float, budget: float, seed: int, calls: int | None = None
) -> dict[str, Any]:
    """``examine`` in a worker process, on one thread; plain JSON."""
    from .kernel import StepError
    from .zoo import entries
    from .zoo.examine import examine

    try:
        return examine(entries()[name], alpha, budget, seed, calls=calls).as_json()
    except StepError as error:
        return {"raised": str(error)}


def as_row(entry: Entry, outcome: Outcome) -> dict[str, Any]:
    """Entry and outcome as a plain JSON object."""
    return {
        **outcome.as_json(),
        "family": entry.family,
        "component": entry.component,
        "fault": entry.fault,
        "provenance": entry.provenance if entry.component else "",
        "bias": entry.bias,
        "equivalent": entry.equivalent,
    }


def status_of(rows: Iterable[tuple[Entry, Outcome]]) -> Exit:
    """What the outcomes come to."""
    found = {(entry.to_be_killed, outcome.killed) for entry, outcome in rows}
    if (False, True) in found:
        return Exit.CONTRADICTED
    return Exit.UNDECIDED if (True, False) in found else Exit.AGREES


def show(rows: Sequence[tuple[Entry, Outcome]]) -> None:
    """The table and a summary on the terminal."""
    from .. import screens

    console = screens.screen()
    table = Table(box=None, pad_edge=False)
    table.add_column("kernel", no_wrap=True)
    table.add_column("what is wrong", max_width=48)
    table.add_column("outcome", no_wrap=True)
    table.add_column("by which law", no_wrap=True)
    table.add_column("calls", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("first guess", no_wrap=True)
    for entry, outcome in rows:
        good = outcome.killed == entry.to_be_killed
        colour = screens.COLOURS[Verdict.HOLDS if good else Verdict.UNDECIDED]
        if outcome.killed and not entry.to_be_killed:
            colour = screens.COLOURS[Verdict.VIOLATED]
        table.add_row(
            entry.name,
            escape(_fault(entry)),
            f"[{colour}]{_word(entry, outcome)}[/]",
            outcome.law,
            str(outcome.calls),
            f"{outcome.seconds:.1f}",
            outcome.first,
        )
    console.print(table)
    console.print(summary(rows))


def _fault(entry: Entry) -> str:
    if entry.correct:
        return "nothing"
    return entry.fault + (" (equivalent)" if entry.equivalent else "")


def _word(entry: Entry, outcome: Outcome) -> str:
    if entry.to_be_killed:
        return "killed" if outcome.killed else "alive"
    return "false alarm" if outcome.killed else "not refuted"


def summary(rows: Sequence[tuple[Entry, Outcome]]) -> str:
    """Kills, false alarms and right guesses in one sentence."""
    bugs = [(e, o) for e, o in rows if e.to_be_killed]
    killed = [(e, o) for e, o in bugs if o.killed]
    others = [o for e, o in rows if not e.to_be_killed]
    first = sum(e.component == o.first for e, o in killed)
    either = sum(e.component in (o.first, o.second) for e, o in killed)
    return (
        f"{len(killed)} of {len(bugs)} bugs killed; {sum(o.killed for o in others)} of "
        f"{len(others)} correct and equivalent kernels refuted; component named at first guess "
        f"{first}, among two {either} of {len(killed)}"
    )
