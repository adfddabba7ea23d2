"""One worker process: what is done in it, and the handle by which the runner holds it."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

from .claim import Case, Setting
from .evaluation import evaluate_cases, finding_of, shared_provenance
from .plan import Group, Plan
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


# in the worker process ------------------------------------------------------------------------


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
        met=met_in(plan, group),
    )
    provenance |= _provenance_of(setting)
    findings = [finding_of(c, records[c.case], provenance) for c in group.cases]
    folder.write_piece(plan, group, findings, datasets)


def met_in(plan: Plan, group: Group) -> dict[Case, float]:
    """Cases of a group that meet another witness -> fraction of the scale to be told.

    Only on the user's energy, which the run is about: at the catalogue's settings the budget is
    sized for the claims, and what is too coarse for a meeting is said to be so.
    """
    if not group.of_user:
        return {}
    here = (group.claim, group.setting, group.of_user)
    sides = [
        (side, meeting.fraction)
        for meeting in plan.meetings
        if (meeting.claim, meeting.setting, meeting.of_user) == here and meeting.control is None
        for side in (meeting.first, meeting.second)
    ]
    cases = {planned.case for planned in group.cases}
    return {side: fraction for side, fraction in sides if side in cases}


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


class Worker:
    """One single-threaded worker process that can be replaced when it dies."""

    def __init__(self) -> None:
        self._pool: Any = None

    def submit(self, folder: str, task: Task) -> Future[None]:
        """Has a task of the plan in a folder done; the process begins with the first one."""
        with _interrupts_held():
            try:
                future: Future[None] = self._begun().submit(work, folder, task)
            except BrokenProcessPool:  # it died with nothing to do
                self.drop()
                future = self._begun().submit(work, folder, task)
        return future

    def _begun(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        if self._pool is None:
            # loky replaces a worker whose memory has grown; that is no news to the user
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            self._pool = ProcessPoolExecutor(
                max_workers=1, initializer=_begin_worker, env=ONE_THREAD | NO_TORCH_FOR_POT
            )
        return self._pool

    def drop(self) -> None:
        """Ends the process at once."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
        self._pool = None
