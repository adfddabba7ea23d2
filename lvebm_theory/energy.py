"""The ``@energy`` decorator: a plain function becomes a family of energies.

@energy(dim=1, a=1.0)
def double_well(x, a):
    \"\"\"U(x) = a (x^2 - 1)^2.\"\"\"
    return a * (x[0]**2 - 1)**2

double_well(a=2.0).gradient(x)
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError
from .facts import NOTHING_KNOWN, KnownFacts
from .formula_energy import (
    FormulaEnergy,
    Parameter,
    flattened,
    validated_parameters,
    with_entries,
)

if TYPE_CHECKING:
    from .formula.expression import Formula

Prepare = Callable[[int | None, dict[str, Any]], dict[str, Any]]
Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def family_member(module: str, name: str) -> Any:
    """What a module calls by this name; how families travel to worker processes."""
    return getattr(importlib.import_module(module), name)


@functools.lru_cache(maxsize=256)
def _traced(function: Callable[..., Any], variables: tuple[str, ...], shapes: Shapes) -> Formula:
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

    def known_facts(self, dim: int, values: Mapping[str, Parameter]) -> KnownFacts:
        """What is exactly known at these parameter values."""
        return self._facts[0](dim, **values) if self._facts else NOTHING_KNOWN

    def formula(self, variables: tuple[str, ...], shapes: Shapes) -> Formula:
        """The traced formula for these coordinate names and parameter shapes."""
        return _traced(self.function, variables, shapes)

    def fingerprint(self, variables: tuple[str, ...], shapes: Shapes) -> str | None:
        """What the formula depends on, as a hash; None where that cannot be told."""
        from .formula.printed import known

        return known(self.function, variables, shapes)

    def __reduce__(self) -> Any:
        # the module's name for the function now means this family; worker processes find it there
        return (family_member, (self.function.__module__, self.name))

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
        shapes = tuple((k, np.array(v).shape) for k, v in values.items())
        facts = functools.partial(self.known_facts, dim, values) if self._facts else None
        return self.implementation(
            name=name or self.name,
            dim=dim,
            parameters=flattened(values),
            variables=variables,
            formula_of=functools.partial(self.formula, variables, shapes),
            facts_of=facts,
            with_values=functools.partial(self._changed, dim, name, values),
            description=self.description,
            fingerprint_of=functools.partial(self.fingerprint, variables, shapes),
        )

    def _changed(
        self,
        dim: int,
        name: str | None,
        old: Mapping[str, Parameter],
        new: Mapping[str, Any],
    ) -> FormulaEnergy:
        values = with_entries(old, new)
        return self(dim=dim, name=name, **values)

    def _known(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if unknown := sorted(set(parameters) - set(self.defaults)):
            raise ArgumentError(f"{self.name} has parameters {list(self.defaults)}, got {unknown}")
        return parameters

    def _dimension(self, dim: int | None, values: Mapping[str, Parameter]) -> int:
        if self.dim_from is not None:
            own = int(np.array([values[self.dim_from]]).shape[-1])
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


class _CallableModule(types.ModuleType):
    # the package exports the decorator under this module's own name; so the module decorates too
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return energy(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
