"""The coupled learner of a latent-variable energy: theta, latents per datum, a persistent pool.

For E_theta(x, z), data x_1 ... x_n, K latents z_ik per datum and M pool points w_j = (x, z):

    z_ik+  = z_ik - h_q d_z E(x_i, z_ik) + sqrt(2 h_q) xi
    w_j+   = w_j - h_p grad E(w_j) + sqrt(2 h_p) xi
    theta+ = theta + a ( mean_j d_theta E(w_j) - mean_ik d_theta E(x_i, z_ik) )

Sequential: the averages are taken after the particles moved; simultaneous: before. One inner step;
full batches, no projection.

Source: Tang et al. (2025), the coupled Langevin updates; their canonical discretisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.energies.gaussian_location import gaussian_location
from lvebm_theory.errors import ArgumentError

from ..particles.language import sqrt, stack
from .formula_fields import formula_field
from .system import System

if TYPE_CHECKING:
    from lvebm_theory.joint import FormulaJointEnergy

Order = Literal["sequential", "simultaneous"]


def learner(
    energy: FormulaJointEnergy,
    order: Order,
    *,
    learned: Sequence[str] | None = None,
    name: str = "learner",
) -> System:
    """The learner as a system with blocks theta (p,), latents (n, K, dim_z), pool (M, dim).

    Arguments of its step: ``data`` (n, dim_x), ``latent_step``, ``pool_step``, ``rate``.

    Parameters
    ----------
    energy : FormulaJointEnergy
        Parameters that are not learned keep its values.
    order : {"sequential", "simultaneous"}
    learned : names of the learned parameters, by default all
    """
    if order not in ("sequential", "simultaneous"):
        raise ArgumentError(f"an order is 'sequential' or 'simultaneous', got {order!r}")
    names = list(energy.parameters)
    chosen = names if learned is None else list(learned)
    if unknown := [n for n in chosen if n not in names]:
        raise ArgumentError(f"{energy.name} learns {', '.join(names)}, got {', '.join(unknown)}")
    dim_x, dim_z = energy.dim_x, energy.dim_z

    def parameters(theta: Any, axes: int) -> list[Any]:
        """All parameters, ready to broadcast against particles with so many axes."""
        new = (None,) * axes
        return [
            theta[(..., chosen.index(n), *new)] if n in chosen else float(value)
            for n, value in energy.parameters.items()
        ]

    def pairs(data: Any, z: Any) -> list[Any]:
        return [data[..., :, i, None] for i in range(dim_x)] + [z[..., j] for j in range(dim_z)]

    def slope(points: list[Any], theta: list[Any], like: Any, axes: tuple[int, ...]) -> Any:
        """Averages of d_theta E over the learned parameters, (..., p)."""
        found = formula_field(energy.formula, "parameter_gradient", points, theta, like)
        return stack([found[names.index(n)].mean(axes) for n in chosen])

    def ascent(theta: Any, data: Any, z: Any, w: Any) -> Any:
        points = [w[..., j] for j in range(dim_x + dim_z)]
        joint = slope(points, parameters(theta, 1), w[..., 0], (-1,))
        return joint - slope(pairs(data, z), parameters(theta, 2), z[..., 0], (-2, -1))

    def step(
        s: Any, xi: Any, *, data: Any, latent_step: Any, pool_step: Any, rate: Any
    ) -> dict[str, Any]:
        theta, z, w = s["theta"], s["latents"], s["pool"]
        formula = energy.formula
        of_z = formula_field(formula, "gradient", pairs(data, z), parameters(theta, 2), z[..., 0])[
            dim_x:
        ]
        points = [w[..., j] for j in range(dim_x + dim_z)]
        of_w = formula_field(formula, "gradient", points, parameters(theta, 1), w[..., 0])
        moved_z = z - latent_step * stack(of_z) + sqrt(2 * latent_step) * xi["latents"]
        moved_w = w - pool_step * stack(of_w) + sqrt(2 * pool_step) * xi["pool"]
        read = (moved_z, moved_w) if order == "sequential" else (z, w)
        return {
            "theta": theta + rate * ascent(theta, data, *read),
            "latents": moved_z,
            "pool": moved_w,
        }

    return System(
        name=name,
        step=step,
        noisy=("latents", "pool"),
        reference="tang-2025, coupled updates, canonical discretisation",
        example=(
            {
                "theta": np.array([energy.parameters[n] for n in chosen]),
                "latents": np.full((2, 3, dim_z), 0.2),
                "pool": np.full((5, dim_x + dim_z), -0.1),
            },
            {
                "data": np.linspace(-0.9, 0.4, 2 * dim_x).reshape(2, dim_x),
                "latent_step": 0.2,
                "pool_step": 0.15,
                "rate": 0.3,
            },
        ),
    )


_TOY = gaussian_location(theta=1.5, noise=0.5)
sequential_learner = learner(_TOY, "sequential", learned=("theta",), name="sequential-learner")
simultaneous_learner = learner(
    _TOY, "simultaneous", learned=("theta",), name="simultaneous-learner"
)
