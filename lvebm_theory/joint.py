"""Joint energies E_theta(x, z) of data and latent, written as one formula.

@joint_energy(dim_x=1, dim_z=1, a=2.0, b=1.0)
def linear_gaussian(x, z, a, b):
    \"\"\"E(x, z) = a x^2/2 - b x z + z^2/2.\"\"\"
    return a * x[0]**2 / 2 - b * x[0] * z[0] + z[0]**2 / 2
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import FloatArray
from .energy import Shapes, check_signature, coordinate_names, family_member
from .errors import ArgumentError
from .facts import NOTHING_KNOWN, KnownFacts
from .formula_energy import (
    FormulaEnergy,
    Parameter,
    flattened,
    particles,
    validated_parameters,
    with_entries,
)

if TYPE_CHECKING:
    from .formula.expression import Formula

Prepare = Callable[[tuple[int, int], dict[str, Any]], dict[str, Any]]


@functools.lru_cache(maxsize=128)
def _traced(
    function: Callable[..., Any], x: tuple[str, ...], z: tuple[str, ...], shapes: Shapes
) -> Formula:
    from .formula.trace import trace

    return trace(function, {"x": x, "z": z}, dict(shapes))


@functools.lru_cache(maxsize=128)
def _conditional(
    function: Callable[..., Any], x: tuple[str, ...], z: tuple[str, ...], shapes: Shapes
) -> Formula:
    # x joins the run-time parameters: one compilation serves every datum
    from .formula.expression import Formula

    whole = _traced(function, x, z, shapes)
    return Formula(
        whole.expression,
        whole.coordinates[len(x) :],
        (*whole.parameter_symbols, *whole.coordinates[: len(x)]),
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FormulaJointEnergy:
    """E_theta(x, z) as a formula; p_theta(x, z) is proportional to exp(-E).

    Made by a ``@joint_energy`` family.
    """

    name: str
    dim_x: int
    dim_z: int
    values: Mapping[str, Parameter]
    family: JointEnergyFamily
    description: str = ""

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v:g}" for k, v in self.parameters.items())
        return f"{self.name}({inside})"

    @property
    def parameters(self) -> Mapping[str, float]:
        """theta, by name; array parameters as ``name_i_j``."""
        return flattened(self.values)

    @property
    def x_names(self) -> tuple[str, ...]:
        """Names of the data coordinates."""
        return coordinate_names("x", self.dim_x)

    @property
    def z_names(self) -> tuple[str, ...]:
        """Names of the latent coordinates."""
        return coordinate_names("z", self.dim_z)

    @property
    def _shapes(self) -> Shapes:
        return tuple((k, np.asarray(v).shape) for k, v in self.values.items())

    @property
    def formula(self) -> Formula:
        """The traced formula on coordinates (x, z) with parameters theta."""
        return self.family.formula(self.x_names, self.z_names, self._shapes)

    @property
    def latex(self) -> str:
        """E in LaTeX, with parameters by name."""
        return self.formula.latex

    @property
    def smooth(self) -> bool:
        """False unless E is known to be infinitely differentiable."""
        return self.joint().smooth

    @property
    def key(self) -> tuple[Any, ...]:
        """Hashable identity: equal for equal formulas at equal parameter values."""
        return (self.formula.digest, self.dim_x, tuple(self.parameters.values()))

    def with_parameters(self, **parameters: Any) -> FormulaJointEnergy:
        """The same family at other parameter values; the others keep theirs."""
        values = with_entries(self.values, parameters)
        return self.family(dim_x=self.dim_x, dim_z=self.dim_z, **values)

    def parameter_vector(self) -> FloatArray:
        """theta as an array (n_theta,)."""
        return np.array(list(self.parameters.values()), dtype=float)

    def joint(self) -> FormulaEnergy:
        """(x, z) -> E(x, z) as an energy in dim_x + dim_z coordinates, x first."""
        return FormulaEnergy(
            name=f"{self.name}.joint",
            dim=self.dim_x + self.dim_z,
            parameters=self.parameters,
            variables=(*self.x_names, *self.z_names),
            formula_of=functools.partial(
                self.family.formula, self.x_names, self.z_names, self._shapes
            ),
            facts_of=functools.partial(self.family.known_facts, "joint", (), dict(self.values)),
            with_values=functools.partial(_joint_view, self),
            description=self.description,
        )

    def conditional(self, x: Sequence[float] | FloatArray) -> FormulaEnergy:
        """z -> E(x, z) at fixed data x of length dim_x; x is a run-time parameter.

        Raises
        ------
        ArgumentError
            When x has another length or is not finite.
        """
        data = np.atleast_1d(np.asarray(x, dtype=float))
        if data.shape != (self.dim_x,) or not np.all(np.isfinite(data)):
            raise ArgumentError(f"{self.name} needs {self.dim_x} finite data values, got {x!r}")
        return FormulaEnergy(
            name=f"{self.name}.conditional",
            dim=self.dim_z,
            parameters={
                **self.parameters,
                **dict(zip(self.x_names, map(float, data), strict=True)),
            },
            variables=self.z_names,
            formula_of=functools.partial(
                self.family.conditional_formula, self.x_names, self.z_names, self._shapes
            ),
            facts_of=functools.partial(
                self.family.known_facts, "conditional", (data,), dict(self.values)
            ),
            with_values=functools.partial(_conditional_view, self, data),
            description=self.description,
        )

    def potential(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """E at x (n, dim_x), z (n, dim_z); shape (n,)."""
        return self.joint().potential(self._pairs(x, z))

    def parameter_gradient(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """grad_theta E at x (n, dim_x), z (n, dim_z); shape (n, n_theta)."""
        return self.joint().parameter_gradient(self._pairs(x, z))

    def _pairs(self, x: FloatArray, z: FloatArray) -> FloatArray:
        first, second = particles(x, self.dim_x), particles(z, self.dim_z)
        if len(first) != len(second):
            raise ArgumentError(f"x and z must be equally many, got {len(first)}, {len(second)}")
        return np.hstack([first, second])


def _joint_view(energy: FormulaJointEnergy, new: Mapping[str, Any]) -> FormulaEnergy:
    return energy.with_parameters(**new).joint()


def _conditional_view(
    energy: FormulaJointEnergy, data: FloatArray, new: Mapping[str, Any]
) -> FormulaEnergy:
    x = [float(new.get(name, old)) for name, old in zip(energy.x_names, data, strict=True)]
    theta = {k: v for k, v in new.items() if k not in energy.x_names}
    return energy.with_parameters(**theta).conditional(x)


@dataclass(frozen=True, kw_only=True)
class JointEnergyFamily:
    """Joint energies of one formula at different theta; call it to get one."""

    name: str
    dim_x: int
    dim_z: int
    defaults: Mapping[str, Any]
    positive: tuple[str, ...]
    function: Callable[..., Any]
    description: str
    any_dim: bool = False
    prepare: Prepare | None = None
    _facts: dict[str, Callable[..., KnownFacts]] = field(default_factory=dict)

    def joint_facts(self, function: Callable[..., KnownFacts]) -> Callable[..., KnownFacts]:
        """Decorator: ``function(**theta)`` returns what is known of the joint law."""
        self._facts["joint"] = function
        return function

    def conditional_facts(self, function: Callable[..., KnownFacts]) -> Callable[..., KnownFacts]:
        """Decorator: ``function(x, **theta)`` returns what is known of the posterior at x."""
        self._facts["conditional"] = function
        return function

    def known_facts(
        self, view: str, data: tuple[FloatArray, ...], values: Mapping[str, Parameter]
    ) -> KnownFacts:
        """What is exactly known of a view at these parameter values."""
        function = self._facts.get(view)
        return NOTHING_KNOWN if function is None else function(*data, **values)

    def formula(self, x: tuple[str, ...], z: tuple[str, ...], shapes: Shapes) -> Formula:
        """The traced formula on coordinates (x, z)."""
        return _traced(self.function, x, z, shapes)

    def conditional_formula(
        self, x: tuple[str, ...], z: tuple[str, ...], shapes: Shapes
    ) -> Formula:
        """The traced formula on coordinates z, with x among the parameters."""
        return _conditional(self.function, x, z, shapes)

    def __reduce__(self) -> Any:
        return (family_member, (self.function.__module__, self.name))

    def __call__(
        self, *, dim_x: int | None = None, dim_z: int | None = None, **parameters: Any
    ) -> FormulaJointEnergy:
        """The joint energy at these parameters; those not named keep their defaults.

        Raises
        ------
        ArgumentError
            For unknown names, values that are not finite (or not > 0 where they must be), and
            dimensions that the family lacks.
        """
        dims = (dim_x or self.dim_x, dim_z or self.dim_z)
        if dims != (self.dim_x, self.dim_z) and not self.any_dim:
            raise ArgumentError(
                f"{self.name} exists in dimensions {(self.dim_x, self.dim_z)}, got {dims}"
            )
        if unknown := sorted(set(parameters) - set(self.defaults)):
            raise ArgumentError(f"{self.name} has parameters {list(self.defaults)}, got {unknown}")
        values = validated_parameters(self.name, {**self.defaults, **parameters})
        for name in self.positive:
            if not np.all(np.asarray(values[name]) > 0):
                raise ArgumentError(f"{self.name}: {name} must be > 0, got {values[name]}")
        if self.prepare is not None:
            values = self.prepare(dims, values)
        return FormulaJointEnergy(
            name=self.name,
            dim_x=dims[0],
            dim_z=dims[1],
            values=values,
            family=self,
            description=self.description,
        )


def joint_energy(
    dim_x: int,
    dim_z: int,
    *,
    positive: tuple[str, ...] = (),
    any_dim: bool = False,
    prepare: Prepare | None = None,
    **defaults: Any,
) -> Callable[[Callable[..., Any]], JointEnergyFamily]:
    """Decorator: a plain function E(x, z, **theta) becomes a family of joint energies.

    Parameters
    ----------
    dim_x, dim_z : int
        Dimensions of data and latent.
    positive : tuple of str
        Parameters that must be > 0.
    any_dim : bool
        Let ``family(dim_x=..., dim_z=...)`` choose other dimensions.
    prepare : callable ((dim_x, dim_z), values) -> values, optional
        Brings parameter values to their final shapes, or refuses them.
    **defaults : float or array
        theta by name, with default values.
    """
    for value in (dim_x, dim_z):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ArgumentError(f"dimensions are 1, 2, 3, ..., got {value!r}")

    def decorate(function: Callable[..., Any]) -> JointEnergyFamily:
        check_signature(function, 2, defaults, positive)
        return JointEnergyFamily(
            name=function.__name__,
            dim_x=dim_x,
            dim_z=dim_z,
            defaults=MappingProxyType(dict(defaults)),
            positive=positive,
            function=function,
            description=inspect.getdoc(function) or "",
            any_dim=any_dim,
            prepare=prepare,
        )

    return decorate
