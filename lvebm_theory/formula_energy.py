"""Energies written as formulas: every field, every back end, at run-time parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arrays import FloatArray
from .errors import ArgumentError
from .facts import NOTHING_KNOWN, KnownFacts
from .protocols import Field, SourceBackend

if TYPE_CHECKING:
    from .formula.expression import Formula

Parameter = float | FloatArray


def validated_parameters(owner: str, given: Mapping[str, Any]) -> dict[str, Parameter]:
    """Parameters as floats or float arrays; refuses what is not a finite real number."""
    values: dict[str, Parameter] = {}
    for name, value in given.items():
        try:
            array = np.array(value, dtype=float)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"{owner}: parameter {name} must be a real number, got {value!r}"
            ) from None
        if not np.all(np.isfinite(array)):
            raise ArgumentError(f"{owner}: parameter {name} must be finite, got {value!r}")
        values[name] = float(array) if array.ndim == 0 else array
    return values


def flattened(values: Mapping[str, Parameter]) -> dict[str, float]:
    """Array parameters spread over ``name_i_j``, row by row."""
    flat: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, float):
            flat[name] = value
        else:
            for index in np.ndindex(value.shape):
                flat["_".join([name, *map(str, index)])] = float(value[index])
    return flat


def with_entries(old: Mapping[str, Parameter], new: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with some replaced: whole ones by name, entries of arrays by ``name_i_j``."""
    values: dict[str, Any] = {
        k: v.copy() if isinstance(v, np.ndarray) else v for k, v in old.items()
    }
    entries = {
        "_".join([k, *map(str, index)]): (k, index)
        for k, v in old.items()
        if isinstance(v, np.ndarray)
        for index in np.ndindex(v.shape)
    }
    for name, value in new.items():
        if name in entries:
            key, index = entries[name]
            values[key][index] = value
        else:
            values[name] = value
    return values


def particles(x: Any, dim: int) -> FloatArray:
    """``x`` as a float array (n, d), or an ArgumentError that says what came."""
    array = np.asarray(x, dtype=float)
    if array.ndim != 2 or array.shape[1] != dim:
        raise ArgumentError(f"particles must have shape (n, {dim}), got {array.shape}")
    return array


def hessian_from_triangle(upper: Sequence[Any], dim: int) -> list[list[Any]]:
    """The symmetric matrix of an upper triangle given row by row."""
    rows: list[list[Any]] = [[None] * dim for _ in range(dim)]
    entries = iter(upper)
    for i in range(dim):
        for j in range(i, dim):
            rows[i][j] = rows[j][i] = next(entries)
    return rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FormulaEnergy:
    """A potential U on R^d written as a formula; the target is pi proportional to exp(-U).

    Made by an ``@energy`` family, by ``parse_potential`` or by the views of a joint energy.
    """

    name: str
    dim: int
    parameters: Mapping[str, float] = field(default_factory=dict)
    formula_of: Callable[[], Formula]
    variables: tuple[str, ...] = ()
    facts_of: Callable[[], KnownFacts] | None = None
    with_values: Callable[[Mapping[str, Any]], FormulaEnergy] | None = None
    description: str = ""
    fingerprint_of: Callable[[], str | None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "parameters": dict(self.parameters)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, parameters=MappingProxyType(state["parameters"]))

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v:g}" for k, v in self.parameters.items())
        return f"{self.name}({inside})"

    @property
    def formula(self) -> Formula:
        """The traced formula; traced at first use."""
        return self.formula_of()

    @property
    def facts(self) -> KnownFacts:
        """What is exactly known, with sources."""
        return NOTHING_KNOWN if self.facts_of is None else self.facts_of()

    @property
    def key(self) -> tuple[Any, ...]:
        """Hashable identity: equal for equal formulas at equal parameter values."""
        return (self.formula.digest, tuple(self.parameters.values()))

    @property
    def latex(self) -> str:
        """U in LaTeX, with parameters by name."""
        return self.formula.latex

    @property
    def smooth(self) -> bool:
        """False unless U is known to be infinitely differentiable at these parameter values."""
        from .formula.smoothness import is_smooth

        return is_smooth(self.formula, tuple(self.parameters.values()))

    def with_parameters(self, **parameters: Any) -> FormulaEnergy:
        """The same formula at other parameter values.

        Raises
        ------
        ArgumentError
            For an unknown name or a value that is not finite.
        """
        if self.with_values is not None:
            return self.with_values(parameters)
        if unknown := sorted(set(parameters) - set(self.parameters)):
            raise ArgumentError(
                f"{self.name} has parameters {list(self.parameters)}, got {unknown}"
            )
        new = flattened(validated_parameters(self.name, parameters))
        return dataclasses.replace(self, parameters={**self.parameters, **new})

    def parameter_vector(self) -> FloatArray:
        """Run-time parameters p, shape (n_p,)."""
        return np.array(list(self.parameters.values()), dtype=float)

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x of shape (n, d); shape (n,)."""
        return self.on_coordinates("potential", particles(x, self.dim).T)

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradient of U at x (n, d); shape (n, d)."""
        return self.on_coordinates("gradient", particles(x, self.dim).T).T

    def hessian(self, x: FloatArray) -> FloatArray:
        """Hessian of U at x (n, d); shape (n, d, d)."""
        return np.moveaxis(self.on_coordinates("hessian", particles(x, self.dim).T), -1, 0)

    def laplacian(self, x: FloatArray) -> FloatArray:
        """Laplacian of U at x (n, d); shape (n,)."""
        return self.on_coordinates("laplacian", particles(x, self.dim).T)

    def parameter_gradient(self, x: FloatArray) -> FloatArray:
        """grad_p U at x (n, d); shape (n, n_p)."""
        if not self.parameters:
            return np.zeros((len(particles(x, self.dim)), 0))
        return self._components("parameter_gradient", particles(x, self.dim).T).T

    def on_coordinates(self, field: Field, coordinates: Sequence[Any] | FloatArray) -> FloatArray:
        """A field on d broadcastable arrays: shapes (*b), (d, *b), (d, d, *b), (*b)."""
        values = self._components(field, coordinates)
        match field:
            case "gradient":
                return values
            case "hessian":
                rows = np.array(hessian_from_triangle(range(len(values)), self.dim))
                return np.take(values, rows, axis=0)
        return np.asarray(values[0])

    def _components(self, field: Any, coordinates: Sequence[Any] | FloatArray) -> FloatArray:
        if len(coordinates) != self.dim:
            raise ArgumentError(
                f"{self.name} has {self.dim} coordinates, got {len(coordinates)} arrays"
            )
        arrays = [np.asarray(c, dtype=float) for c in coordinates]
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        with np.errstate(all="ignore"):  # overflow to inf is a value here; callers look at it
            components = self.formula.numpy_function(field)(arrays, self.parameter_vector())
        out = np.empty((len(components), *shape))
        for k, component in enumerate(components):
            out[k] = component
        return out

    def source(
        self,
        backend: SourceBackend,
        dtype: Literal["float64", "float32"] = "float64",
    ) -> str:
        """Python module text for a back end; see ``protocols.Energy.source``.

        ``dtype`` sets the type of the numba constants, so that float32 stays float32.
        """
        from .formula import printed

        key = None if self.fingerprint_of is None else self.fingerprint_of()
        return printed.kept(key, (backend, dtype), lambda: self.formula.source(backend, dtype))

    def arb_function(self, field: Field) -> Callable[..., Any]:
        """The field in ball arithmetic at these parameter values.

        Returns
        -------
        callable (coordinates, prec=None)
            ``coordinates`` is a list of d ``arb`` (or ``acb``, for analytic formulas); the result
            is a ball, a list of d balls, or a nested list (d, d). ``prec`` in bits; by default
            flint's context precision.
        """
        function = self.formula.ball_function(field)

        def shaped(values: tuple[Any, ...]) -> Any:
            match field:
                case "gradient":
                    return list(values)
                case "hessian":
                    return hessian_from_triangle(values, self.dim)
            return values[0]

        return self._at_parameters(function, shaped)

    def arb_derivative(self, *indices: int) -> Callable[..., Any]:
        """One partial derivative of any order in ball arithmetic: (coordinates, prec) -> arb.

        ``arb_derivative(0, 0, 0)`` is U''' in one dimension.
        """
        return self._at_parameters(self.formula.ball_derivative(*indices), lambda values: values[0])

    def _at_parameters(
        self, function: Callable[..., Any], shaped: Callable[[Any], Any]
    ) -> Callable[..., Any]:
        from .formula import ball

        p = [ball.arb(v) for v in self.parameters.values()]

        def enclosure(coordinates: Sequence[Any], prec: int | None = None) -> Any:
            if prec is None:
                return shaped(function(coordinates, p))
            with ball.precision(prec):
                return shaped(function(coordinates, p))

        return enclosure
