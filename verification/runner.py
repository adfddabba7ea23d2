"""Runs a stored plan: groups of cases in worker processes, each finished group stored at once.

Every group runs on one thread of one process, so that no result depends on how many run beside
it or in which order; ``jobs`` is the number of processes.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from typing import Any

from .claim import Setting
from .decide import Verdict
from .evaluation import (
    CaseRecord,
    evaluate_cases,
    finding_of,
    settled_finding,
    shared_provenance,
)
from .finding import Finding
from .plan import Group, Plan, PlannedCase
from .request import setting_of, subject_of
from .store import Folder

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
# POT would import torch, for arrays that claims never give it
NO_TORCH_FOR_POT = {"POT_BACKEND_DISABLE_PYTORCH": "1"}
CONSTANTS = -1
# a group by its index, a claim to be gathered by its name
Task = int | str
# seconds between a worker's looks at whether its parent is alive
PARENT_CHECK = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the caller hears while a plan runs.

    ``group`` is None for the constants of the user's energy; ``findings`` is None when the group
    has begun and its findings when it is finished.
    """

    group: Group | None
    findings: tuple[Finding, ...] | None = None


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Listens to nothing."""


# in a worker process --------------------------------------------------------------------------


def _begin_worker() -> None:
    # an interrupt is for the parent, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, killed perhaps, is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    os._exit(1)


@cache
def _stored_plan(folder: str) -> tuple[Plan, tuple[Group, ...]]:
    plan = Folder(folder).plan()
    return plan, plan.groups


def work(folder: str, task: Task) -> None:
    """Measures one group of the plan stored in a folder, or gathers one claim, and stores that."""
    # standard output belongs to the caller (it may be the findings file)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan, groups = _stored_plan(folder)
        if isinstance(task, str):
            from .gather import gather

            gather(Folder(folder), plan, task)
        elif task == CONSTANTS:
            Folder(folder).write_constants(plan, user_constants(plan))
        else:
            _measure(Folder(folder), plan, groups[task])
    # what is left is kept for later groups: their collections need not look through it again
    gc.collect()
    gc.freeze()


def _measure(folder: Folder, plan: Plan, group: Group) -> None:
    from .discovery import claims

    request = plan.request
    provenance = shared_provenance(plan)
    claim = claims(request.package)[group.claim]
    setting = setting_of(request, group.claim, group.setting, of_user=group.of_user)
    records, datasets = evaluate_cases(
        claim,
        setting,
        [planned.case for planned in group.cases],
        alpha_at=plan.alpha_at,
        seed=request.seed,
        budget=request.spending,
        backend=request.backend,
        device=request.device,
    )
    provenance |= _provenance_of(setting)
    findings = [finding_of(c, records[c.case], provenance) for c in group.cases]
    folder.write_piece(plan, group, findings, datasets)


def _provenance_of(setting: Setting) -> dict[str, Any]:
    """The energy of a setting, and its start, as text."""
    parameters = {k: float(v) for k, v in setting.subject.parameters.items()}
    start = None if setting.start is None else str(setting.start)
    return {"energy": setting.subject.name, "parameters": parameters, "start": start}


def user_constants(plan: Plan) -> dict[str, Any]:
    """``{name: {value, lower, upper, how, source}}`` of the user's energy."""
    from lvebm_theory.constants import constants_of
    from lvebm_theory.protocols import JointEnergy

    subject = subject_of(plan.request)
    energy = subject.joint() if isinstance(subject, JointEnergy) else subject
    return dict(constants_of(energy).as_json())


# in the calling process -----------------------------------------------------------------------


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """What is started here never sees an interrupt; one that comes meanwhile is delivered after.

    A worker that is still importing would die of it with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # no such thing on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """One single-threaded worker process that can be replaced when it dies."""

    def __init__(self) -> None:
        self._pool: Any = None

    def submit(self, folder: str, task: Task) -> Future[None]:
        from joblib.externals.loky import ProcessPoolExecutor

        if self._pool is None:
            # loky replaces a worker whose memory has grown; that is no news to the user
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            self._pool = ProcessPoolExecutor(
                max_workers=1, initializer=_begin_worker, env=ONE_THREAD | NO_TORCH_FOR_POT
            )
        with _interrupts_held():
            future: Future[None] = self._pool.submit(work, folder, task)
        return future

    def drop(self) -> None:
        """Ends the process at once."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = None


def run_plan(
    plan: Plan, folder: Folder, *, jobs: int, listener: Listener = silent
) -> list[Finding]:
    """Measures what the folder does not hold yet; returns all findings in the plan's order.

    A worker process that dies (killed for memory, say) costs only its own group: that group is
    measured again alone, and reported SOLVER_FAILED if its process dies once more. A claim whose
    groups are finished is gathered by a worker too.

    Parameters
    ----------
    plan : Plan, stored in ``folder``
    jobs : int
        Number of worker processes.
    listener : callable
        Told when a group begins and when it is finished, those of an earlier run included.
    """
    groups = plan.groups
    todo: list[int] = []
    for group in groups:
        found = folder.read_piece(plan, group)
        if found is None:
            todo.append(group.index)
        else:
            listener(Progress(group=group, findings=tuple(found)))
    # particles take longest, so they begin first; the order changes no result
    todo.sort(key=lambda index: groups[index].witness not in ("numba", "torch"))
    if plan.request.of_user and folder.read_constants(plan) is None:
        todo.insert(0, CONSTANTS)
    for index in _finished(plan, folder, todo, jobs, listener):
        if index != CONSTANTS:
            found = folder.read_piece(plan, groups[index])
            listener(Progress(group=groups[index], findings=tuple(found or ())))
    return collect(plan, folder)


class _Queue:
    """Tasks that wait, each in its place; a worker takes those on energies it knows already.

    What a process finds out of an energy (constants, spectra, compiled loops) it keeps, and finds
    again at no cost.
    """

    def __init__(self, plan: Plan, tasks: Iterable[Task]) -> None:
        self._tasks = list(tasks)
        self._kin = {task: _kin(plan, task) for task in self._tasks}
        self._known_to: dict[str, _Worker] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def first(self, task: Task) -> None:
        """Puts a task before all others."""
        self._tasks.insert(0, task)

    def last(self, task: Task) -> None:
        """Puts a task after all others."""
        self._tasks.append(task)

    def choice(self, worker: _Worker) -> Task:
        """The first task on an energy that no other worker knows, else the first of all."""
        for task in self._tasks:
            if self._known_to.get(self._kin.get(task, ""), worker) is worker:
                return task
        return self._tasks[0]

    def take(self, worker: _Worker) -> Task:
        """The choice of a worker, which from now on knows the energy."""
        task = self.choice(worker)
        self._tasks.remove(task)
        if task in self._kin:
            self._known_to.setdefault(self._kin[task], worker)
        return task


def _kin(plan: Plan, task: Task) -> str:
    """A name of the energy that a group is about."""
    if isinstance(task, str) or task == CONSTANTS:
        return ""
    group = plan.groups[task]
    setting = setting_of(plan.request, group.claim, group.setting, of_user=group.of_user)
    return f"{setting.subject.name} {sorted(setting.subject.parameters.items())}"


def _finished(
    plan: Plan, folder: Folder, todo: Sequence[int], jobs: int, listener: Listener
) -> Iterator[int]:
    """Indices of groups as they become finished."""
    groups = plan.groups
    queue = _Queue(plan, todo)
    idle = deque(_Worker() for _ in range(jobs))
    workers = tuple(idle)
    running: dict[Future[None], tuple[Task, _Worker]] = {}
    suspects: set[Task] = set()
    left = Counter(groups[task].claim for task in todo if task != CONSTANTS)
    for claim in dict.fromkeys(group.claim for group in groups):
        if not left[claim] and folder.read_pictures(plan, claim) is None:
            queue.last(claim)

    def may_begin() -> bool:
        if not queue or not idle:
            return False
        # a suspect, during which a process died, runs alone
        under_way = {task for task, _ in running.values()}
        return not running or not suspects & {queue.choice(idle[0]), *under_way}

    try:
        while queue or running:
            while may_begin():
                worker = idle.popleft()
                task = queue.take(worker)
                if isinstance(task, int):
                    listener(Progress(group=None if task == CONSTANTS else groups[task]))
                running[worker.submit(str(folder.path), task)] = task, worker
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                task, worker = running.pop(future)
                idle.append(worker)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    worker.drop()
                    if task not in suspects:
                        suspects.add(task)
                        queue.first(task)
                        continue
                if isinstance(task, str):
                    # the caller gathers what no worker could
                    if error is not None:
                        log.warning("%s could not be gathered aside: %s", task, error)
                    continue
                if error is not None:
                    _write_failure(plan, folder, task, error)
                yield task
                if task != CONSTANTS:
                    claim = groups[task].claim
                    left[claim] -= 1
                    if not left[claim]:
                        queue.last(claim)
    finally:
        for worker in workers:
            worker.drop()


def _write_failure(plan: Plan, folder: Folder, index: int, error: BaseException) -> None:
    """SOLVER_FAILED for every case of a group that could not be measured or stored."""
    if isinstance(error, BrokenProcessPool):
        reason = "its process died twice (killed, or out of memory)"
    else:
        reason = f"{type(error).__name__}: {error}"
    if index == CONSTANTS:
        log.warning("the constants could not be found: %s", reason)
        folder.write_constants(plan, {})
        return
    group = plan.groups[index]
    record = CaseRecord()
    text = "".join(traceback.format_exception(error))
    record.fail(Verdict.SOLVER_FAILED, reason, traceback=text)
    provenance = shared_provenance(plan)
    findings = [finding_of(planned, record, provenance) for planned in group.cases]
    folder.write_piece(plan, group, findings, [])


def collect(plan: Plan, folder: Folder) -> list[Finding]:
    """Findings of every finished or settled case, in the order of the plan."""
    found: dict[PlannedCase, Finding] = {}
    for group in plan.groups:
        found |= zip(group.cases, folder.read_piece(plan, group) or (), strict=False)
    provenance = shared_provenance(plan)
    for planned in plan.cases:
        if planned.settled is not None:
            found[planned] = settled_finding(planned, provenance)
    return [found[planned] for planned in plan.cases if planned in found]
