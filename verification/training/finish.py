"""The end of a run: the learned law against fresh data, stored, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..keeping import write_text
from ..netcdf import write_datasets
from ..session import library_version
from .folder import RunFolder
from .run import Trained
from .scores import Scores, compare
from .session import TrainingSession
from .theta import theta_in_words
from .trained import TrainedModel

if TYPE_CHECKING:
    import xarray

# rows stored of each side: enough for smooth pictures, little on disk
STORED_SAMPLES = 10_000
RECONSTRUCTION_DRAWS = 50


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Scores as they are stored: for the screen, and as JSON."""

    words: dict[str, str]
    content: dict[str, Any]

    @property
    def warning(self) -> str | None:
        """What stands against the result."""
        return self.content.get("warning")


def silent(said: str) -> None:
    """Listens and says nothing."""


def finish(
    session: TrainingSession, trained: Trained, tell: Callable[[str], None] = silent
) -> Outcome:
    """Scores, stored samples, and report.html; nothing is done twice for one state.

    ``tell`` hears what is at work.
    """
    folder = session.folder
    stored = folder.read_dataset(folder.results_file, "samples")
    if stored is None or stored.attrs["update"] != trained.state.update:
        groups = _results(session, trained, tell)
        write_datasets(folder.results_file, groups)
        stored = groups["samples"]
    write_report(folder)
    return Outcome(
        words=json.loads(stored.attrs["words"]), content=json.loads(stored.attrs["scores"])
    )


def _results(
    session: TrainingSession, trained: Trained, tell: Callable[[str], None]
) -> dict[str, xarray.Dataset]:
    model = TrainedModel(session.learner, trained.state)
    asked = session.learner.config.evaluation
    truth = model.truth(seed=asked.seed)
    count = truth.n * len(truth.blocks) // 2
    tell(f"comparing {count} draws of the learned law with fresh data")
    draws = model.draw_points(count, seed=asked.seed)
    scores = compare(draws, truth, model.points.units, session.learner.source)
    if asked.likelihood:
        tell("bracketing the log-likelihood")
        scores = model.with_likelihood(scores, truth, asked.seed)
    everything = truth.blocks.reshape(-1, model.points.dim)
    groups = {"samples": _samples(model, draws, everything, trained, scores)}
    missing = asked_missing(model)
    if missing:
        tell(f"reconstructing {asked.reconstructions} points")
        groups["reconstruction"] = _reconstruction(model, everything, missing)
    return groups


def asked_missing(model: TrainedModel) -> tuple[int, ...]:
    """Coordinates to reconstruct: those asked for, else the last of several."""
    asked = model.learner.config.evaluation.missing
    if asked is not None:
        return asked
    return (model.points.dim - 1,) if model.points.dim > 1 else ()


def _samples(
    model: TrainedModel, draws: Any, everything: Any, trained: Trained, scores: Scores
) -> xarray.Dataset:
    import xarray

    few = min(len(draws), len(everything), STORED_SAMPLES)
    return xarray.Dataset(
        {
            "learned": (("sample", "coordinate"), draws[:few]),
            "fresh": (("sample", "coordinate"), everything[:few]),
        },
        coords={"coordinate": list(model.points.coordinates)},
        attrs={
            "version": library_version(),
            "update": trained.state.update,
            "signs": json.dumps([f"{s.name}: {s.sentence}" for s in trained.signs]),
            "scores": json.dumps(scores.as_json()),
            "words": json.dumps({**theta_in_words(model, trained), **scores.in_words()}),
        },
    )


def _reconstruction(
    model: TrainedModel, everything: Any, missing: tuple[int, ...]
) -> xarray.Dataset:
    import xarray

    asked = model.learner.config.evaluation
    rows = everything[-min(asked.reconstructions, len(everything)) :]
    gaps = np.zeros(rows.shape, dtype=bool)
    gaps[:, list(missing)] = True
    filled = model.fill_in(rows, gaps, draws=RECONSTRUCTION_DRAWS, seed=asked.seed)
    return xarray.Dataset(
        {
            "truth": (("row", "coordinate"), rows),
            "draws": (("draw", "row", "missing"), filled.draws[:, :, list(missing)]),
        },
        coords={"coordinate": list(model.points.coordinates), "missing": list(missing)},
    )


def write_report(folder: RunFolder) -> Path:
    """report.html from what the folder holds."""
    from ..report.learning_page import render

    write_text(folder.report_file, render(folder))
    return folder.report_file


def holds_training(path: Path) -> bool:
    """True for a folder of ``lvebm train``."""
    return RunFolder(path).holds_a_run


def rewrite_training_report(path: Path) -> Path:
    """Writes report.html of a run again, finished or not."""
    return write_report(RunFolder(path))
