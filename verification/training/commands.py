"""The commands ``lvebm train``, ``sample``, ``reconstruct`` and ``evaluate``.

Exit status: 0 fine; 3 bad input; 4 training diverged or a solver failed; 130 interrupted.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lvebm_theory.errors import ArgumentError, SolverError

from ..keeping import sentence
from ..saying import say, talk_aside

if TYPE_CHECKING:
    from .session import Asked, TrainingSession

BAD_INPUT, FAILED, INTERRUPTED = 3, 4, 130

Run = Annotated[Path, typer.Argument(help="Folder of a training run.")]
Out = Annotated[
    Path | None, typer.Option(help="CSV or NPY file to write; standard output by default.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random stream.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the app of ``lvebm``."""
    for command in (train, sample, reconstruct, evaluate):
        app.command()(command)


def failing(command: Callable[..., int]) -> Callable[..., int]:
    """Decorator: a solver that fails ends with 4 and one sentence."""

    @wraps(command)
    def inside(*args: Any, **options: Any) -> int:
        try:
            return command(*args, **options)
        except SolverError as error:
            say(f"error: {error}")
            return FAILED

    return inside


@failing
def train(
    config: Annotated[
        Path | None, typer.Argument(help="TOML file; docs/learning.md names every key.")
    ] = None,
    example: Annotated[
        str | None, typer.Option(help="A built-in run: gaussian, bimodal, lorenz, ...")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the run that --out (or the newest) holds.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of training, in place of the file's.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON on standard output.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--print", help="Print the configuration as TOML and stop.")
    ] = False,
) -> int:
    """Learns theta from data by latent-variable EBM dynamics, and writes a report."""
    from .session import begin, take_up, with_seed
    from .toml_text import toml_text

    asked = _asked(config, example)
    if asked is not None:
        asked = with_seed(asked, seed)
    if show:
        if asked is None:
            raise ArgumentError("--print needs CONFIG.toml or --example NAME")
        sys.stdout.write(toml_text(asked.config.to_json()))
        return 0
    if resume:
        if asked is None and seed is not None:
            raise ArgumentError("a resumed run keeps its seed; leave --seed out")
        with talk_aside():
            session = take_up(asked, out)
    elif asked is None:
        raise ArgumentError("train needs CONFIG.toml or --example NAME (or --resume)")
    else:
        with talk_aside():
            session, warnings = begin(asked, out)
        for warning in warnings:
            say(f"warning: {warning}")
    return _train(session, as_json=as_json)


def _asked(config: Path | None, example: str | None) -> Asked | None:
    from .config import read_config
    from .session import Asked

    if config is not None and example is not None:
        raise ArgumentError("give CONFIG.toml or --example, not both")
    if config is not None:
        return Asked(config=read_config(config), beside=config.resolve().parent)
    if example is not None:
        from .examples import example_config

        return Asked(config=example_config(example), beside=Path.cwd())
    return None


def _train(session: TrainingSession, *, as_json: bool) -> int:
    from rich.live import Live

    from ..screens import screen
    from .finish import finish
    from .progress import Lines, LiveTraining, last_screen
    from .run import Step, run_training

    # a polite kill is an interrupt: what was learned is stored
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = session.folder
    console = screen(stderr=as_json)
    say(f"{session.title}; the run goes to {folder.path}")
    lines, live = Lines(), LiveTraining(session.title)

    def tell(step: Step) -> None:
        if line := lines.line(step):
            say(line)

    try:
        with talk_aside():
            if console.is_terminal:
                with Live(live, console=console, refresh_per_second=4, transient=True):
                    trained = run_training(session.learner, folder, live.hear)
            else:
                trained = run_training(session.learner, folder, tell)
            for sign in trained.signs:
                say(f"warning: {sign.name}: {sign.sentence}")
            outcome = finish(session, trained, say)
    except KeyboardInterrupt:
        say(f"interrupted; the last good state is kept: lvebm train --resume --out {folder.path}")
        return INTERRUPTED
    except OSError as error:
        say(f"error: {sentence(error)}")
        say(f"stopped; the last stored state is kept: lvebm train --resume --out {folder.path}")
        return FAILED
    finally:
        session.release()
    if as_json:
        sys.stdout.write(json.dumps(outcome.content, indent=1, allow_nan=False) + "\n")
    where = [f"report: {folder.report_file}", f"checkpoint: {folder.checkpoint}"]
    console.print(last_screen(session.title, outcome.words, where))
    if outcome.warning:
        say(f"warning: {outcome.warning}")
    return 0


@failing
def sample(
    run: Run,
    n: Annotated[int, typer.Option("-n", min=1, help="How many draws.")] = 1000,
    seed: Seed = 0,
    latents: Annotated[bool, typer.Option("--latents", help="Draw x and z, not x alone.")] = False,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Adjusted Langevin steps from the pool.")
    ] = None,
    out: Out = None,
) -> int:
    """Draws from the learned model, in the units of the data."""
    from .output import ready_for_points, write_points
    from .trained import open_trained

    ready_for_points(out)
    with talk_aside():
        model = open_trained(run)
        draws = model.draw(n, seed=seed, steps=steps)
    names = list(model.points.coordinates)
    values = model.points.units.outside(draws.values[:, : model.energy.dim_x])
    if latents:
        import numpy as np

        from .naming import coordinates

        names += coordinates("z", model.energy.dim_z)

        values = np.hstack([values, draws.values[:, model.energy.dim_x :]])
    say(f"{n} draws, {100 * draws.acceptance:.0f} % of proposals accepted")
    write_points(values, names, out)
    return 0


@failing
def reconstruct(
    run: Run,
    data: Annotated[
        Path, typer.Option(help="CSV, NPY or NPZ file; NaN or an empty cell is missing.")
    ],
    missing: Annotated[
        str | None, typer.Option(help="Coordinates to fill in for every row, such as '1,2'.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws per row.")] = 50,
    seed: Seed = 0,
    out: Out = None,
    every: Annotated[
        bool, typer.Option("--draws-too", help="Write each draw, not only mean and spread.")
    ] = False,
) -> int:
    """Fills in missing coordinates of data: mean, standard deviation, and draws."""
    from .output import ready_for_points, write_reconstruction
    from .trained import open_trained

    ready_for_points(out)
    with talk_aside():
        model = open_trained(run)
        filled = model.reconstruct(data, missing=missing, draws=draws, seed=seed)
    write_reconstruction(filled, out, every=every)
    return 0


@failing
def evaluate(
    run: Run,
    data: Annotated[
        Path | None, typer.Option(help="Data to compare with; by default fresh or held-out data.")
    ] = None,
    n: Annotated[int | None, typer.Option("-n", min=50, help="Samples of each side.")] = None,
    seed: Seed = 1,
    likelihood: Annotated[
        bool, typer.Option("--likelihood/--no-likelihood", help="Bracket the log-likelihood.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object only.")] = False,
) -> int:
    """Scores of the learned model: transport distances, modes, bracketed log-likelihood."""
    from ..screens import screen
    from .progress import last_screen
    from .trained import open_trained

    with talk_aside():
        model = open_trained(run)
        scores = model.evaluate(data, n=n, seed=seed, likelihood=likelihood)
    if as_json:
        sys.stdout.write(json.dumps(scores.as_json(), indent=1, allow_nan=False) + "\n")
    else:
        screen().print(last_screen(model.title, scores.in_words(), ()))
    return 0
