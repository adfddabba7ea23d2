"""Schemes at temperature T: for E/T with step T h, dX = -grad E dt + sqrt(2 T) dW."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from ..particles.language import Symbol
from ..particles.scheme import Draw, EnergyInStep, Info, Scheme, State


class _Tempered:
    """E/T."""

    def __init__(self, energy: EnergyInStep, cold: Any) -> None:
        self._energy, self._cold = energy, cold

    def potential(self, x: Any) -> Any:
        return self._cold * self._energy.potential(x)

    def gradient(self, x: Any) -> Any:
        return self._cold * self._energy.gradient(x)

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        potential, gradient = self._energy.potential_gradient(x)
        return self._cold * potential, self._cold * gradient


@functools.lru_cache(maxsize=64)
def tempered(scheme: Scheme, inverse_temperature: float | None = None) -> Scheme:
    """The scheme for E/T, to be called with step size T h; it samples exp(-E/T) as it samples
    exp(-E) for T = 1, where it changes no bit.

    ``None`` leaves 1/T a name of the generated loop, so that one compilation serves every T.
    """

    def cold(value: Any) -> Any:
        if inverse_temperature is not None:
            return inverse_temperature
        assert isinstance(value, Symbol)
        return value.tracer.scalar("inverse_temperature", varies=False)

    def init(x: Any, energy: EnergyInStep) -> State:
        return scheme.init(x, _Tempered(energy, cold(x)))

    def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
        return scheme.step(state, _Tempered(energy, cold(h)), h, draw)

    return dataclasses.replace(scheme, init=init, step=step)
