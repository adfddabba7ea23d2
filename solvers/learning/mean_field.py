"""Learning with infinitely many particles: coupled Fokker-Planck equations and theta, on grids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from .learned_parameters import Project
from .mean_field_frame import Frame
from .mean_field_path import MeanFieldPath
from .mean_field_problem import prepare
from .projections import Projection


def solve_mean_field(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    eta: float,
    times: Sequence[float] | FloatArray,
    latent_speed: float = 1.0,
    learned: Sequence[str] | None = None,
    projection: Projection | Project | None = None,
    theta_start: npt.ArrayLike | None = None,
    step: float | None = None,
    cells: int | tuple[int, int, int] | None = None,
    frame: Frame | None = None,
) -> MeanFieldPath:
    """theta, the latents' densities and the pool's density under the mean-field flow.

    Parameters
    ----------
    energy : formula joint energy with dim_x = dim_z = 1
    data : array (n, 1); cost does not grow with n beyond forty different values
    latent_start, pool_start : laws of one latent (dimension 1) and one pool particle (2)
    eta : speed of theta; the pool has speed one
    times : increasing, >= 0
    latent_speed : speed of the latents
    learned : names of the parameters that move; None means all
    projection : a ``Projection``, or a function of theta (p,), applied whenever it has moved
    theta_start : array (p,) of the learned parameters or (n_theta,) of all; None takes the energy's
    step : longest step of the finest resolution; None takes 1/20, less for fast theta or latents
    cells : of the pool's x and z and the latents' z, multiples of 8; None takes four to the
        shortest length scale
    frame : boxes; None finds those that hold every Gibbs state and density on the way

    Raises
    ------
    ArgumentError
        Unusable arguments.
    SolverError
        exp(-E_theta) stopped being integrable; names theta and the time.
    """
    problem = prepare(
        energy,
        data,
        latent_start=latent_start,
        pool_start=pool_start,
        eta=eta,
        times=times,
        latent_speed=latent_speed,
        learned=learned,
        projection=projection,
        theta_start=theta_start,
        step=step,
        cells=cells,
        frame=frame,
    )
    _, path = problem.solve(keep=False)
    return path


__all__ = ["MeanFieldPath", "solve_mean_field"]
