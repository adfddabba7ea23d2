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


@dataclass(frozen=True)
class _StaleEnergy:
    """The energy with the gradient of another state."""

    energy: Any
    stale: Any

    def potential(self, x: Any) -> Any:
        return self.energy.potential(x)

    def gradient(self, x: Any) -> Any:
        return self.stale

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        return self.energy.potential(x), self.stale


def with_stale_gradient(scheme: Scheme) -> Scheme:
    """The scheme with the gradient of the position one step before."""

    def init(x: Any, energy: EnergyInStep) -> State:
        return {**scheme.init(x, energy), "stale": energy.gradient(x)}

    def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
        inner = {name: value for name, value in state.items() if name != "stale"}
        moved, info = scheme.step(inner, _StaleEnergy(energy, state["stale"]), h, draw)
        return {**moved, "stale": energy.gradient(inner["x"])}, info

    return replace(scheme, name=f"{scheme.name}, stale gradient", init=init, step=step)
