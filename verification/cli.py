"""The command ``lvebm``. What it prints stands here; what it does stands in the modules it calls.

Exit status of ``verify``: 0 nothing VIOLATED, UNDECIDED or failed, every control caught, at least
one HOLDS; 1 something VIOLATED or a control missed; 2 something UNDECIDED; 3 bad input; 4 a
solver or the machine (a full disk) failed. An interrupted run ends with 130 and can be taken up
with ``--resume``; 141 says that the reader of the output was gone.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from lvebm_theory.errors import LvebmError

from . import screens
from .discovery import BUILT_IN, claims, select
from .hints import hint
from .keeping import of_place, sealed, sentence
from .samplers.command import check_sampler_command
from .samplers.zoo_command import zoo_command
from .saying import forget, say, talk_aside
from .subcommands import OpenGroup
from .summary import Exit
from .training.commands import register as register_training

if TYPE_CHECKING:
    from .session import Session

# typer carries click's exceptions under a path of its own that changed between versions
USAGE_ERROR: type[typer.BadParameter] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
INTERRUPTED = 130
PIPE_CLOSED = 141

app = typer.Typer(
    cls=OpenGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Confronts theorems about Langevin dynamics with grid and particle solvers.",
)

Potential = Annotated[
    str | None, typer.Option(help="Potential U as a formula, such as 'x**4/4 - x**2'.")
]
Param = Annotated[
    list[str] | None, typer.Option(help="name=value of a parameter in the energy; repeatable.")
]
Variables = Annotated[
    str | None, typer.Option("--vars", help="Variables in order, such as 'x,y'; default: sorted.")
]
EnergyFile = Annotated[
    str | None, typer.Option(help="file.py:name of an energy made with @energy or @joint_energy.")
]
Assume = Annotated[
    bool, typer.Option("--assume-normalisable", help="Vouch that exp(-U) is integrable.")
]
Package = Annotated[str, typer.Option(help="Package in which claims are looked for.")]


@app.command()
def verify(
    ctx: typer.Context,
    potential: Potential = None,
    param: Param = None,
    variables: Variables = None,
    energy: EnergyFile = None,
    start: Annotated[
        str | None, typer.Option(help="Initial law, such as 'normal(1.2, 0.25)' per coordinate.")
    ] = None,
    times: Annotated[
        str | None, typer.Option(help="Times, increasing, such as '0.05,0.2,1,3'.")
    ] = None,
    claims_: Annotated[
        str | None, typer.Option("--claims", help="Names of claims, with commas; default: all.")
    ] = None,
    budget: Annotated[str, typer.Option(help="quick, standard or thorough.")] = "standard",
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    alpha: Annotated[
        float, typer.Option(help="Chance that any finding of the run is wrongly VIOLATED.")
    ] = 1e-6,
    jobs: Annotated[int, typer.Option(help="Processes, each on one thread.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Results folder.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print findings.json on standard output, nothing else.")
    ] = False,
    backend: Annotated[str, typer.Option(help="Particles by numba or torch.")] = "numba",
    device: Annotated[str, typer.Option(help="cpu or cuda (with --backend torch).")] = "cpu",
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the run that --out (or the newest) holds.")
    ] = False,
    time_limit: Annotated[
        float,
        typer.Option(help="Seconds for the run; what is left then is UNDECIDED, out of time."),
    ] = math.inf,
    assume_normalisable: Assume = False,
    package: Package = BUILT_IN,
) -> int:
    """Confronts the claims with solvers, on the catalogue's energies or on one of yours."""
    from .admission import Options
    from .session import open_session

    options = Options(
        potential=potential,
        energy=energy,
        parameters=tuple(param or ()),
        variables=variables,
        start=start,
        times=times,
        claims=claims_,
        budget=budget,
        seed=seed,
        alpha=alpha,
        backend=backend,
        device=device,
        assume_normalisable=assume_normalisable,
        package=package,
    )
    if jobs < 1:
        raise typer.BadParameter(f"--jobs must be at least 1, got {jobs}")
    if not time_limit > 0:
        raise typer.BadParameter(f"--time-limit must be positive, got {time_limit}")
    asked = options if _asks_something(ctx) or not resume else None
    with talk_aside():
        session, warnings = open_session(asked, out=out, resume=resume)
    for warning in warnings:
        say(f"warning: {warning}")
    return _verify(session, jobs=jobs, as_json=as_json, time_limit=time_limit)


# options that do not shape the plan: a resumed run may differ in them
FREE = {"jobs", "out", "as_json", "resume", "time_limit"}


def _asks_something(ctx: typer.Context) -> bool:
    """True when an option that shapes the plan stands on the command line."""
    named = (ctx.get_parameter_source(name) for name in ctx.params if name not in FREE)
    return any(source is not None and source.name == "COMMANDLINE" for source in named)


def _verify(session: Session, *, jobs: int, as_json: bool, time_limit: float) -> int:
    # a polite kill is an interrupt: workers end with us
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = screens.screen(stderr=as_json)
    table = screens.LiveTable(session.plan)
    say(f"{session.plan.measured} findings planned; results go to {session.folder.path}")
    try:
        with talk_aside():
            if console.is_terminal:
                with Live(table, console=console, refresh_per_second=4, transient=True):
                    content = session.run(jobs=jobs, listener=table.hear, time_limit=time_limit)
            else:
                content = session.run(
                    jobs=jobs,
                    listener=lambda p: say(line) if (line := screens.progress_line(p)) else None,
                    time_limit=time_limit,
                )
    except KeyboardInterrupt:
        say(
            "interrupted; every finished finding is kept: "
            f"lvebm verify --resume --out {session.folder.path}"
        )
        return INTERRUPTED
    except OSError as error:
        say(f"error: {sentence(error)}")
        say(
            "stopped; every finished finding is kept: "
            f"lvebm verify --resume --out {session.folder.path}"
        )
        return int(Exit.FAILED)
    findings, status = session.findings(content), session.status(content)
    if as_json:
        sys.stdout.write(json.dumps(sealed(content), indent=1, allow_nan=False) + "\n")
    where = f"report: {session.folder.report_file}   findings: {session.folder.findings_file}"
    console.print(screens.last_screen(session.plan, findings, status, where))
    return int(status)


@app.command("list")
def list_(package: Package = BUILT_IN) -> int:
    """Names every claim."""
    screens.screen().print(screens.claims_table(claims(package)))
    return 0


@app.command()
def show(
    claim: Annotated[str, typer.Argument(help="Name of a claim.")], package: Package = BUILT_IN
) -> int:
    """Statements, sources, assumptions, settings and controls of one claim."""
    screens.screen().print(screens.claim_page(select([claim], package)[claim]))
    return 0


@app.command()
def constants(
    potential: Potential = None,
    param: Param = None,
    variables: Variables = None,
    energy: EnergyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object only.")] = False,
    assume_normalisable: Assume = False,
) -> int:
    """Spectral gap, log-Sobolev, smoothness, convexity and dissipativity, with bounds."""
    from .admission import Options, admit_energy

    if potential is None and energy is None:
        raise typer.BadParameter("constants needs --potential or --energy")
    options = Options(
        potential=potential,
        energy=energy,
        parameters=tuple(param or ()),
        variables=variables,
        assume_normalisable=assume_normalisable,
    )
    with talk_aside():
        admitted = admit_energy(options)
    for warning in admitted.warnings:
        say(f"warning: {warning}")
    from lvebm_theory.constants import constants_of

    with talk_aside():
        known = constants_of(admitted.whole)
        found, contradiction = known.as_json(), known.contradiction
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1, allow_nan=False) + "\n")
    else:
        console = screens.screen()
        console.print(screens.constants_table(potential or str(energy), found))
        console.print(f"exp(-U) normalisable: {admitted.normalisable}")
    if contradiction is not None:
        say(f"constant-contradicted: {contradiction}")
        return int(Exit.CONTRADICTED)
    return 0


@app.command()
def report(directory: Annotated[Path, typer.Argument(help="Results folder.")]) -> int:
    """Writes report.html again from the stored results of a run, finished or not."""
    from .session import rewrite_report
    from .training.finish import holds_training, rewrite_training_report

    rewrite = rewrite_training_report if holds_training(directory) else rewrite_report
    screens.screen().print(str(rewrite(directory)), soft_wrap=True)
    return 0


register_training(app)
app.command("check-sampler")(check_sampler_command)
app.command("zoo")(zoo_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns its exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # what a terminal cannot show (a sign outside its encoding) is shown as an escape
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = int(app(args=arguments, standalone_mode=False) or 0)
        sys.stdout.flush()  # not at the interpreter's end, which would hide the status
    except BrokenPipeError:  # the reader of our output, head(1) say, has seen enough
        forget(sys.stdout)
        return PIPE_CLOSED
    except SystemExit as ended:
        # help is shown by rich, which ends so where nobody reads it
        return PIPE_CLOSED if ended.code == 1 else int(Exit.FAILED)
    except LvebmError as error:
        say(f"error: {error}")
        return int(Exit.BAD_INPUT)
    except USAGE_ERROR as error:
        said = error.format_message()
        meant = hint(said, _options_of(error), arguments or sys.argv[1:])
        say(f"error: {said.rstrip('.') if meant else said}{meant}")
        return int(Exit.BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return INTERRUPTED
    except OSError as error:
        forget(sys.stdout)
        say(f"error: {sentence(error)}")
        return int(Exit.BAD_INPUT if of_place(error) else Exit.FAILED)
    except MemoryError as error:
        say(f"error: out of memory{f' ({error})' if str(error) else ''}")
        return int(Exit.FAILED)
    except Exception:  # a fault of ours must not read as one of the verdicts 1 and 2
        traceback.print_exc()
        return int(Exit.FAILED)
    return status


def _options_of(error: Exception) -> set[str]:
    """Names of the options of the command that was used wrongly."""
    context = getattr(error, "ctx", None)
    return {name for option in context.command.params for name in option.opts} if context else set()


def _open_streams() -> None:
    """Streams that the caller has closed lead nowhere, and no file takes their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number: those below are open by now
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            stream = io.TextIOWrapper(io.FileIO(number, mode, closefd=False), encoding="utf-8")
            setattr(sys, name, stream)


def _pictures_without_home() -> None:
    """Where there is no home, matplotlib would make a folder of its own for each process."""
    with contextlib.suppress(RuntimeError):
        if os.access(Path.home(), os.W_OK):
            return
    from lvebm_theory.formula.generated import cache_folder

    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


def main() -> None:
    """Entry point of the console script."""
    _open_streams()
    _pictures_without_home()
    sys.exit(run())


if __name__ == "__main__":
    main()
