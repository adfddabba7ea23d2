"""What stands in the zoo: a kernel, what it claims to be, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.protocols import Energy

FloatArray = npt.NDArray[np.float64]
Step = Callable[[FloatArray, Energy, float, np.random.Generator], FloatArray]

COMPONENTS = (
    "drift",
    "noise scale",
    "Metropolis ratio",
    "proposal correction",
    "momentum refresh",
    "schedule",
    "shared randomness",
    "stale gradient",
)


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
        What it does to the law, exactly where that can be computed.
    equivalent : bool
        True where the change does not change the kernel's law: no test may kill it.
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
    equivalent: bool = False

    def __post_init__(self) -> None:
        assert not self.component or self.component in COMPONENTS, self.component

    @property
    def correct(self) -> bool:
        """True for a kernel without a planted bug."""
        return not self.component
