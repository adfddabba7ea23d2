"""Joint energies that are quadratic in w = (x, z), with coefficients read off the traced formula.

    E_theta(w) = w' P(theta) w / 2 - b(theta)' w + c(theta)

Every coefficient and its derivatives in theta come from the one formula, so a user's own
quadratic energy has its closed forms without a line of algebra. Coefficients may be evaluated at
complex theta, which gives derivatives of whole recursions without cancellation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.joint import FormulaJointEnergy
from lvebm_theory.protocols import JointEnergy

from .learned_parameters import Project, as_function, learned_places, learned_start
from .projections import Projection

Array = npt.NDArray[Any]  # of floats, or of complex numbers where derivatives are taken


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """P (..., d, d), b (..., d), c (...): w' P w / 2 - b' w + c; leading axes count parameters."""

    precision: Array
    shift: Array
    constant: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianFamily:
    """A joint energy quadratic in (x, z), as a function of its learned parameters.

    Parameters
    ----------
    name : str
    dim_x, dim_z : int
    names : tuple of str
        The learned parameters, in the order of theta.
    theta : array (p,)
        Their values in the energy that this was made of.
    location : bool
        Whether P does not depend on theta and b is affine in it. Then E is, up to a constant,
        (w - A theta)' P (w - A theta)/2, and pool averages move linearly.
    """

    name: str
    dim_x: int
    dim_z: int
    names: tuple[str, ...]
    theta: FloatArray
    location: bool
    energy: FormulaJointEnergy
    _places: npt.NDArray[np.int64]
    _values: FloatArray
    _function: Callable[..., tuple[Any, ...]]

    @classmethod
    def of(cls, energy: JointEnergy, learned: Sequence[str] | None = None) -> GaussianFamily:
        """The family of an energy; ``learned`` None means every parameter.

        Raises
        ------
        ArgumentError
            When the energy is no formula, not quadratic in (x, z), or lacks a learned name.
        """
        if not isinstance(energy, FormulaJointEnergy):
            raise ArgumentError(
                f"closed forms need a joint energy written as a formula, got {energy.name}"
            )
        places = learned_places(energy, learned)
        values = energy.parameter_vector()
        zero = tuple(
            k for k, value in enumerate(values) if value == 0.0 and k not in places.tolist()
        )
        function, location = _coefficients(energy.formula, tuple(places.tolist()), zero)
        return cls(
            name=energy.name,
            dim_x=energy.dim_x,
            dim_z=energy.dim_z,
            names=tuple(list(energy.parameters)[k] for k in places),
            theta=values[places],
            location=location,
            energy=energy,
            _places=places,
            _values=values,
            _function=function,
        )

    def start(self, theta: npt.ArrayLike | None) -> FloatArray:
        """Learned parameters (p,) to start from; see ``learned_start``."""
        return learned_start(self.energy, self._places, theta)

    def projector(self, projection: Projection | Project | None) -> Project | None:
        """A projection as a function of the learned parameters (p,)."""
        return as_function(self.energy, self._places, projection)

    @property
    def dim(self) -> int:
        """dim_x + dim_z."""
        return self.dim_x + self.dim_z

    def coefficients(self, theta: Array) -> tuple[Quadratic, Quadratic]:
        """P, b, c at theta (p,), and their derivatives, one per learned parameter."""
        values: Array = self._values.astype(np.asarray(theta).dtype)
        values[self._places] = theta
        d, count = self.dim, len(self.names)
        with np.errstate(all="ignore"):
            flat = np.array(self._function(values, ()))
        rows = flat.reshape(count + 1, -1)
        precision = np.empty((count + 1, d, d), dtype=flat.dtype)
        first, second = _triangle(d)
        precision[:, first, second] = rows[:, 1 + d :]
        precision[:, second, first] = rows[:, 1 + d :]
        shift, constant = rows[:, 1 : 1 + d], rows[:, 0]
        return (
            Quadratic(precision=precision[0], shift=shift[0], constant=constant[0]),
            Quadratic(precision=precision[1:], shift=shift[1:], constant=constant[1:]),
        )

    def model(self, theta: FloatArray) -> Gaussian:
        """p_theta = N(P^{-1} b, P^{-1}).

        Raises
        ------
        SolverError
            When exp(-E_theta) has no finite integral.
        """
        own, _ = self.coefficients(theta)
        if not positive_definite(own.precision):
            raise SolverError(self.not_normalisable(theta), last_state=np.array(theta))
        return Gaussian.from_precision(np.linalg.solve(own.precision, own.shift), own.precision)

    def not_normalisable(self, theta: FloatArray) -> str:
        """The sentence that says at which theta Z is infinite."""
        inside = ", ".join(f"{n}={v:.6g}" for n, v in zip(self.names, theta, strict=True))
        return f"exp(-E) of {self.name} is not integrable at {inside}"


def positive_definite(matrix: Array) -> bool:
    """Whether a symmetric matrix has only positive eigenvalues."""
    real = np.real(matrix)
    return bool(np.all(np.isfinite(real)) and np.linalg.eigvalsh(real)[0] > 0)


@functools.cache
def _triangle(dim: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return np.triu_indices(dim)


@functools.lru_cache(maxsize=64)
def _coefficients(
    formula: Any, learned: tuple[int, ...], zero: tuple[int, ...]
) -> tuple[Callable[..., tuple[Any, ...]], bool]:
    """A compiled function theta -> (c, b, upper triangle of P), then the same derived."""
    import sympy

    from lvebm_theory.formula import printing
    from lvebm_theory.formula.expression import Formula, differentiate
    from lvebm_theory.formula.generated import load

    symbols, coordinates = formula.parameter_symbols, formula.coordinates
    expression = formula.expression
    polynomial = _polynomial(expression, coordinates)
    if polynomial is None and zero:
        # a factor that a vanishing parameter switches off
        silent = {symbols[k]: sympy.S.Zero for k in zero}
        polynomial = _polynomial(expression.xreplace(silent), coordinates)
    if polynomial is None:
        raise ArgumentError(f"closed forms need an energy quadratic in (x, z), got {formula.latex}")
    dim = len(coordinates)
    powers = [(0,) * dim]
    powers += [tuple(int(i == k) for i in range(dim)) for k in range(dim)]
    powers += [
        tuple(int(i == k) + int(i == m) for i in range(dim))
        for k in range(dim)
        for m in range(k, dim)
    ]
    own = []
    for power in powers:
        term = sympy.sympify(polynomial.coeff_monomial(power))
        factor = {0: 1, 1: -1}.get(sum(power), 2 if max(power) == 2 else 1)
        own.append(factor * term)
    derived = [[differentiate(e, symbols[k]) for e in own] for k in learned]
    # P at rest, b affine, c quadratic in theta
    location = all(e == 0 for row in derived for e in row[1 + dim :]) and all(
        sympy.simplify(change) == 0 for change in _second_changes(derived, dim, symbols, learned)
    )
    outputs = [*own, *(e for row in derived for e in row)]
    program = Formula(sympy.S.Zero, symbols).program(outputs)
    text = printing.tuple_function("field", program, printing.NUMPY)
    return load(printing.module(text, printing.NUMPY)).field, location


def _second_changes(
    derived: Sequence[Sequence[Any]], dim: int, symbols: Sequence[Any], learned: Sequence[int]
) -> list[Any]:
    """Second derivatives in theta of b, and third ones of c."""
    from lvebm_theory.formula.expression import differentiate

    chosen = [symbols[k] for k in learned]
    linear = [differentiate(e, s) for row in derived for e in row[1 : 1 + dim] for s in chosen]
    bends = [differentiate(row[0], s) for row in derived for s in chosen]
    return linear + [differentiate(e, s) for e in bends for s in chosen]


def _polynomial(expression: Any, coordinates: Sequence[Any]) -> Any:
    """The expression as a polynomial of degree at most two, or None."""
    import sympy

    if not expression.is_polynomial(*coordinates):
        return None
    polynomial = sympy.Poly(expression, *coordinates)
    return polynomial if polynomial.total_degree() <= 2 else None
