"""Mutated particle schemes: wrappers around a scheme's one step. No solver knows of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from solvers.particles.scheme import Draw, EnergyInStep, Info, Scheme, State


@dataclass(frozen=True)
class _ScaledNoise:
    """Normals multiplied by a factor, uniforms as they are."""

    draw: Any
    factor: float

    @property
    def normal(self) -> Any:
        return self.factor * self.draw.normal

    @property
    def uniform(self) -> Any:
        return self.draw.uniform


@dataclass(frozen=True)
class _ScaledEnergy:
    """The energy times a factor."""

    energy: Any
    factor: float

    def potential(self, x: Any) -> Any:
        return self.factor * self.energy.potential(x)

    def gradient(self, x: Any) -> Any:
        return self.factor * self.energy.gradient(x)

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        potential, gradient = self.energy.potential_gradient(x)
        return self.factor * potential, self.factor * gradient


def with_noise_scaled(scheme: Scheme, factor: float) -> Scheme:
    """The scheme with sqrt(2h) xi replaced by ``factor`` sqrt(2h) xi."""

    def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
        return scheme.step(state, energy, h, _ScaledNoise(draw, factor))

    return replace(scheme, name=f"{scheme.name}, noise times {factor:.4g}", step=step)


def with_drift_scaled(scheme: Scheme, factor: float) -> Scheme:
    """The scheme with grad U replaced by ``factor`` grad U (and U in its tests alike)."""

    def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
        return scheme.step(state, _ScaledEnergy(energy, factor), h, draw)

    return replace(scheme, name=f"{scheme.name}, drift times {factor:.4g}", step=step)
