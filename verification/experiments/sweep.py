"""Runs what is not stored yet; a killed sweep goes on where it was.

One sealed JSON file per run, and for the first seed a netCDF file with its pictures, written before
it. A file of another plan, or one that was altered, is not used: its run is made again.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError

from ..keeping import Lock, read_sealed, sealed, write_json
from ..netcdf import write_datasets
from ..worker import each
from .held_out import prepare
from .plan import Run, Sizes

log = logging.getLogger(__name__)
IN_WORKER = "verification.experiments.sweep:in_worker"
Listener = Callable[[Run, dict[str, Any]], None]


def stored(run: Run, folder: Path) -> dict[str, Any] | None:
    """The result of a run; None where it is not there, damaged, or of another plan."""
    path = folder / f"{run.name}.json"
    try:
        found = read_sealed(path)
    except FileNotFoundError:
        return None
    except ArgumentError as error:
        log.warning("%s; it is made again", error)
        return None
    return found if found.get("plan") == run.digest else None


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
    with Lock(folder):
        missing = [run for run in runs if stored(run, folder) is None]
        for size in {run.sizes for run in missing}:
            same = [run for run in missing if run.sizes == size]
            prepare({r.system for r in same}, {r.seed for r in same}, size, folder)
        say = listener or _silent
        if processes == 1:
            for run in missing:
                say(run, one(run, folder))
        else:
            arguments = [(dataclasses.asdict(run), str(folder)) for run in missing]
            for index, result in each(IN_WORKER, arguments, processes=processes):
                say(missing[index], result)
        results = [stored(run, folder) for run in runs]
    return [result for result in results if result is not None]


def _silent(run: Run, result: dict[str, Any]) -> None:
    """Listens to nothing."""


def in_worker(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """``one`` in a worker process, of a run as plain JSON."""
    import torch

    torch.set_num_threads(1)
    return one(Run(**{**row, "sizes": Sizes(**row["sizes"])}), Path(folder))


def one(run: Run, folder: Path) -> dict[str, Any]:
    """Fits, measures and stores one run."""
    from .measure import perform
    from .pictures import picture

    result, model = perform(run, folder)
    if model is not None and run.seed == 0:
        write_datasets(folder / f"{run.name}.nc", {"": picture(run, model, folder)})
    write_json(folder / f"{run.name}.json", sealed(result), indent=1)
    return result
