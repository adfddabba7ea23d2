"""One training run from its configuration to its report, and a stored run taken up again."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lvebm_theory.errors import ArgumentError

from ..keeping import Lock, writing_to
from ..session import library_version
from .config import Config, config_of
from .curves import Curves
from .data import load_points
from .folder import RunFolder
from .learner import Learner
from .model import build_model, file_digest
from .sources import source_of
from .states import stored_state

DEFAULT_ROOT = Path("lvebm-training")
# of the name of a run in that of its folder
MOST_LETTERS = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A configuration, and the folder from which its files are understood."""

    config: Config
    beside: Path


@dataclass(frozen=True, kw_only=True)
class TrainingSession:
    """A learner and its folder; the lock, where the run is to go on."""

    learner: Learner
    folder: RunFolder
    lock: Lock | None = None

    def release(self) -> None:
        """Lets others work in the folder."""
        if self.lock is not None:
            self.lock.release()

    @property
    def title(self) -> str:
        """What is learned."""
        return self.learner.config.title


def begin(asked: Asked, out: Path | None) -> tuple[TrainingSession, Sequence[str]]:
    """A new run in a folder of its own.

    Returns
    -------
    session
    warnings : sentences for the user

    Raises
    ------
    ArgumentError
        Bad input; nothing is written then. Or the folder holds a run.
    """
    folder = RunFolder(out if out is not None else _new_folder(asked.config))
    if folder.holds_a_run:
        raise ArgumentError(
            f"{folder.path} already holds a run; choose another --out, or continue with --resume"
        )
    config = asked.config
    source = source_of(config, asked.beside)
    points = load_points(config, source, asked.beside)
    energy = build_model(config.model, points.dim, seed=config.seed, beside=asked.beside)
    _refuse_missing(config, points.dim)
    learner = Learner(config=config, energy=energy, points=points, source=source)
    learner.problem()
    start = learner.start()
    from .steps import step_warnings

    warnings = [*points.said, *step_warnings(learner, start)]
    run = {
        "version": library_version(),
        "config": config.to_json(),
        "beside": str(asked.beside.resolve()),
        "file_digest": file_digest(config.model, asked.beside),
    }
    with writing_to(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder.path)
    try:
        if folder.holds_a_run:
            raise ArgumentError(f"{folder.path} holds a run that has just begun")
        folder.begin(run, points)
    except BaseException:
        lock.release()
        raise
    return TrainingSession(learner=learner, folder=folder, lock=lock), warnings


def reopen(path: Path) -> TrainingSession:
    """The run that a folder holds.

    Raises
    ------
    ArgumentError
        No run there, or one of another version, or of a model file that has changed.
    """
    folder = RunFolder(path)
    run = folder.run()
    if run["version"] != library_version():
        raise ArgumentError(
            f"{path} was trained with version {run['version']} of the library, this is "
            f"{library_version()}; train anew, or install that version"
        )
    config, beside = config_of(run["config"]), Path(run["beside"])
    try:
        digest = file_digest(config.model, beside)
    except OSError as error:
        raise ArgumentError(f"{config.model.energy} is not there any more") from error
    if digest != run["file_digest"]:
        raise ArgumentError(f"{config.model.energy} has changed since the run began")
    points = folder.points()
    energy = build_model(config.model, points.dim, seed=config.seed, beside=beside)
    source = source_of(config, beside)
    learner = Learner(config=config, energy=energy, points=points, source=source)
    return TrainingSession(learner=learner, folder=folder)


def take_up(asked: Asked | None, out: Path | None) -> TrainingSession:
    """The stored run that is to go on; where something is asked, it must be that run."""
    path = out if out is not None else newest()
    if not RunFolder(path).holds_a_run:
        raise ArgumentError(f"{path} holds no training run (no run.json)")
    lock = Lock(path)
    try:
        session = reopen(path)
        if session.folder.checkpoint.exists():
            # what is damaged is refused at once
            state = stored_state(session.learner, session.folder)
            Curves.stored(session.folder, state.update)
        if asked is not None and asked.config != session.learner.config:
            raise ArgumentError(
                f"{path} holds a run with another configuration; choose another --out, or give "
                "--resume without a configuration to continue that one"
            )
    except BaseException:
        lock.release()
        raise
    return replace(session, lock=lock)


def newest() -> Path:
    """The newest run below the default folder."""
    found = sorted(DEFAULT_ROOT.glob("*/run.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise ArgumentError(f"there is no run to resume in {DEFAULT_ROOT}")
    return found[-1].parent


def with_seed(asked: Asked, seed: int | None) -> Asked:
    """The same with another seed of training."""
    if seed is None:
        return asked
    content = replace(asked.config, seed=seed).to_json()
    return replace(asked, config=config_of(content))


def _new_folder(config: Config) -> Path:
    letters = "".join(c if c.isalnum() else "-" for c in config.name.lower())
    name = letters[:MOST_LETTERS].strip("-") or "run"
    stem = f"{name}-{datetime.datetime.now().strftime('%Y%m%d-%H%M%S')}"
    folder, n = DEFAULT_ROOT / stem, 1
    while folder.exists():
        n += 1
        folder = DEFAULT_ROOT / f"{stem}-{n}"
    return folder


def _refuse_missing(config: Config, dim: int) -> None:
    missing = config.evaluation.missing or ()
    for k in missing:
        if k >= dim:
            raise ArgumentError(
                f"evaluation.missing names coordinates 0 to {dim - 1} of the data, got {k}"
            )
    if len(set(missing)) == dim:
        raise ArgumentError("evaluation.missing names every coordinate; one must be known")
