"""Kills at random moments: nothing finished is lost, nobody stays behind, nothing is left lying.

A chain is one run that is killed (``kill -9`` of the process that was started, and of it alone) at
random moments until it has been killed often enough; each time it is taken up again, and in the end
it runs through. Three kinds of moments: soon after some files more were stored, the first second,
and the tenth of a second after a worker begins. Chains are kept in ``benchmarks/.runs/faults``; a
killed benchmark goes on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .resumable import KEPT, Run, sweep
from .table import Table

TITLE = "Kills at random moments"
KILLS, CHAIN = 200, 5
#: files stored before a kill, at most
MOST_STEPS = 8
PROCESSES = 2
#: seconds that workers have after their parent's end
GRACE = 2.0
MARK = "LVEBM_FAULTS"
VERIFY = (
    *("verify", "--claims", "coupled-gaussian,oscillation,gradient-error-growth"),
    *("--budget", "quick", "--jobs", "2"),
)
TRAINING = """
[data]
law = "normal(0, 1.3)"
n = 300
[model]
energy = "linear_gaussian"
dim_z = 1
[model.parameters]
precision = [[2.0, 0.5], [0.5, 1.5]]
[training]
updates = 3000
pool = 200
record_every = 10
checkpoint_every = 100
[evaluation]
n = 200
sampling_steps = 20
"""
#: what is killed: arguments of ``lvebm``, and the share of kills
KINDS = {"verify": 0.6, "train": 0.4}


def measure(brief: bool) -> Table:
    """One row per kind: kills, and what they did."""
    folder = Path(tempfile.mkdtemp()) if brief else KEPT / "faults"
    kills = 4 if brief else KILLS
    runs = []
    for kind, share in KINDS.items():
        whole = uninterrupted(kind)
        digest = hashlib.sha256(f"{whole} {CHAIN}".encode()).hexdigest()[:16]
        left = round(share * kills)
        while left > 0:
            count, left = min(CHAIN, left), left - CHAIN
            arguments = {"kind": kind, "seed": len(runs), "kills": count, "whole": whole}
            runs.append(
                Run(name=f"{len(runs):03d}", work=chain, arguments=arguments, digest=digest)
            )
    draw = random.Random(0)
    draw.shuffle(runs)  # a part of the sweep is one of every kind
    return table(sweep(runs, folder, processes=PROCESSES))


def table(results: Sequence[tuple[Run, Mapping[str, Any]]]) -> Table:
    """The sums of the chains that were made."""
    found = [(run.arguments["kind"], result) for run, result in results]
    rows = [row_of(kind, [result for k, result in found if k == kind]) for kind in KINDS]
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=(
            "lost: finished pieces that were not there, or not whole, afterwards; left: processes "
            f"alive {GRACE:g} s after the kill; litter: files beside the results once the run is "
            "through; other numbers: runs that do not equal an uninterrupted one bit for bit.",
        ),
        details={"chains": [{"kind": kind, **result} for kind, result in found]},
    )


def row_of(kind: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sums of some chains."""
    sums = {
        key: sum(result[key] for result in results)
        for key in ("kills", "through", "lost", "left", "litter", "other numbers", "refused")
    }
    return {"kind": kind, **sums}


def uninterrupted(kind: str) -> str:
    """The numbers of a run that nobody disturbs."""
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        (here / "tmp").mkdir()
        process = _started(kind, here, "whole")
        status = process.wait()
        assert status == 0, f"an undisturbed run of {kind} ended with {status}"
        return numbers(kind, here / "whole")


def chain(kind: str, seed: int, kills: int, whole: str, grace: float = GRACE) -> dict[str, Any]:
    """One run that is killed some times, over and over until they are made.

    Returns
    -------
    dict
        Counts; all but ``kills`` and ``through`` (runs that came to their end) should be 0.
    """
    draw = random.Random(seed)
    count = dict.fromkeys(
        ("kills", "through", "lost", "left", "litter", "other numbers", "refused"), 0
    )
    said: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        temporary = here / "tmp"
        temporary.mkdir(mode=0o700)
        run = 0
        while count["kills"] < kills or (here / str(run)).exists():
            folder = here / str(run)
            before = _finished(folder)
            process = _started(kind, here, folder.name)
            killed = count["kills"] < kills and _killed(process, draw, folder)
            count["kills"] += killed
            count["left"] += len(left_after(grace, here)) if killed else 0
            lost = [p for p, stamp in before.items() if not _kept(folder, p, stamp)]
            count["lost"] += len(lost)
            said += [f"lost: {path}" for path in lost]
            if killed:
                continue
            if process.wait() != 0:
                count["refused"] += 1
                said.append(f"status {process.returncode}: {(here / 'said').read_text()[-500:]}")
                break
            count["through"] += 1
            count["other numbers"] += numbers(kind, folder) != whole
            litter = [str(p) for p in _litter(folder, temporary)]
            count["litter"] += len(litter)
            said += [f"litter: {path}" for path in litter]
            shutil.rmtree(folder)
            run += 1
    return {**count, "said": said}


def _started(kind: str, here: Path, name: str) -> subprocess.Popen[bytes]:
    """The run in a folder, begun or taken up."""
    folder = here / name
    config = here / "run.toml"
    if kind == "train":
        config.write_text(TRAINING)
        begun, fresh = folder / "run.json", ("train", str(config))
        again: Sequence[str] = ("train",)
    else:
        begun, fresh, again = folder / "plan.json", VERIFY, ("verify", "--jobs", "2")
    arguments = (*again, "--resume") if begun.exists() else fresh
    with (here / "said").open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "verification.cli", *arguments, "--out", str(folder)],
            env={**os.environ, MARK: str(here), "TMPDIR": str(here / "tmp")},
            stdout=stream,
            stderr=stream,
        )


def _killed(process: subprocess.Popen[bytes], draw: random.Random, folder: Path) -> bool:
    """Kills a process at a random moment; False where it had ended before."""
    moment = draw.choice(("progress", "progress", "start", "worker"))
    wanted, wait = 0, draw.uniform(0.0, 1.0)
    if moment == "worker":
        wanted, wait = draw.choice((1, 2)), draw.uniform(0.0, 0.1)
        while process.poll() is None and len(_children(process.pid)) < wanted:
            if _stamps(folder) and (folder / "run.json").exists():
                break  # training has no workers
            time.sleep(0.002)
    elif moment == "progress":
        wanted, wait = draw.randint(0, MOST_STEPS), draw.uniform(0.0, 0.3)
        seen = first = _stamps(folder)
        while process.poll() is None and len(seen - first) < wanted:
            seen |= _stamps(folder)
            time.sleep(0.002)
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL
    return False


def _stamps(folder: Path) -> set[tuple[str, int]]:
    """What a run has stored so far: names and times of its files."""
    found = set()
    # the run removes files and folders meanwhile
    for place, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    path = os.path.join(place, name)
                    found.add((path, os.stat(path).st_mtime_ns))
    return found


def _children(parent: int) -> list[str]:
    try:
        return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except OSError:
        return []


def left_after(grace: float, here: Path) -> list[int]:
    """Ids of processes of a chain that are alive when the grace is over; they are ended then."""
    end = time.monotonic() + grace
    while (found := _marked(here)) and time.monotonic() < end:
        time.sleep(0.02)
    for process in found:
        os.kill(process, signal.SIGKILL)
    return found


def _marked(here: Path) -> list[int]:
    """Ids of living processes that were started for a chain."""
    mark = f"{MARK}={here}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _finished(folder: Path) -> dict[Path, int]:
    """Files of what is finished in a folder, by the time of their last change."""
    paths = [*folder.glob("pieces/[0-9]*.json"), *folder.glob("plan.json")]
    return {path: path.stat().st_mtime_ns for path in paths}


def _kept(folder: Path, path: Path, stamp: int) -> bool:
    """Whether a finished piece is still there untouched, or has gone into the findings."""
    try:
        return path.stat().st_mtime_ns == stamp
    except FileNotFoundError:
        return (folder / "findings.json").exists()


def _litter(folder: Path, temporary: Path) -> list[Path]:
    """What lies beside results of a run that is through."""
    hidden = [path for path in folder.rglob("*") if path.name.startswith(".")]
    pieces = [folder / "pieces"] if (folder / "pieces").exists() else []
    return [*hidden, *pieces, *temporary.iterdir()]


def numbers(kind: str, folder: Path) -> str:
    """Digest of every number of a run but computing times."""
    found = _of_training(folder) if kind == "train" else _of_findings(folder)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _of_findings(folder: Path) -> dict[str, Any]:
    from verification.curves_json import curves_to_json
    from verification.keeping import read_sealed
    from verification.netcdf import read_datasets

    found = read_sealed(folder / "findings.json")
    for row in found["findings"]:
        row["seconds"] = 0.0
    curves = {
        path.name: {k: curves_to_json(d) for k, d in read_datasets(path).items()}
        for path in sorted(folder.glob("*.nc"))
    }
    return {"findings": found, "curves": curves}


def _of_training(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    from verification.netcdf import read_datasets

    def digest(values: Any) -> str:
        return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()

    found: dict[str, Any] = {
        k: digest(v) for k, v in load_file(folder / "checkpoint.safetensors").items()
    }
    for file in ("curves.nc", "results.nc"):
        for group, dataset in read_datasets(folder / file).items():
            found[f"{file} {group}"] = {k: str(v) for k, v in dataset.attrs.items()}
            for name, variable in dataset.variables.items():
                if name != "seconds":
                    found[f"{file} {group} {name}"] = digest(variable.values)
    return found
