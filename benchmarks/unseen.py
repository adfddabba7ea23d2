"""Drawn energies, starts and times against references of their own.

``python -m benchmarks.unseen --rows a:b`` takes a part, ``--again misses`` repeats the rows that
had one, ``--again all`` all of these rows, ``--stored`` writes the table of what is there. Every
part of a row has its limit on processor time and every row is stored as it ends; truths are kept
beside, since they do not change with the library.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError
from verification.keeping import read_sealed, sealed, write_json

from .machine import load
from .table import Table, store
from .targets import Target
from .unseen_sweep import draws, judge
from .unseen_sweep.library import PARTS, answer

log = logging.getLogger(__name__)
NAME = "unseen"
TITLE = "Unseen energies: densities and constants against references of their own"
TARGETS = (
    Target(measured="misses", goal=0, at_most=True),
    Target(measured="slowest s", goal=judge.LIMIT, at_most=True),
)
ROWS = 320
KEPT = Path(__file__).parent / ".runs" / NAME
GRACE = 1800  # seconds by the clock, for what waits without working
_ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def measure(brief: bool) -> Table:
    """The table; a brief one makes three rows."""
    wanted = range(3 if brief else ROWS)
    sweep(wanted, again="none", processes=2)
    return table(wanted)


def sweep(rows: range | list[int], *, again: str, processes: int, silent: bool = False) -> None:
    """Runs what is missing."""
    left = [k for k in rows if not _done(k, again)]
    lock = threading.Lock()

    def work() -> None:
        child = Child()
        while True:
            with lock:
                if not left:
                    break
                k = left.pop(0)
            began = time.perf_counter()
            _write(KEPT / f"{k:03d}.json", run(k, child))
            if not silent:
                said = [f"  {k} {draws.row(k).family}: {time.perf_counter() - began:.0f} s"]
                print("\n      ".join(said + judged(k)), flush=True)
        child.close()

    workers = [threading.Thread(target=work) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _done(k: int, again: str) -> bool:
    return _stored(k) is not None and (again == "none" or (again == "misses" and not judged(k)))


def run(k: int, child: Child) -> dict[str, Any]:
    """Truth of row k, if not kept, and what the library answers, each part within its limit."""
    row = draws.row(k)
    found: dict[str, Any] = {"row": k, "seed": draws.SEED, "text": row.text}
    truths = KEPT / "truth" / f"{k:03d}.json"
    digest = _reference(row)
    kept = _read(truths)
    if kept is None or kept.get("reference") != digest:
        kept = {"reference": digest, **child.ask(k, "truth")}
        _write(truths, kept)
    found["answers"] = {part: child.ask(k, part) for part in PARTS}
    return found | {"library": child.library}


class Child:
    """A process that answers; one that is ended at a limit is replaced, its part lost alone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.library = ""  # that the process has read

    def ask(self, k: int, part: str) -> dict[str, Any]:
        """The answer to one part of one row."""
        if self._process is None:
            command = [sys.executable, "-m", "benchmarks.unseen", "--child"]
            root, self.library = Path(__file__).parent.parent, library()
            self._process = subprocess.Popen(
                command, stdin=-1, stdout=-1, text=True, cwd=root, env=os.environ | _ONE
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(GRACE, process.kill)
        timer.start()
        process.stdin.write(f"{k}\t{part}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        timer.cancel()
        if line.endswith("\n"):
            found: dict[str, Any] = json.loads(line)
            return found
        self.close()
        return {"ended": _why(process.returncode)}

    def close(self) -> None:
        """Lets the process end."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def _why(code: int) -> str:
    if -code == signal.SIGXCPU:
        return f"no answer in {judge.LIMIT:.0f} s of processor time"
    return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"


def serve() -> None:
    """Reads a row and a part per line, writes a line of JSON; the end of input ends it."""
    from .unseen_sweep.truth import truth

    for line in sys.stdin:
        number, part = line.split("\t")
        row, part = draws.row(int(number)), part.strip()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        limit = (
            int(spent.ru_utime + spent.ru_stime)
            + 5
            + int(judge.LIMIT) * (8 if part == "truth" else 1)
        )
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
        with Caught() as caught:
            found = truth(row) if part == "truth" else answer(row, part)
        if caught.text and part != "truth":
            found["terminal"] = caught.text
        print(json.dumps(found), flush=True)


class Caught:
    """What is written to standard output and error meanwhile, by descriptors: LAPACK's too."""

    text = ""

    def __enter__(self) -> Caught:
        sys.stdout.flush()
        self._file = tempfile.TemporaryFile()
        self._kept = os.dup(1), os.dup(2)
        os.dup2(self._file.fileno(), 1)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for kept, descriptor in zip(self._kept, (1, 2), strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)
        self._file.seek(0)
        said = self._file.read().decode(errors="replace").strip()[:500]
        self.text = said.replace(f"{Path(__file__).parent.parent}/", "")
        self._file.close()


def judged(k: int) -> list[str]:
    """Misses of a stored row."""
    kept, truth = _stored(k), _read(KEPT / "truth" / f"{k:03d}.json")
    if kept is None or truth is None:
        return []
    return judge.misses(draws.row(k), truth, kept["answers"])


def table(rows: range | list[int]) -> Table:
    """One line per family; every row in the details, misses in full below."""
    lines: dict[str, dict[str, Any]] = {}
    details: dict[str, Any] = {}
    notes: list[str] = []
    refusals: Counter[str] = Counter()
    for k in rows:
        kept, right = _stored(k), _read(KEPT / "truth" / f"{k:03d}.json")
        if kept is None or right is None:
            continue
        row, answers, wrong = draws.row(k), kept["answers"], judged(k)
        refused = [a["refused"] for a in answers.values() if "refused" in a]
        refusals.update(map(_kind, refused))
        family = row.family.split(":")[0]
        family = family.split(" of ")[0] if "mixture" in family else family
        line = lines.setdefault(family, {"family": family, **dict.fromkeys(_COLUMNS, 0)})
        line["energies"] += 1
        line["gaps firm"] += _grade(answers) in judge.FIRM
        line["curves"] += sum(len(a.get("flow", ())) for a in answers.values())
        line["refused"] += len(refused)
        line["wide"] += judge.wide(row, right, answers)
        line["misses"] += len(wrong)
        slowest = max(float(a.get("seconds", judge.LIMIT)) for a in answers.values())
        line["slowest s"] = max(line["slowest s"], slowest)
        details[str(k)] = {
            "text": row.text,
            "starts": [row.start_text(s) for s in range(3)],
            "times": row.times(),
            "library": kept["library"],
            "gap": right["gap"],
            "graded": _grade(answers),
            "refused": refused,
            "misses": wrong,
            "seconds": slowest,
        }
        notes += [f"- row {k}, `{row.text}`: {w}" for w in wrong]
    said = [f"- {count} times: {sentence}" for sentence, count in refusals.most_common()]
    return Table(
        columns=["family", *_COLUMNS],
        rows=sorted(lines.values(), key=lambda line: str(line["family"])),
        notes=[
            f"Seed {draws.SEED}; three starts and three times per energy; {len(details)} of {ROWS} "
            f"rows. `wide`: intervals wider than {judge.WIDE:.0%} of their value; `slowest s`: "
            "processor time of the longest part.",
            "",
            "Refusals:",
            *(said or ["- none"]),
            "",
            "Misses:",
            *(notes or ["- none"]),
        ],
        details=details,
    )


_COLUMNS = ("energies", "gaps firm", "curves", "refused", "wide", "misses", "slowest s")


def _grade(answers: dict[str, Any]) -> str | None:
    found = answers.get("constants", {}).get("constants", {}).get("gap")
    return found[2] if found else None


def _kind(sentence: str) -> str:
    """A refusal without its numbers."""
    return "".join("#" if c.isdigit() else c for c in sentence)[:160]


def library() -> str:
    """Digest of what the library is made of."""
    text = hashlib.sha256()
    root = Path(__file__).parent.parent
    for package in ("lvebm_theory", "solvers"):
        for path in sorted((root / package).rglob("*.py")):
            text.update(path.read_bytes())
    return text.hexdigest()[:16]


def _reference(row: draws.Row) -> str:
    text = hashlib.sha256(f"{row.text} {row.starts} {row.first} {row.doublings}".encode())
    for name in ("line.py", "plane.py", "truth.py"):
        text.update((Path(draws.__file__).parent / name).read_bytes())
    return text.hexdigest()[:16]


def _stored(k: int) -> dict[str, Any] | None:
    return _read(KEPT / f"{k:03d}.json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_sealed(path)
    except FileNotFoundError:
        return None
    except ArgumentError as error:
        log.warning("%s; it is made again", error)
        return None


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, sealed(content), allow_nan=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unseen", description=__doc__)
    parser.add_argument("--rows", default=f"0:{ROWS}", help="a:b, or a list with commas")
    parser.add_argument("--again", choices=("none", "misses", "all"), default="none")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        serve()
        return 0
    low, colon, high = asked.rows.partition(":")
    rows = range(int(low), int(high)) if colon else [int(k) for k in asked.rows.split(",")]
    before = load()
    if asked.stored:
        print(store(NAME, TITLE, table(rows), before))
        return 0
    sweep(rows, again=asked.again, processes=asked.processes)
    return 1 if any(judged(k) for k in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
