"""What every storey above may rely on: the Energy and JointEnergy protocols.

Layouts. Public particles are (n, d). "Coordinates" means a sequence of d arrays that broadcast
against each other (a grid's axes, say); results then have the broadcast shape, with the
derivative indices in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from .arrays import FloatArray

Field = Literal["potential", "gradient", "hessian", "laplacian"]
SourceBackend = Literal["numba", "torch", "triton"]


@runtime_checkable
class Energy(Protocol):
    """A potential U on R^d; the target is pi proportional to exp(-U)."""

    @property
    def name(self) -> str:
        """Identifier, for reports."""

    @property
    def dim(self) -> int:
        """Dimension d."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """Named parameter values, in the order of ``parameter_vector``."""

    @property
    def smooth(self) -> bool:
        """False where U is not known to be twice continuously differentiable (``abs(x)``)."""

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x of shape (n, d); shape (n,)."""

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradient of U, shape (n, d)."""

    def hessian(self, x: FloatArray) -> FloatArray:
        """Hessian of U, shape (n, d, d)."""

    def laplacian(self, x: FloatArray) -> FloatArray:
        """Laplacian of U, shape (n,)."""

    def on_coordinates(self, field: Field, coordinates: Sequence[Any]) -> FloatArray:
        """A field on broadcastable coordinates: shapes (*b), (d, *b), (d, d, *b), (*b)."""

    def parameter_vector(self) -> FloatArray:
        """Parameters as the run-time argument p of the generated source, shape (n_p,)."""

    def source(self, backend: SourceBackend) -> str | None:
        """Python module text for a back end, or None when this energy is not a formula.

        numba: plain scalar Python functions, to be compiled by the caller,
        ``potential(x, p) -> float``, ``gradient(x, p, g) -> None`` (fills g[0..d)),
        ``potential_gradient(x, p, g) -> float``, where x, g index like 1-D arrays of length d.
        triton: the same three functions in Triton's words, straight-line, to be inlined.
        torch: ``potential(x, p)`` with x of shape (d, ...) and ``gradient(x, p)`` -> (d, ...).
        Parameters are never baked in, so that one compilation serves the family.
        """


@runtime_checkable
class JointEnergy(Protocol):
    """E_theta(x, z) on data x in R^{dim_x} and latents z in R^{dim_z}."""

    @property
    def name(self) -> str:
        """Identifier, for reports."""

    @property
    def dim_x(self) -> int:
        """Dimension of the data."""

    @property
    def dim_z(self) -> int:
        """Dimension of the latent."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """theta, by name."""

    def joint(self) -> Energy:
        """(x, z) -> E_theta(x, z) as an energy in dim_x + dim_z coordinates, x first."""

    def conditional(self, x: Sequence[float] | FloatArray) -> Energy:
        """z -> E_theta(x, z) at fixed data x; x is a run-time parameter of the result."""

    def parameter_gradient(self, x: FloatArray, z: FloatArray) -> FloatArray:
        """grad_theta E at x (n, dim_x), z (n, dim_z): shape (n, n_theta)."""
