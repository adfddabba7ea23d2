"""What the fits share: checked data, batches, learning rates that fall, and a stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, float], None]


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """What a fit did.

    Attributes
    ----------
    updates : int
    seconds, processor_seconds : float
        Wall time, and time on the processor, which other work on the machine hardly moves.
    objective : array (T,)
        Smoothed training objective; what it is, the method says.
    parameters : int
        Number of learned parameters.
    """

    updates: int
    seconds: float
    processor_seconds: float
    objective: FloatArray
    parameters: int


def checked_data(data: npt.ArrayLike) -> FloatArray:
    """Finite data (n, d) with at least two rows, or an ArgumentError that says what came."""
    x = np.asarray(data, dtype=float)
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] < 1:
        raise ArgumentError(f"data must be an array (n >= 2, d), got shape {x.shape}")
    if not np.all(np.isfinite(x)):
        raise ArgumentError(f"data must be finite, got {int((~np.isfinite(x)).sum())} bad entries")
    return x


def checked_budget(updates: int, seconds: float | None) -> None:
    """At least one update; a time limit, where there is one, above zero."""
    if updates < 1 or (seconds is not None and not seconds > 0):
        raise ArgumentError(f"a fit needs updates >= 1 and seconds > 0, got {updates}, {seconds}")


def rate_at(update: int, updates: int, rate: float) -> float:
    """rate times cos^2 from 1 to 0.01 over the run, after a linear start of 2 per cent."""
    start = min(1.0, (update + 1) / max(1, updates // 50))
    fall = 0.01 + 0.99 * math.cos(0.5 * math.pi * update / updates) ** 2
    return rate * start * fall


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Endless index batches: permutations of the data, cut in pieces of at most ``size``."""
    import torch

    size = min(size, count)
    while True:
        order = torch.randperm(count, generator=generator)
        for first in range(0, count - size + 1, size):
            yield order[first : first + size]


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread: for batches of some hundreds more threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) on tensors with ``grad``; no grad, no step.

    Written out because an optimiser of torch.optim imports the compiler stack first: seconds.
    """

    def __init__(
        self, parameters: Sequence[torch.Tensor], betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        import torch

        self._betas = betas
        self._parameters = list(parameters)
        self._moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self._parameters]
        self._counts = [0] * len(self._parameters)

    def clear(self) -> None:
        """Forgets all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def step(self, rate: float) -> None:
        """One step down the gradients."""
        import torch

        first, second = self._betas
        with torch.no_grad():
            for index, (parameter, (m, v)) in enumerate(
                zip(self._parameters, self._moments, strict=True)
            ):
                slope = parameter.grad
                if slope is None:
                    continue
                self._counts[index] += 1
                m.lerp_(slope, 1 - first)
                v.mul_(second).addcmul_(slope, slope, value=1 - second)
                count = self._counts[index]
                scale = (v / (1 - second**count)).sqrt_().add_(1e-8)
                parameter.addcdiv_(m, scale, value=-rate / (1 - first**count))


class Budget:
    """Counts updates and time; a run ends at whichever limit comes first.

    The limit is on processor time, which does not depend on what else the machine does.
    """

    def __init__(self, updates: int, seconds: float | None) -> None:
        checked_budget(updates, seconds)
        self.updates, self.seconds = updates, seconds
        self.begun, self.begun_processor = time.perf_counter(), time.process_time()
        self.objective: list[float] = []
        self._smooth: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the fit began."""
        return time.perf_counter() - self.begun

    @property
    def processor_seconds(self) -> float:
        """Processor time since the fit began."""
        return time.process_time() - self.begun_processor

    def steps(self) -> Iterator[int]:
        """0, 1, ... until a limit is reached."""
        for update in range(self.updates):
            if self.seconds is not None and self.processor_seconds > self.seconds:
                return
            self.done = update + 1
            yield update

    done = 0

    def note(self, value: float, every: int = 50) -> None:
        """Adds to the smoothed objective, kept every so many updates."""
        self._smooth = value if self._smooth is None else 0.98 * self._smooth + 0.02 * value
        if self.done % every == 0:
            self.objective.append(self._smooth)

    def record(self, parameters: int) -> FitRecord:
        """What was done."""
        return FitRecord(
            updates=self.done,
            seconds=self.elapsed,
            processor_seconds=self.processor_seconds,
            objective=np.array(self.objective),
            parameters=parameters,
        )
