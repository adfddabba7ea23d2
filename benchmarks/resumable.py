"""Sweeps that go on where they were killed: one JSON file per run, written aside and renamed."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lvebm_theory.errors import ArgumentError
from verification.keeping import Lock, read_json, sealed, write_json
from verification.worker import each

from .machine import load
from .table import store

log = logging.getLogger(__name__)
KEPT = Path(__file__).parent / ".runs"
_PACKAGE = Path(__file__).parent.parent / "verification" / "samplers"
# what only shows or offers the laws cannot change an outcome
_ASIDE = ("zoo", "adapters", "command.py", "zoo_command.py", "plugin.py", "user_step.py")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a sweep.

    Parameters
    ----------
    name : str
        Of its file, without suffix.
    work : callable
        A function of a module, so that it travels to a worker; returns a plain JSON object.
    arguments : mapping
    digest : str
        A stored result of another digest is not used.
    """

    name: str
    work: Callable[..., dict[str, Any]]
    arguments: Mapping[str, Any]
    digest: str


def stored(run: Run, folder: Path) -> dict[str, Any] | None:
    """The result of a run; None where it is not there, damaged, or of another digest."""
    try:
        found = read_json(folder / f"{run.name}.json")
    except FileNotFoundError:
        return None
    except (OSError, ArgumentError) as error:
        log.warning("%s; it is made again", error)
        return None
    result = found.get("result") if isinstance(found, dict) else None
    if not isinstance(result, dict) or found.get("seal") != sealed(result)["digest"]:
        log.warning("the result of %s was altered or damaged; it is made again", run.name)
        return None
    return result if found.get("digest") == run.digest else None


def sweep(
    runs: Sequence[Run], folder: Path, *, processes: int = 2, silent: bool = False
) -> list[tuple[Run, dict[str, Any]]]:
    """The results of all runs, in their order; those that are stored are not run again."""
    folder.mkdir(parents=True, exist_ok=True)
    with Lock(folder):
        missing = [run for run in runs if stored(run, folder) is None]
        if processes == 1 or len(missing) < 2:
            done = ((k, perform(*_travelling(run, folder))) for k, run in enumerate(missing))
        else:
            arguments = [_travelling(run, folder) for run in missing]
            done = each("benchmarks.resumable:perform", arguments, processes=processes)
        for k, (index, _) in enumerate(done, start=1):
            if not silent:
                print(f"  {k}/{len(missing)} {missing[index].name}", flush=True)
    return results(runs, folder)


def results(runs: Sequence[Run], folder: Path) -> list[tuple[Run, dict[str, Any]]]:
    """Those of the runs that are stored, with their results."""
    found = ((run, stored(run, folder)) for run in runs)
    return [(run, result) for run, result in found if result is not None]


def _travelling(run: Run, folder: Path) -> tuple[Any, ...]:
    """What ``perform`` takes, as plain JSON."""
    module = run.work.__module__
    if module == "__main__":  # a benchmark that was run by its name
        module = sys.modules["__main__"].__spec__.name
    return f"{module}:{run.work.__name__}", dict(run.arguments), run.name, run.digest, str(folder)


def perform(work: str, arguments: dict[str, Any], name: str, digest: str, folder: str) -> None:
    """Makes a run and stores its result, sealed."""
    module, _, function = work.partition(":")
    result = getattr(importlib.import_module(module), function)(**arguments)
    content = {"digest": digest, "seal": sealed(result)["digest"], "result": result}
    write_json(Path(folder) / f"{name}.json", content)


def command(
    module: ModuleType, plan: Callable[[int], Sequence[Run]], arguments: Sequence[str] | None = None
) -> int:
    """``--seeds N`` makes a part of a sweep, ``--stored`` writes the table of what is there."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module.NAME}")
    parser.add_argument("--seeds", type=int, default=module.SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--stored", action="store_true")
    asked = parser.parse_args(arguments)
    folder, before = KEPT / module.NAME, load()
    if asked.stored:
        found = module.table(results(plan(module.SEEDS), folder))
        print(store(module.NAME, module.TITLE, found, before))
    else:
        sweep(plan(asked.seeds), folder, processes=asked.processes)
    return 0


def laws_digest() -> str:
    """Digest of all that decides an examination: the laws, targets, schemes and bets."""
    return _digest(lambda name: name not in _ASIDE and not _traces(name))


def localisation_digest() -> str:
    """Digest of what traces a violation to its component."""
    return _digest(_traces)


def _traces(name: str) -> bool:
    return name.startswith("localise") or name in ("features.py", "moves.py", "proposals.py")


def _digest(chosen: Callable[[str], bool]) -> str:
    text = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        if chosen(path.relative_to(_PACKAGE).parts[0]):
            text.update(path.read_bytes())
    return text.hexdigest()[:16]


def module_digest(module: str) -> str:
    """Digest of one module of this project."""
    path = Path(__file__).parent.parent / (module.replace(".", "/") + ".py")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
