"""A worker process: calls as lines of JSON on its standard input, answers as lines on its output.

    {"call": "module:function", "arguments": [...], "limit": seconds or null}
                             the first call has "path" too: where modules are found
    {"result": ...}   or   {"raised": {"kind": ..., "text": ..., "traceback": ..., ...}}

It lives no longer than its parent: before anything else it asks the system to be killed with it,
and looks whether the parent is still there. Until then it imports nothing that takes time, and the
interpreter was told to leave out its site packages (``-S``), which come after.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False  # typing itself would take time
if TYPE_CHECKING:
    from typing import IO, Any, Final

# seconds between a worker's looks at whether its parent is alive, and at its processor time
CHECK: Final = 0.5
# exit status by which a worker says that a call took too much processor time, where no signal can
OUT_OF_TIME: Final = 77
_PR_SET_PDEATHSIG: Final = 1


def tie_to(parent: int) -> None:
    """This process ends with its parent, killed perhaps, at once or soon after."""
    if os.getppid() != parent:
        os._exit(1)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)
    if sys.platform != "linux":
        import threading

        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK)
    os._exit(1)


def limit_processor_time(seconds: float | None) -> None:
    """Ends this process once it has spent so much processor time from now; None: never."""
    if hasattr(signal, "setitimer"):
        # the system's own action: loops that never come back to Python are ended too
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds or 0.0)
    elif seconds is not None:
        import threading

        end = time.process_time() + seconds
        threading.Thread(target=_end_at, args=(end,), daemon=True).start()


def _end_at(processor_time: float) -> None:
    while time.process_time() < processor_time:
        time.sleep(CHECK)
    os._exit(OUT_OF_TIME)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What a call comes to."""
    import importlib
    import traceback

    try:
        module, _, name = request["call"].partition(":")
        function = getattr(importlib.import_module(module), name)
        return {"result": function(*request["arguments"])}
    except Exception as error:
        raised: dict[str, Any] = {
            "kind": type(error).__name__,
            "text": str(error),
            "traceback": traceback.format_exc(),
        }
        if isinstance(error, OSError):
            raised |= {"errno": error.errno, "strerror": error.strerror}
            raised["filename"] = None if error.filename is None else str(error.filename)
        raised["memory"] = isinstance(error, MemoryError)
        return {"raised": raised}


def main() -> None:
    """Answers until the input ends."""
    tie_to(int(sys.argv[1]))
    import json
    import site

    site.main()
    # an interrupt is for the parent, which then ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # what code prints, compiled code included, is not an answer
    answers: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        sys.path[:] = request.get("path", sys.path)
        limit_processor_time(request["limit"])
        said = json.dumps(answer(request))
        limit_processor_time(None)
        answers.write(said + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
