"""Runs a stored plan: groups of cases in worker processes, each finished group stored at once.

Every group runs on one thread of one process, so that no result depends on how many run beside
it or in which order; ``jobs`` is the number of processes.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from .agreement import findings_of_meetings, undecided_where_they_disagree
from .constant_contradicted import Known, booked_to_the_constant, findings_from_above
from .decide import Verdict
from .evaluation import (
    CaseRecord,
    finding_of,
    settled_finding,
    shared_provenance,
)
from .finding import UNFINISHED, Finding
from .patience import TICK, Patience, Waiting
from .plan import Group, Plan, PlannedCase
from .store import Folder
from .task_queue import TaskQueue
from .tasks import CONSTANTS, Task
from .worker import OutOfMemory, OutOfTime, Raised, Worker, WorkerDied

log = logging.getLogger(__name__)
WORK = "verification.tasks:work"


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


def run_plan(
    plan: Plan,
    folder: Folder,
    *,
    jobs: int,
    listener: Listener = silent,
    time_limit: float = math.inf,
) -> list[Finding]:
    """Measures what the folder does not hold yet; returns all findings in the plan's order.

    A worker process that dies (killed for memory, say) or finds too little memory costs only its
    own group: that group is measured again alone, and is UNDECIDED if that happens once more. So is
    one that takes too long (``patience``). Neither is a verdict, and neither is stored.
    A claim whose groups are finished is gathered by a worker too.

    Parameters
    ----------
    plan : Plan, stored in ``folder``
    jobs : int
        Number of worker processes.
    listener : callable
        Told when a group begins and when it is finished, those of an earlier run included.
    time_limit : float
        Seconds, after which what is not finished is out of time.

    Raises
    ------
    OSError
        The machine failed, not a solver: a full disk, say. What is finished is kept.
    """
    groups = plan.groups
    patience = Patience(budget=plan.request.budget, time_limit=time_limit)
    todo: list[int] = []
    for group in groups:
        found = folder.read_piece(plan, group)
        if found is None:
            todo.append(group.index)
        else:
            patience.finished(group, sum(f.seconds for f in found))
            listener(Progress(group=group, findings=tuple(found[: group.reported])))
    # particles take longest, so they begin first; the order changes no result
    todo.sort(key=lambda index: groups[index].witness not in ("numba", "torch"))
    if plan.request.of_user and folder.read_constants(plan) is None:
        todo.insert(0, CONSTANTS)
    late: dict[int, str] = {}
    for index in _finished(plan, folder, todo, jobs, listener, patience, late):
        if index != CONSTANTS:
            group = groups[index]
            found = folder.read_piece(plan, group) or []
            patience.finished(group, sum(f.seconds for f in found))
            listener(Progress(group=group, findings=tuple(found[: group.reported])))
    return collect(plan, folder, late)


def _finished(
    plan: Plan,
    folder: Folder,
    todo: Sequence[int],
    jobs: int,
    listener: Listener,
    patience: Patience,
    late: dict[int, str],
) -> Iterator[int]:
    """Indices of groups as they end; those that came to no end go to ``late``, with why."""
    groups = plan.groups
    queue = TaskQueue(plan, todo)
    idle = deque(Worker() for _ in range(jobs))
    workers = tuple(idle)
    running: dict[Future[None], tuple[Task, Worker, Waiting]] = {}
    suspects: set[Task] = set()
    left = Counter(groups[task].claim for task in todo if task != CONSTANTS)
    for claim in dict.fromkeys(group.claim for group in groups):
        if not left[claim] and folder.read_pictures(plan, claim) is None:
            queue.last(claim)

    def may_begin() -> bool:
        if not queue or not idle:
            return False
        # a suspect, during which a process died, runs alone
        under_way = {task for task, _, _ in running.values()}
        return not running or not suspects & {queue.choice(idle[0]), *under_way}

    def begin() -> None:
        worker = idle.popleft()
        task = queue.take(worker)
        group = groups[task] if isinstance(task, int) and task != CONSTANTS else None
        if isinstance(task, int):
            listener(Progress(group=group))
        limit = patience.limit(group)
        future = worker.submit(WORK, str(folder.path), task, limit=limit)
        running[future] = task, worker, Waiting(limit=limit)

    def give_up(task: Task, reason: str) -> None:
        if task == CONSTANTS:
            log.warning("the constants could not be found: %s", reason)
        elif isinstance(task, int):
            late[task] = reason

    try:
        while queue or running:
            if patience.over:
                for task in (*queue, *(task for task, _, _ in running.values())):
                    give_up(
                        task, f"out of time: the run was to end after {patience.time_limit:g} s"
                    )
                return
            while may_begin():
                begin()
            ended, going = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
            for future in going:
                _, worker, waiting = running[future]
                if waiting.too_long():
                    worker.end()
            for future in ended:
                task, worker, waiting = running.pop(future)
                idle.append(worker)
                error = future.exception()
                if isinstance(error, WorkerDied):
                    worker.drop()
                    if task not in suspects and not isinstance(error, OutOfTime):
                        suspects.add(task)
                        queue.first(task)
                        continue
                if isinstance(error, OSError):
                    raise error
                if isinstance(task, str):
                    # the caller gathers what no worker could
                    if error is not None:
                        log.warning("%s could not be gathered aside: %s", task, error)
                    continue
                if isinstance(error, WorkerDied):
                    give_up(task, _unfinished(error, waiting.limit))
                elif error is not None:
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


def _unfinished(error: WorkerDied, limit: float) -> str:
    """Why a group came to no end."""
    if isinstance(error, OutOfTime):
        return f"out of time: it may take {limit:g} s of processor time without --time-limit"
    if isinstance(error, OutOfMemory):
        return f"out of memory, alone too: {error}"
    return f"{error}, twice: killed, or out of memory"


def _write_failure(plan: Plan, folder: Folder, index: int, error: BaseException) -> None:
    """SOLVER_FAILED for every case of a group that could not be measured."""
    reason = str(error)
    if index == CONSTANTS:
        log.warning("the constants could not be found: %s", reason)
        folder.write_constants(plan, {})
        return
    group = plan.groups[index]
    record = CaseRecord()
    text = error.traceback if isinstance(error, Raised) else f"{type(error).__name__}: {error}"
    record.fail(Verdict.SOLVER_FAILED, reason, traceback=text)
    provenance = shared_provenance(plan)
    findings = [finding_of(planned, record, provenance) for planned in group.cases]
    folder.write_piece(plan, group, findings, [])


def collect(plan: Plan, folder: Folder, late: Mapping[int, str] | None = None) -> list[Finding]:
    """Findings of every finished or settled case, in the order of the plan.

    Before them what the meetings of witnesses come to, those that disagree first, and what the run
    tells of the log-Sobolev constant; both may change what the others come to.

    Parameters
    ----------
    late : mapping, optional
        Why a group, by its index, came to no end: UNDECIDED.
    """
    found: dict[PlannedCase, Finding] = {}
    provenance = shared_provenance(plan)
    for group in plan.groups:
        found |= zip(group.cases, folder.read_piece(plan, group) or (), strict=False)
        if late and group.index in late:
            record = CaseRecord()
            reason = f"{late[group.index]}; --resume measures it again"
            record.fail(Verdict.UNDECIDED, reason, **{UNFINISHED: True})
            found |= {planned: finding_of(planned, record, provenance) for planned in group.cases}
    for planned in plan.cases:
        if planned.settled is not None:
            found[planned] = settled_finding(planned, provenance)
    met = findings_of_meetings(plan, found, provenance)
    known = Known(folder.read_constants(plan) or {}, folder.read_above(plan))
    above = findings_from_above(plan, found, met, known, provenance)
    found = undecided_where_they_disagree(plan, found, met)
    found = booked_to_the_constant(found, above)
    return [*met, *above, *(found[planned] for planned in plan.cases if planned in found)]
