"""Tasks of a run that wait for a worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .plan import Plan
from .request import setting_of
from .tasks import CONSTANTS, Task
from .worker import Worker


class TaskQueue:
    """Tasks that wait, each in its place; a worker takes those on energies it knows already.

    What a process finds out of an energy (constants, spectra, compiled loops) it keeps, and finds
    again at no cost.
    """

    def __init__(self, plan: Plan, tasks: Iterable[Task]) -> None:
        self._tasks = list(tasks)
        self._kin = {task: _kin(plan, task) for task in self._tasks}
        self._known_to: dict[str, Worker] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks)

    def first(self, task: Task) -> None:
        """Puts a task before all others."""
        self._tasks.insert(0, task)

    def last(self, task: Task) -> None:
        """Puts a task after all others."""
        self._tasks.append(task)

    def choice(self, worker: Worker) -> Task:
        """The first task on an energy that no other worker knows, else the first of all."""
        for task in self._tasks:
            if self._known_to.get(self._kin.get(task, ""), worker) is worker:
                return task
        return self._tasks[0]

    def take(self, worker: Worker) -> Task:
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
