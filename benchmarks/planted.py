"""Wrong solvers and wrong constants, planted by wrappers and run through the verification.

``python -m benchmarks.planted`` plants forty mutants of solvers and sixty false constants, one at
a time, each in a process of its own that ends with it, and counts how many come out VIOLATED,
disagreeing, contradicted or refused. Unplanted runs of the same energies must come out clean.
``--only NAME``, ``--again`` and ``--stored`` as in the other sweeps; what is finished is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError
from verification.keeping import read_sealed, sealed, write_json

from .machine import load
from .planted_faults import Planted, planted
from .table import Table, store
from .targets import Target
from .unseen import KEPT as _BESIDE
from .unseen import library

log = logging.getLogger(__name__)
NAME = "planted"
TITLE = "Planted faults: wrong solvers and wrong constants, and what the verification says"
TARGETS = (Target(measured="caught %", goal=95),)
KEPT = _BESIDE.parent / NAME
LIMIT = 400  # seconds of processor time
CAUGHT = ("VIOLATED", "disagree", "contradicted", "refused")


def measure(brief: bool) -> Table:
    """The table; a brief one plants four."""
    chosen = planted()[:4] if brief else planted()
    sweep(chosen, again=False, processes=2)
    return table(chosen)


def sweep(chosen: list[Planted], *, again: bool, processes: int) -> None:
    """Plants what has no stored result; children are forked, so that loops are compiled once."""
    left = [p for p in chosen if again or _stored(p) is None]
    running: dict[int, Planted] = {}
    while left or running:
        while left and len(running) < processes:
            one = left.pop(0)
            child = os.fork()
            if child == 0:
                _in_child(one)
            running[child] = one
        child, status = os.wait()
        one = running.pop(child)
        if status != 0:
            _keep(one, {"outcome": "out of time" if status == 24 else f"ended with {status}"})
        kept = _stored(one) or {}
        print(f"  {one.name}: {kept.get('outcome')} ({kept.get('seconds', 0):.0f} s)", flush=True)


def _in_child(one: Planted) -> None:
    try:
        spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent) + LIMIT, -1))
        _keep(one, run(one))
    except BaseException:
        _keep(one, {"outcome": "harness", "said": traceback.format_exc()[-1500:]})
    finally:
        os._exit(0)


def run(one: Planted) -> dict[str, Any]:
    """Plants a fault in this process and runs the true cases of its claims on its energy."""
    from lvebm_theory import LvebmError
    from verification.admission import Options, admit
    from verification.plan import build_plan
    from verification.runner import run_plan
    from verification.session import library_version
    from verification.store import Folder

    began = time.process_time()
    if one.plant is not None:
        one.plant()
    _work_here()
    options = Options(
        potential=one.subject.text,
        start=one.start or one.subject.start,
        times=one.subject.times,
        claims=",".join(one.claims),
        budget="quick",
    )
    try:
        request, _ = admit(options)
        plan = build_plan(request, library_version())
        plan = replace(
            plan,
            cases=tuple(c for c in plan.cases if c.of_user and c.case.control is None),
            meetings=tuple(m for m in plan.meetings if m.of_user and m.control is None),
            partners=tuple(p for p in plan.partners if p.of_user and p.case.control is None),
        )
        with tempfile.TemporaryDirectory() as kept:
            folder = Folder(Path(kept) / "run")
            folder.begin(plan)
            findings = run_plan(plan, folder, jobs=1)
    except LvebmError as error:
        said = f"{type(error).__name__}: {error}"
        return {"outcome": "refused", "said": said, "seconds": time.process_time() - began}
    found = Counter(_outcome(f) for f in findings)
    best = next((o for o in (*CAUGHT[:3], "harness", "refused") if found[o]), "missed")
    said = next((f for f in findings if _outcome(f) == best), None)
    return {
        "outcome": best,
        "verdicts": dict(Counter(f"{f.claim} {f.verdict.value}" for f in findings)),
        "said": str(said.provenance.get("reason", "")) if said else "",
        "where": f"{said.claim} {said.quantity}" if said else "",
        "seconds": time.process_time() - began,
    }


def _outcome(finding: Any) -> str:
    from verification.decide import Verdict

    if finding.verdict is Verdict.VIOLATED:
        return "disagree" if finding.claim == "witnesses-agree" else "VIOLATED"
    if finding.verdict is Verdict.CONSTANT_CONTRADICTED:
        return "contradicted"
    reason = str(finding.provenance.get("reason", ""))
    if finding.verdict is Verdict.SOLVER_FAILED:
        # a wrapper that does not fit the library proves nothing
        return "harness" if reason.startswith(_OURS) else "refused"
    if finding.verdict is Verdict.NOT_APPLICABLE and reason.endswith(_UNKNOWN):
        return "refused"  # the witness says of its own value that it knows nothing
    return finding.verdict.value


_UNKNOWN = "is finite and known"
_OURS = ("AttributeError", "TypeError", "NameError", "KeyError")


def _work_here() -> None:
    """Groups are measured in this process, where the fault is."""
    from verification import runner, worker_process

    class Here:
        def submit(self, call: str, *arguments: Any, limit: float | None = None) -> Future[Any]:
            del limit  # the whole process has one
            done: Future[Any] = Future()
            said = worker_process.answer({"call": call, "arguments": arguments})
            if "raised" in said:
                done.set_exception(RuntimeError(said["raised"]["traceback"]))
            else:
                done.set_result(said["result"])
            return done

        def end(self) -> None:
            """There is nothing to end."""

        drop = end

    runner.Worker = Here  # type: ignore[misc,assignment]


def table(chosen: list[Planted]) -> Table:
    """One row per kind; what was missed, and by which verdicts, below."""
    rows, notes = [], []
    for kind in dict.fromkeys(p.kind for p in chosen):
        mine = [(p, kept) for p in chosen if p.kind == kind and (kept := _stored(p)) is not None]
        count = Counter(kept["outcome"] for _, kept in mine)
        caught = sum(count[o] for o in CAUGHT)
        row: dict[str, Any] = {"kind": kind, "planted": len(mine)}
        row |= {outcome: count[outcome] for outcome in CAUGHT}
        row |= {"other": len(mine) - caught}
        row["caught %"] = round(100 * caught / len(mine), 1) if mine and kind != "nothing" else None
        rows.append(row)
        for p, kept in mine:
            wrong = kept["outcome"] not in CAUGHT
            if wrong and kind != "nothing":
                notes.append(f"- {p.name}: {p.says}; {kept['outcome']}, {kept.get('verdicts', '')}")
            if not wrong and kind == "nothing":
                notes.append(f"- nothing planted, {p.name}: {kept['outcome']}, {kept['where']}")
    details = {p.name: {"says": p.says, **kept} for p in chosen if (kept := _stored(p))}
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=["Not caught, or caught with nothing planted:", *(notes or ["- none"])],
        details=details,
    )


def _path(one: Planted) -> Path:
    return KEPT / f"{one.kind}-{_digest(one)}.json"


def _stored(one: Planted) -> dict[str, Any] | None:
    try:
        found = read_sealed(_path(one))
    except FileNotFoundError:
        return None
    except ArgumentError as error:
        log.warning("%s; it is made again", error)
        return None
    return found if found.pop("of", None) == _digest(one) else None


def _keep(one: Planted, content: dict[str, Any]) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    stamp = {"name": one.name, "of": _digest(one), "library": library()}
    write_json(_path(one), sealed({**stamp, **content}))


def _digest(one: Planted) -> str:
    text = repr((one.name, one.says, one.claims, one.start))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("--only", help="part of a name")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--stored", action="store_true")
    asked = parser.parse_args(arguments)
    before = load()
    chosen = [p for p in planted() if asked.only is None or asked.only in p.name]
    if not asked.stored:
        sweep(chosen, again=asked.again, processes=asked.processes)
        return 0
    print(store(NAME, TITLE, table(chosen), before))
    return 0


if __name__ == "__main__":
    sys.exit(main())
