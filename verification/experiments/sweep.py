"""Runs what is not stored yet; a killed sweep goes on where it was.

One JSON file per run, written aside and renamed, and for the first seed a netCDF file with its
pictures, written before it. A file whose digest is not that of the planned run is run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError

from ..store import ENGINE, write_json, written_aside
from ..worker import ONE_THREAD
from .held_out import prepare
from .plan import Run

Listener = Callable[[Run, dict[str, Any]], None]


def stored(run: Run, folder: Path) -> dict[str, Any] | None:
    """The result of a run; None where it is not there, damaged, or of another plan."""
    try:
        found: dict[str, Any] = json.loads((folder / f"{run.name}.json").read_text())
        whole = found["digest"] == run.digest
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None


def sweep(
    runs: Sequence[Run],
    folder: Path,
    *,
    processes: int = 2,
    listener: Listener | None = None,
) -> list[dict[str, Any]]:
    """The results of all runs, in their order; those that are stored are not run again.

    Parameters
    ----------
    processes : int
        Each on one thread; the results do not depend on it.
    listener : callable (run, result), optional
        Hears of every run that has just ended.
    """
    if processes < 1:
        raise ArgumentError(f"a sweep needs at least one process, got {processes}")
    folder.mkdir(parents=True, exist_ok=True)
    missing = [run for run in runs if stored(run, folder) is None]
    sizes = {run.sizes for run in missing}
    for size in sizes:
        same = [run for run in missing if run.sizes == size]
        prepare({r.system for r in same}, {r.seed for r in same}, size, folder)
    say = listener or _silent
    if processes == 1:
        for run in missing:
            say(run, one(run, folder))
    elif missing:
        from joblib import Parallel, delayed

        parallel = Parallel(n_jobs=processes, return_as="generator", batch_size=1)
        for run, result in zip(
            missing, parallel(delayed(_in_worker)(run, folder) for run in missing), strict=True
        ):
            say(run, result)
    results = [stored(run, folder) for run in runs]
    return [result for result in results if result is not None]


def _silent(run: Run, result: dict[str, Any]) -> None:
    """Listens to nothing."""


def _in_worker(run: Run, folder: Path) -> dict[str, Any]:
    import os

    os.environ.update(ONE_THREAD)
    import torch

    torch.set_num_threads(1)
    return one(run, folder)


def one(run: Run, folder: Path) -> dict[str, Any]:
    """Fits, measures and stores one run."""
    from .measure import perform
    from .pictures import picture

    result, model = perform(run, folder)
    if model is not None and run.seed == 0:
        with written_aside(folder / f"{run.name}.nc") as aside:
            picture(run, model, folder).to_netcdf(aside, engine=ENGINE)
    write_json(folder / f"{run.name}.json", result, indent=1)
    return result
