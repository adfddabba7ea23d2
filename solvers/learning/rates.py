"""Step sizes a_k of theta: constant, Robbins-Monro, or an optimiser of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError


@runtime_checkable
class Rate(Protocol):
    """Step sizes known before the run; compiled loops read them as an array."""

    def values(self, first: int, last: int) -> FloatArray:
        """a_k for first <= k < last, shape (last - first,)."""


@dataclass(frozen=True)
class Constant:
    """a_k = a."""

    a: float

    def __post_init__(self) -> None:
        _positive("a constant rate", self.a)

    def values(self, first: int, last: int) -> FloatArray:
        """a, repeated."""
        return np.full(last - first, float(self.a))


@dataclass(frozen=True)
class RobbinsMonro:
    """a_k = a (1 + k/offset)^(-power), 1/2 < power <= 1: sum a_k diverges, sum a_k^2 converges.

    Source: Robbins and Monro, Ann. Math. Statist. 22 (1951) 400.
    """

    a: float
    offset: float
    power: float

    def __post_init__(self) -> None:
        _positive("the first rate", self.a)
        _positive("the offset", self.offset)
        if not 0.5 < self.power <= 1:
            raise ArgumentError(
                f"Robbins and Monro's power lies in (1/2, 1], got {self.power}; "
                "a constant rate is Constant(a)"
            )

    def values(self, first: int, last: int) -> FloatArray:
        """The step sizes of updates first to last - 1."""
        k = np.arange(first, last, dtype=np.float64)
        return np.asarray(self.a * (1.0 + k / self.offset) ** -self.power)


@dataclass(frozen=True)
class TorchOptimizer:
    """Any optimiser of ``torch.optim`` by its class's name, minimising with gradient -g_k.

    Parameters
    ----------
    name : str
        "Adam", "SGD", "RMSprop", ...
    options : mapping
        Keyword arguments of that class; ``lr`` is a_k where gradient noise needs it.
    halving : float, optional
        Updates after which the learning rate is halved: lr 2^(-k/halving); None keeps it.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    halving: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise ArgumentError(f"an optimiser is named as in torch.optim, got {self.name!r}")
        if self.halving is not None:
            _positive("the halving time of a learning rate", self.halving)

    def __hash__(self) -> int:
        return hash((self.name, repr(sorted(self.options.items())), self.halving))


def _positive(what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ArgumentError(f"{what} needs to be positive and finite, got {value}")
