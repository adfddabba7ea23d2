"""Which worker takes which task."""

import pytest

from verification import task_queue
from verification.task_queue import TaskQueue
from verification.worker import Worker

ENERGIES = {0: "well", 1: "well", 2: "plane", 3: "well", 4: "plane", 5: "joint"}


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(task_queue, "_kin", lambda _, task: ENERGIES.get(task, ""))
    return TaskQueue(None, ENERGIES)


def test_a_worker_keeps_to_the_energies_it_knows(queue):
    first, second = Worker(), Worker()
    assert [queue.take(first), queue.take(second)] == [0, 2]
    # each goes on in the order of the queue, past what the other one knows
    assert [queue.take(first), queue.take(second), queue.take(second)] == [1, 4, 5]
    # rather than wait, it takes what the other one knows
    assert queue.take(second) == 3
    assert not len(queue)


def test_nothing_is_taken_by_looking_at_it(queue):
    worker = Worker()
    assert queue.choice(worker) == queue.choice(Worker()) == 0
    assert len(queue) == len(ENERGIES)
    assert queue.take(worker) == 0


def test_tasks_that_come_later_have_their_place(queue):
    worker = Worker()
    assert queue.take(worker) == 0
    queue.last("a-claim")
    queue.first(0)
    taken = [queue.take(worker) for _ in range(len(queue))]
    assert taken == [0, 1, 2, 3, 4, 5, "a-claim"]
