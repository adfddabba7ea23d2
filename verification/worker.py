"""Worker processes: the handle by which they are held, and calls spread over several.

A call names a function of a module and plain JSON arguments; nothing else travels, so that a
worker rebuilds energies and claims from what they are asked by. Every worker computes on one
thread: no result depends on how many there are.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from lvebm_theory import errors
from lvebm_theory.formula.generated import cache_folder

from . import worker_process

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

# seconds that an idle worker has to end by itself, and to clear away what is its own
POLITE = 1.0


class WorkerDied(errors.LvebmError, RuntimeError):
    """A worker process ended without an answer: killed, or out of memory."""


class OutOfTime(WorkerDied):
    """A worker process was ended, for its call took too long."""


class OutOfMemory(WorkerDied):
    """A call ended because the machine had too little memory for it."""


class Raised(errors.LvebmError, RuntimeError):
    """What a call raised in its process, by its kind and text; ``traceback`` is the worker's."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.kind: str = said["kind"]
        self.text: str = said["text"]
        self.traceback: str = said["traceback"]
        super().__init__(f"{self.kind}: {self.text}")


def _raised(said: dict[str, Any]) -> Exception:
    """A failure of the machine as what it was, anything else as ``Raised``."""
    if said.get("errno") is not None:
        return OSError(said["errno"], said["strerror"], said["filename"])
    if said.get("memory"):
        return OutOfMemory(said["text"] or "no more is said")
    return Raised(said)


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
    """One single-threaded worker process; it begins with its first call, and can be replaced."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: Future[Any] | None = None
        self._ended_by_us = False

    def submit(self, call: str, *arguments: Any, limit: float | None = None) -> Future[Any]:
        """Has a function called.

        Parameters
        ----------
        call : str
            ``module:function``.
        arguments : plain JSON
        limit : float, optional
            Seconds of processor time, after which the process is ended.

        Returns
        -------
        Future
            Of what the function returns. Raises ``OSError`` where the machine failed, ``Raised``
            for what else the function raised, ``WorkerDied``, ``OutOfTime`` or ``OutOfMemory``.
        """
        endless = limit is None or math.isinf(limit)
        request = {"call": call, "arguments": arguments, "limit": None if endless else limit}
        future: Future[Any] = Future()
        with _interrupts_held():
            process = self._sent(request) or self._sent(request)
        if process is None:
            future.set_exception(WorkerDied("its process does not begin"))
            return future
        self._answer = future
        threading.Thread(target=self._hear, args=(process, future), daemon=True).start()
        return future

    def _sent(self, request: dict[str, Any]) -> subprocess.Popen[bytes] | None:
        """The process that has the request; None where it died with nothing to do."""
        if self._process is None or self._process.poll() is not None:
            self.drop()
            self._ended_by_us = False
            self._process = _begun()
            request = {"path": [path or os.getcwd() for path in sys.path], **request}
        process = self._process
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except ConnectionError:
            self.drop()
            return None
        return process

    def _hear(self, process: subprocess.Popen[bytes], future: Future[Any]) -> None:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
        except (OSError, ValueError):  # closed by ``drop``
            line = b""
        if line.endswith(b"\n"):
            said = json.loads(line)
            if "raised" in said:
                future.set_exception(_raised(said["raised"]))
            else:
                future.set_result(said["result"])
            return
        code = process.wait()
        if self._ended_by_us or code in _TIMED_OUT:
            future.set_exception(OutOfTime("its process took too long"))
        else:
            future.set_exception(WorkerDied(f"its process died (status {code})"))

    def end(self) -> None:
        """Ends the process, whose call is then out of time."""
        self._ended_by_us = True
        if self._process is not None:
            self._process.kill()

    def drop(self) -> None:
        """Ends the process: politely where it has nothing to do, else at once."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # what was not written any more
            process.stdin.close()
        if self._answer is None or self._answer.done():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLITE)
        process.kill()
        process.wait()


_TIMED_OUT = {
    worker_process.OUT_OF_TIME,
    *(-s for s in (getattr(signal, "SIGPROF", None),) if s is not None),
}


def _begun() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # by its path and nothing else: the worker is told where modules are found
        [sys.executable, "-S", "-P", worker_process.__file__, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # one cache for all: what is wrong with the one that was asked for is said once
        env={**os.environ, **ONE_THREAD, **NO_TORCH_FOR_POT, "LVEBM_CACHE": str(cache_folder())},
    )


def each(
    call: str, arguments: Sequence[Sequence[Any]], *, processes: int
) -> Iterator[tuple[int, Any]]:
    """Calls a function with each of some arguments; (index, result) as they end.

    Raises
    ------
    OSError, Raised, WorkerDied
        As ``Worker.submit``; calls that have not ended are given up.
    """
    workers = [Worker() for _ in range(min(processes, len(arguments)))]
    waiting = deque(enumerate(arguments))
    running: dict[Future[Any], tuple[int, Worker]] = {}
    try:
        for worker in workers:
            index, given = waiting.popleft()
            running[worker.submit(call, *given)] = index, worker
        while running:
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                index, worker = running.pop(future)
                result = future.result()
                if waiting:
                    following, given = waiting.popleft()
                    running[worker.submit(call, *given)] = following, worker
                yield index, result
    finally:
        for worker in workers:
            worker.drop()
