"""Makers of modules remember what they made, and two threads never make at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from solvers.source_text import made_once


def test_one_thread_makes_at_a_time_and_each_thing_once():
    inside, most, made = threading.Semaphore(0), [], []

    @made_once
    def maker(key: int) -> int:
        inside.release()
        time.sleep(0.002)
        most.append(inside._value)
        inside.acquire()
        made.append(key)
        return key * key

    with ThreadPoolExecutor(8) as workers:
        found = list(workers.map(maker, [1, 2, 3] * 8))
    assert found == [1, 4, 9] * 8
    assert sorted(made) == [1, 2, 3]
    assert set(most) == {1}


def test_a_maker_may_call_another():
    @made_once
    def inner(key: int) -> int:
        return key + 1

    @made_once
    def outer(key: int) -> int:
        return inner(key) + 1

    assert outer(1) == 3
