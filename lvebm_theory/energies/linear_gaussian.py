"""Linear-Gaussian joint energies: everything about both flows in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..facts import KnownFacts, gaussian_facts
from ..joint import joint_energy


@joint_energy(dim_x=1, dim_z=1, a=1.5, b=0.8)
def linear_gaussian_undirected(x: Any, z: Any, a: Any, b: Any) -> Any:
    """E(x, z) = a x^2/2 - b x z + z^2/2, a > b^2;  z | x ~ N(b x, 1), x ~ N(0, 1/(a - b^2))."""
    return a * x[0] ** 2 / 2 - b * x[0] * z[0] + z[0] ** 2 / 2


@linear_gaussian_undirected.joint_facts
def _undirected(a: float, b: float) -> KnownFacts:
    if a <= b * b:
        return KnownFacts()  # not normalisable
    return gaussian_facts(np.array([[a, -b], [-b, 1.0]]), np.zeros(2))


@linear_gaussian_undirected.conditional_facts
def _undirected_posterior(x: Any, a: float, b: float) -> KnownFacts:
    return gaussian_facts(np.eye(1), b * x, value_at_mean=(a - b * b) * float(x[0]) ** 2 / 2)


@joint_energy(dim_x=1, dim_z=1, positive=("noise",), t=1.0, noise=0.5)
def linear_gaussian_directed(x: Any, z: Any, t: Any, noise: Any) -> Any:
    """E(x, z) = z^2/2 + (x - t z)^2/(2 g), g = noise variance;  z ~ N(0, 1), x | z ~ N(t z, g).

    z | x ~ N(t x/(g + t^2), g/(g + t^2)) and x ~ N(0, g + t^2); Z does not depend on t.
    """
    return z[0] ** 2 / 2 + (x[0] - t * z[0]) ** 2 / (2 * noise)


@linear_gaussian_directed.joint_facts
def _directed(t: float, noise: float) -> KnownFacts:
    precision = np.array([[1 / noise, -t / noise], [-t / noise, 1 + t * t / noise]])
    return gaussian_facts(precision, np.zeros(2))


@linear_gaussian_directed.conditional_facts
def _directed_posterior(x: Any, t: float, noise: float) -> KnownFacts:
    total = noise + t * t
    return gaussian_facts(
        np.array([[total / noise]]), t * x / total, value_at_mean=float(x[0]) ** 2 / (2 * total)
    )


def _symmetric(dims: tuple[int, int], values: dict[str, Any]) -> dict[str, Any]:
    size = sum(dims)
    matrix = np.asarray(values["precision"], dtype=float)
    if matrix.shape != (size, size) or not np.allclose(matrix, matrix.T, rtol=1e-12, atol=0):
        raise ArgumentError(
            f"linear_gaussian: precision must be a symmetric ({size}, {size}) matrix, got "
            f"{matrix.shape}"
        )
    if not np.linalg.eigvalsh(matrix)[0] > 0:
        raise ArgumentError("linear_gaussian: the precision matrix must be positive definite")
    return {"precision": matrix}


@joint_energy(
    dim_x=1,
    dim_z=2,
    any_dim=True,
    prepare=_symmetric,
    precision=((1.0, 0.4, -0.3), (0.4, 1.5, -0.6), (-0.3, -0.6, 1.2)),
)
def linear_gaussian(x: Any, z: Any, precision: Any) -> Any:
    """E(w) = w' P w / 2 with w = (x, z);  z | x ~ N(-P_zz^{-1} P_zx x, P_zz^{-1})."""
    w = np.concatenate([x, z])
    return w @ (precision @ w) / 2


@linear_gaussian.joint_facts
def _joint(precision: Any) -> KnownFacts:
    return gaussian_facts(precision, np.zeros(len(precision)))


@linear_gaussian.conditional_facts
def _posterior(x: Any, precision: Any) -> KnownFacts:
    k = len(x)
    own, cross = precision[k:, k:], precision[k:, :k]
    mean = -np.linalg.solve(own, cross @ x)
    value = float(x @ precision[:k, :k] @ x + mean @ cross @ x) / 2
    return gaussian_facts(own, mean, value_at_mean=value)


__all__ = ["linear_gaussian", "linear_gaussian_directed", "linear_gaussian_undirected"]
