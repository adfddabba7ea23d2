"""Neural energies with and without latents, with certified constants.

    E_theta(x, z) = f_theta(x, z) + <w - c, D (w - c)> / 2,    w = (x, z)

The joint law and the posterior of z at any x are both a ``NeuralEnergy``: fixing x only shifts
the network's first bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .arrays import FloatArray
from .errors import ArgumentError
from .facts import KnownFacts
from .formula_energy import particles
from .neural_energy import NeuralEnergy, replaced
from .neural_network import Network

__all__ = ["NeuralEnergy", "NeuralJointEnergy"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NeuralJointEnergy:
    """E_theta(x, z) = f_theta(x, z) + <w - c, D (w - c)>/2, w = (x, z); p_theta is exp(-E)/Z.

    Parameters as for ``NeuralEnergy``, with d = dim_x + dim_z and data first; ``confinement`` and
    ``centre`` are scalars or have d entries.
    """

    dim_x: int
    dim_z: int
    widths: tuple[int, ...] = (64, 64)
    activation: str = "silu"
    confinement: Any = 0.1
    centre: Any = 0.0
    spectral_caps: Any = None
    theta: Any = None
    seed: int = 0
    name: str = "neural_joint_energy"
    whole: NeuralEnergy = field(init=False)

    def __post_init__(self) -> None:
        for label, value in (("dim_x", self.dim_x), ("dim_z", self.dim_z)):
            if isinstance(value, bool) or int(value) != value or value < 1:
                raise ArgumentError(f"{self.name}: {label} is 1, 2, 3, ..., got {value!r}")
        whole = NeuralEnergy(
            dim=self.dim_x + self.dim_z,
            widths=self.widths,
            activation=self.activation,
            confinement=self.confinement,
            centre=self.centre,
            spectral_caps=self.spectral_caps,
            theta=self.theta,
            seed=self.seed,
            name=f"{self.name}.joint",
        )
        object.__setattr__(self, "whole", whole)
        for shared in ("widths", "confinement", "centre", "spectral_caps", "theta"):
            object.__setattr__(self, shared, getattr(whole, shared))

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.widths))
        return f"{self.name}({self.dim_x} + {self.dim_z} to {shape}, {self.activation})"

    @property
    def network(self) -> Network:
        """The shape of f."""
        return self.whole.network

    @property
    def parameters(self) -> Mapping[str, float]:
        """theta, by name."""
        return self.whole.parameters

    @property
    def smooth(self) -> bool:
        """True: infinitely differentiable."""
        return True

    @property
    def facts(self) -> KnownFacts:
        """Certified constants of the joint energy at this theta."""
        return self.whole.facts

    @property
    def facts_within_caps(self) -> KnownFacts:
        """Certified constants for every theta within the caps."""
        return self.whole.facts_within_caps

    @property
    def key(self) -> tuple[Any, ...]:
        """Hashable identity: equal for equal shapes and parameter values."""
        return (*self.whole.key, self.dim_x)

    def projected(self, theta: FloatArray) -> FloatArray:
        """The nearest parameters within the caps, shape (n_theta,)."""
        return self.whole.projected(theta)

    def parameter_vector(self) -> FloatArray:
        """theta, shape (n_theta,)."""
        return self.whole.parameter_vector()

    def with_parameter_vector(self, theta: FloatArray) -> NeuralJointEnergy:
        """The same shape at another theta (n_theta,)."""
        return replace(self, theta=theta)

    def with_parameters(self, **parameters: Any) -> NeuralJointEnergy:
        """Some parameters replaced: whole parts or entries, by name."""
        return self.with_parameter_vector(replaced(self.network, self.theta, parameters))

    def joint(self) -> NeuralEnergy:
        """(x, z) -> E(x, z) as an energy in dim_x + dim_z coordinates, x first."""
        return self.whole

    def conditional(self, x: Sequence[float] | FloatArray) -> NeuralEnergy:
        """z -> E(x, z) at fixed data x of length dim_x: again a neural energy.

        x only shifts the first bias, b_1 + W_1x x, and adds the constant <x - c, D (x - c)>/2; the
        result's theta is that of the smaller network.

        Raises
        ------
        ArgumentError
            When x has another length or is not finite.
        """
        data = np.atleast_1d(np.asarray(x, dtype=float))
        if data.shape != (self.dim_x,) or not np.all(np.isfinite(data)):
            raise ArgumentError(f"{self.name} needs {self.dim_x} finite data values, got {x!r}")
        cut = self.dim_x
        parts = dict(self.network.parts(self.theta))
        first = parts["weight_1"]
        parts["bias_1"] = parts["bias_1"] + first[:, :cut] @ data
        parts["weight_1"] = first[:, cut:]
        away = data - self.centre[:cut]
        return NeuralEnergy(
            dim=self.dim_z,
            widths=self.widths,
            activation=self.activation,
            confinement=self.confinement[cut:],
            centre=self.centre[cut:],
            spectral_caps=self.spectral_caps,
            theta=self.network.joined(list(parts.values())),
            offset=float(away * away @ self.confinement[:cut]) / 2,
            name=f"{self.name}.conditional",
        )

    def potential(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """E at x (n, dim_x), z (n, dim_z); shape (n,)."""
        return self.whole.potential(self._pairs(x, z))

    def parameter_gradient(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """grad_theta E at x (n, dim_x), z (n, dim_z); shape (n, n_theta)."""
        return self.whole.parameter_gradient(self._pairs(x, z))

    def mean_parameter_gradient(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """The mean of grad_theta E over x (n, dim_x), z (n, dim_z); shape (n_theta,)."""
        return self.whole.mean_parameter_gradient(self._pairs(x, z))

    def _pairs(self, x: FloatArray, z: FloatArray) -> FloatArray:
        first, second = particles(x, self.dim_x), particles(z, self.dim_z)
        if len(first) != len(second):
            raise ArgumentError(f"x and z must be equally many, got {len(first)}, {len(second)}")
        return np.hstack([first, second])
