"""How many threads compiled loops take where nobody says."""

import os
import subprocess
import sys

import numba
import pytest

from solvers.threads import thread_count

SCRIPT = "from solvers.threads import thread_count; print(thread_count(None), thread_count(3))"


@pytest.mark.parametrize(("given", "allowed", "taken"), [(1, 8, 1), (3, 2, 3), (None, 5, 5)])
def test_what_is_asked_for_goes_before_what_is_allowed(given, allowed, taken, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", allowed)
    assert thread_count(given) == taken


def test_a_process_that_was_given_one_thread_takes_one():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "NUMBA_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "3"]
