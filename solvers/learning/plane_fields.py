"""E, its slopes and its curvatures in theta on arrays of (x, z), compiled from the one formula."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.joint import FormulaJointEnergy
from lvebm_theory.protocols import JointEnergy

from .learned_parameters import Project, as_function, learned_places, learned_start
from .projections import Projection

Fields = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaneFields:
    """One joint energy of one datum and one latent coordinate, as a function of learned theta.

    Parameters
    ----------
    energy : FormulaJointEnergy
    names : tuple of str
        The learned parameters, in the order of theta.
    theta : array (p,)
        Their values in the energy.
    linear : bool
        Whether E is affine in theta, so that its slopes do not depend on it.
    """

    energy: FormulaJointEnergy
    names: tuple[str, ...]
    theta: FloatArray
    linear: bool
    _places: npt.NDArray[np.int64]
    _functions: tuple[Fields, ...]

    @classmethod
    def of(cls, energy: JointEnergy, learned: Sequence[str] | None = None) -> PlaneFields:
        """The fields of an energy; ``learned`` None means every parameter.

        Raises
        ------
        ArgumentError
            When the energy is no formula, or not of dimensions (1, 1), or lacks a learned name.
        """
        if not isinstance(energy, FormulaJointEnergy):
            raise ArgumentError(
                f"the mean-field solver needs a joint energy written as a formula, got "
                f"{energy.name}"
            )
        if (energy.dim_x, energy.dim_z) != (1, 1):
            raise ArgumentError(
                "the mean-field solver needs dim_x = dim_z = 1, got "
                f"{energy.dim_x} and {energy.dim_z}"
            )
        places = learned_places(energy, learned)
        functions, linear = _compiled(energy.formula, tuple(places.tolist()))
        return cls(
            energy=energy,
            names=tuple(list(energy.parameters)[k] for k in places),
            theta=energy.parameter_vector()[places],
            linear=linear,
            _places=places,
            _functions=functions,
        )

    def start(self, theta: npt.ArrayLike | None) -> FloatArray:
        """Learned parameters (p,) to start from; see ``learned_start``."""
        return learned_start(self.energy, self._places, theta)

    def projector(self, projection: Projection | Project | None) -> Project | None:
        """A projection as a function of the learned parameters (p,)."""
        return as_function(self.energy, self._places, projection)

    def full(self, theta: FloatArray) -> FloatArray:
        """All parameters, the learned ones at theta."""
        values = self.energy.parameter_vector()
        values[self._places] = theta
        return values

    def at(self, theta: FloatArray) -> FormulaJointEnergy:
        """The energy at theta."""
        values = dict(zip(self.names, map(float, theta), strict=True))
        return self.energy.with_parameters(**values)

    def sentence(self, theta: FloatArray) -> str:
        """theta by name, for messages."""
        return ", ".join(f"{n}={v:.6g}" for n, v in zip(self.names, theta, strict=True))

    def potential(self, x: FloatArray, z: FloatArray, theta: FloatArray) -> FloatArray:
        """E at broadcastable x and z."""
        return np.asarray(self._field(0, x, z, theta)[0])

    def gradient(self, x: FloatArray, z: FloatArray, theta: FloatArray) -> FloatArray:
        """d_x E and d_z E, shape (2, *b)."""
        return self._field(3, x, z, theta)

    def slopes(self, x: FloatArray, z: FloatArray, theta: FloatArray) -> FloatArray:
        """d_theta E, shape (p, *b)."""
        return self._field(1, x, z, theta)

    def slope_gradients(self, x: FloatArray, z: FloatArray, theta: FloatArray) -> FloatArray:
        """d_x and d_z of d_theta E, shape (p, 2, *b)."""
        parts = self._field(4, x, z, theta)
        return parts.reshape(len(self.names), 2, *parts.shape[1:])

    def curvatures(self, x: FloatArray, z: FloatArray, theta: FloatArray) -> FloatArray:
        """d_theta d_theta E, shape (p, p, *b)."""
        upper = self._field(2, x, z, theta)
        p = len(self.names)
        rows = np.empty((p, p), dtype=int)
        rows[np.triu_indices(p)] = range(len(upper))
        rows.T[np.triu_indices(p)] = range(len(upper))
        return np.asarray(upper[rows])

    def _field(self, which: int, x: FloatArray, z: FloatArray, theta: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            parts = self._functions[which]((x, z), self.full(theta))
        out = np.empty((len(parts), *np.broadcast_shapes(x.shape, z.shape)))
        for k, part in enumerate(parts):
            out[k] = part
        return out


@functools.lru_cache(maxsize=64)
def _compiled(formula: Any, learned: tuple[int, ...]) -> tuple[tuple[Fields, ...], bool]:
    from lvebm_theory.formula import printing
    from lvebm_theory.formula.expression import differentiate
    from lvebm_theory.formula.generated import load

    symbols = [formula.parameter_symbols[k] for k in learned]
    slopes = [differentiate(formula.expression, s) for s in symbols]
    curvatures = [
        differentiate(slopes[i], symbols[j])
        for i in range(len(symbols))
        for j in range(i, len(symbols))
    ]

    def function(outputs: Sequence[Any]) -> Fields:
        text = printing.tuple_function("field", formula.program(outputs), printing.NUMPY)
        return cast(Fields, load(printing.module(text, printing.NUMPY)).field)

    gradient = formula.expressions("gradient")
    mixed = [differentiate(g, s) for s in symbols for g in gradient]
    outputs = ([formula.expression], slopes, curvatures, gradient, mixed)
    return tuple(function(o) for o in outputs), all(c == 0 for c in curvatures)
