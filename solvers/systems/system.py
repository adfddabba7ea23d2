"""Coupled systems: named blocks, one step, and every law that follows from it.

    def step(s, xi, *, h):                        # arrays (..., *shape of the block)
        pull = s["theta"][..., None] - s["x"]
        return {"theta": s["theta"] - h * pull.mean(-1), ...}

    mine = System(name="mine", step=step, noisy=("x",), reference="key, place")

A step is a pure function of the state, of standard normals for its noisy blocks, and of
arguments. Leading axes broadcast (copies), so reductions name their axis from the end; numpy,
torch and the compiled loops (``replicates``) run this same function, and the exact Gaussian law of
an affine step is read off it (``law``). An argument that depends on the number of the step is a
``PerStep``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lvebm_theory.errors import ArgumentError

from .layout import State
from .linear_law import LinearLaw

Step = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class PerStep:
    """An argument that depends on the number k = 0, 1, ... of the step.

    Parameters
    ----------
    value : callable
        k to a finite number.
    """

    value: Callable[[int], float]

    def at(self, k: int) -> float:
        """The argument in step k."""
        found = float(self.value(k))
        if not np.isfinite(found):
            raise ArgumentError(f"an argument needs to be finite in every step, got {found} in {k}")
        return found


def at_step(arguments: Mapping[str, Any], k: int) -> dict[str, Any]:
    """The arguments of step k."""
    return {n: a.at(k) if isinstance(a, PerStep) else a for n, a in arguments.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class System:
    """An algorithm on named blocks.

    Attributes
    ----------
    name : str
    step : callable
        ``step(state, noise, **arguments) -> state``; pure, the same blocks and shapes out as in.
    noisy : tuple of str
        Blocks that receive standard normals of their own shape, one per entry and step.
    reference : str
        Bibliography key and place.
    example : (start, arguments)
        A small case, stable, on which the contract tests run the system.
    """

    name: str
    step: Step
    noisy: tuple[str, ...]
    reference: str
    example: tuple[State, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if len(set(self.noisy)) != len(self.noisy):
            raise ArgumentError(f"noisy blocks are named once each, got {self.noisy}")

    def law(
        self,
        start: State,
        /,
        *,
        step_number: int = 0,
        averaged: Mapping[str, int] | None = None,
        **arguments: Any,
    ) -> LinearLaw:
        """The exact law of one step (``LinearLaw.of_step``).

        Parameters
        ----------
        start : mapping of arrays
            Blocks and their shapes.
        step_number : int
            Which step, where arguments are ``PerStep``.
        averaged : mapping of block to axis, optional
            Exchangeable entries to be replaced by their average; checked.
        **arguments
            Of the step.
        """
        now = at_step(arguments, step_number)
        noise = self.noise_shapes(start)
        return LinearLaw.of_step(
            lambda s, xi: self.step(s, xi, **now), start, noise, averaged=averaged
        )

    def law_of_steps(
        self,
        start: State,
        steps: int,
        /,
        *,
        averaged: Mapping[str, int] | None = None,
        **arguments: Any,
    ) -> LinearLaw:
        """The exact law of steps 0 to ``steps`` - 1 as one affine step, along schedules too."""
        if steps < 0:
            raise ArgumentError(f"a number of steps needs to be >= 0, got {steps}")
        one = self.law(start, averaged=averaged, **arguments)
        if not any(isinstance(a, PerStep) for a in arguments.values()):
            return one.steps(steps)
        whole = one.steps(0)
        for k in range(steps):
            whole = whole.then(self.law(start, step_number=k, averaged=averaged, **arguments))
        return whole

    def noise_shapes(self, start: State) -> dict[str, Any]:
        """Zeros of the shapes of one step's noise."""
        missing = [name for name in self.noisy if name not in start]
        if missing:
            raise ArgumentError(
                f"{self.name} needs the blocks {', '.join(self.noisy)}, "
                f"{', '.join(missing)} did not come"
            )
        return {name: np.zeros(np.shape(start[name])) for name in self.noisy}

    def mutated(self, wrap: Callable[[Step], Step]) -> System:
        """The same system with ``wrap(step)`` in place of its step."""
        return replace(self, name=f"{self.name}, mutated", step=wrap(self.step))
