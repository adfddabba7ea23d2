"""What stands in the zoo: a kernel, what it claims to be, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from ..localise import COMPONENTS

Step = Callable[[FloatArray, Energy, float, np.random.Generator], FloatArray]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A kernel of the zoo.

    Parameters
    ----------
    name : str
        Kebab-case, unique.
    family : str
    make : callable () -> step
        A fresh kernel: faults of memory must not leak from one examination to the next.
    kind : str
        What it claims to be, as ``check_sampler`` takes it.
    options : mapping
        Further arguments of ``check_sampler``.
    component : str
        One of ``COMPONENTS`` for a planted bug, empty for a correct kernel.
    fault : str
        What is wrong, in one sentence.
    provenance : str
        The public issue in which the fault was real, or "planted".
    bias : str
        What it does to the law, where that can be said.
    variance : callable (h) -> float, optional
        The exact stationary variance of the position on N(0, 1) at step size h.
    equivalent : bool
        True where the change leaves what the kernel claims true: no test may kill it.
    """

    name: str
    family: str
    make: Callable[[], Any]
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    component: str = ""
    fault: str = ""
    provenance: str = "planted"
    bias: str = ""
    variance: Callable[[float], float] | None = None
    equivalent: bool = False

    def __post_init__(self) -> None:
        if self.component and self.component not in COMPONENTS:
            raise ArgumentError(
                f"a component is one of {', '.join(COMPONENTS)}, got {self.component!r}"
            )

    @property
    def correct(self) -> bool:
        """True for a kernel without a planted bug."""
        return not self.component

    @property
    def to_be_killed(self) -> bool:
        """True for a bug that changes what the kernel claims."""
        return not self.correct and not self.equivalent
