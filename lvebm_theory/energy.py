"""Energies: the ``@energy`` decorator, formula energies, and a user's own callables.

@energy(dim=1, a=1.0)
def double_well(x, a):
    \"\"\"U(x) = a (x^2 - 1)^2.\"\"\"
    return a * (x[0]**2 - 1)**2

double_well(a=2.0).gradient(x)
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError
from .facts import NOTHING_KNOWN, KnownFacts
from .protocols import Field

if TYPE_CHECKING:
    from .formula.expression import Formula

FloatArray = npt.NDArray[np.float64]
Parameter = float | FloatArray
Prepare = Callable[[int | None, dict[str, Any]], dict[str, Any]]


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
                rows = hessian_from_triangle(range(len(values)), self.dim)
                return np.asarray(values[np.array(rows)])
        return values[0]

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
        for row, component in zip(out, components, strict=True):
            row[...] = component
        return out

    def source(
        self,
        backend: Literal["numba", "torch"],
        dtype: Literal["float64", "float32"] = "float64",
    ) -> str:
        """Python module text for a back end; see ``protocols.Energy.source``.

        ``dtype`` sets the type of the numba constants, so that float32 stays float32.
        """
        return self.formula.source(backend, dtype)

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


@functools.lru_cache(maxsize=256)
def _traced(
    function: Callable[..., Any], variables: tuple[str, ...], shapes: tuple[tuple[str, Any], ...]
) -> Formula:
    from .formula.trace import trace

    return trace(function, {"x": variables}, dict(shapes))


def coordinate_names(letter: str, dim: int) -> tuple[str, ...]:
    """``x`` in one dimension, ``x0, x1, ...`` beyond."""
    return (letter,) if dim == 1 else tuple(f"{letter}{i}" for i in range(dim))


@dataclass(frozen=True, kw_only=True)
class EnergyFamily:
    """Energies of one formula at different parameters; call it to get one.

    Attributes
    ----------
    name : str
    dim : int
        Default dimension.
    any_dim : bool
        Whether ``family(dim=...)`` may choose another.
    defaults : mapping from parameter to default value
    positive : tuple of parameter names that must be > 0
    """

    name: str
    dim: int
    any_dim: bool
    dim_from: str | None
    defaults: Mapping[str, Any]
    positive: tuple[str, ...]
    function: Callable[..., Any]
    description: str
    prepare: Prepare | None = None
    implementation: type[FormulaEnergy] = FormulaEnergy
    _facts: list[Callable[..., KnownFacts]] = field(default_factory=list)

    def facts(self, function: Callable[..., KnownFacts]) -> Callable[..., KnownFacts]:
        """Decorator: ``function(dim, **parameters)`` returns what is exactly known."""
        self._facts[:] = [function]
        return function

    def __call__(
        self, *, dim: int | None = None, name: str | None = None, **parameters: Any
    ) -> FormulaEnergy:
        """The energy at these parameters; those not named keep their defaults.

        Raises
        ------
        ArgumentError
            For unknown names, values that are not finite, and dimensions the family lacks.
        """
        values = validated_parameters(self.name, {**self.defaults, **self._known(parameters)})
        if self.prepare is not None:
            values = self.prepare(dim, values)
        for positive in self.positive:
            if not np.all(np.asarray(values[positive]) > 0):
                raise ArgumentError(
                    f"{self.name}: parameter {positive} must be > 0, got {values[positive]}"
                )
        dim = self._dimension(dim, values)
        variables = coordinate_names("x", dim)
        shapes = tuple((k, np.asarray(v).shape) for k, v in values.items())
        facts = functools.partial(self._facts[0], dim, **values) if self._facts else None
        return self.implementation(
            name=name or self.name,
            dim=dim,
            parameters=flattened(values),
            variables=variables,
            formula_of=functools.partial(_traced, self.function, variables, shapes),
            facts_of=facts,
            with_values=functools.partial(self._changed, dim, name, values),
            description=self.description,
        )

    def _changed(
        self,
        dim: int,
        name: str | None,
        old: Mapping[str, Parameter],
        new: Mapping[str, Any],
    ) -> FormulaEnergy:
        values = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in old.items()}
        flat = {
            "_".join([k, *map(str, index)]): (k, index)
            for k, v in values.items()
            if isinstance(v, np.ndarray)
            for index in np.ndindex(v.shape)
        }
        for name_, value in new.items():
            if name_ in flat:
                key, index = flat[name_]
                np.asarray(values[key])[index] = value  # the copy made above
            else:
                values[name_] = value
        return self(dim=dim, name=name, **values)

    def _known(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if unknown := sorted(set(parameters) - set(self.defaults)):
            raise ArgumentError(f"{self.name} has parameters {list(self.defaults)}, got {unknown}")
        return parameters

    def _dimension(self, dim: int | None, values: Mapping[str, Parameter]) -> int:
        if self.dim_from is not None:
            own = int(np.shape([values[self.dim_from]])[-1])
            if dim not in (None, own):
                raise ArgumentError(
                    f"{self.name}: {self.dim_from} has {own} coordinates, but dim={dim}"
                )
            return own
        if dim is None or dim == self.dim:
            return self.dim
        if not self.any_dim or not isinstance(dim, int) or dim < 1:
            raise ArgumentError(
                f"{self.name} exists in dimension "
                f"{'1, 2, 3, ...' if self.any_dim else self.dim}, got {dim!r}"
            )
        return dim


def energy(
    dim: int,
    *,
    any_dim: bool = False,
    dim_from: str | None = None,
    positive: tuple[str, ...] = (),
    prepare: Prepare | None = None,
    implementation: type[FormulaEnergy] = FormulaEnergy,
    **defaults: Any,
) -> Callable[[Callable[..., Any]], EnergyFamily]:
    """Decorator: a plain function U(x, **parameters) becomes a family of energies.

    Parameters
    ----------
    dim : int
        Dimension d; the function's first argument has entries x[0], ..., x[d-1].
    any_dim : bool
        Let ``family(dim=...)`` choose another dimension.
    dim_from : str, optional
        Name of an array parameter whose last axis sets the dimension.
    positive : tuple of str
        Parameters that must be > 0.
    prepare : callable (dim or None, values) -> values, optional
        Brings parameter values to their final shapes, or refuses them.
    implementation : subclass of FormulaEnergy, optional
        For families that evaluate faster than their formula does.
    **defaults : float or array
        Named parameters with their default values.

    Raises
    ------
    ArgumentError
        When the defaults do not match the function's own arguments.
    """
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
        raise ArgumentError(f"an energy needs a dimension 1, 2, 3, ..., got {dim!r}")

    def decorate(function: Callable[..., Any]) -> EnergyFamily:
        check_signature(function, 1, defaults, (*positive, *([dim_from] if dim_from else ())))
        return EnergyFamily(
            name=function.__name__,
            dim=dim,
            any_dim=any_dim,
            dim_from=dim_from,
            defaults=MappingProxyType(dict(defaults)),
            positive=positive,
            prepare=prepare,
            implementation=implementation,
            function=function,
            description=inspect.getdoc(function) or "",
        )

    return decorate


def check_signature(
    function: Callable[..., Any], groups: int, defaults: Mapping[str, Any], named: Sequence[str]
) -> None:
    """Refuse a decorated function whose arguments are not coordinates plus the defaults."""
    own = list(inspect.signature(function).parameters)[groups:]
    if set(own) != set(defaults):
        raise ArgumentError(
            f"{function.__name__} takes parameters {own}, but its decorator names {list(defaults)}"
        )
    if missing := [name for name in named if name not in defaults]:
        raise ArgumentError(f"{function.__name__}: no parameters named {missing}")
    validated_parameters(function.__name__, defaults)


def load_energy(text: str) -> Any:
    """The energy that a user's file defines; see ``lvebm_theory.user_file.load_energy``."""
    from .user_file import load_energy as load

    return load(text)


class _CallableModule(types.ModuleType):
    # the package exports the decorator under this module's own name; so the module decorates too
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return energy(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
