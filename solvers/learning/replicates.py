"""Many small learners of one problem at once, each with noise of its own."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from ..noise.backends import Real
from .problem import Start, learning_problem
from .settings import LearningSettings
from .train import whole
from .update import Update

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ReplicatesRun:
    """What R learners leave behind.

    Attributes
    ----------
    updates, times : array (T,)
        Numbers u of updates, multiples of ``record_every``, and s = u h_p K_in.
    theta : array (T, R, n_theta)
    final_theta : array (R, n_theta)
    moments : ThetaMoments or None
        Over the updates after ``moments_after``.
    info : dict
    """

    updates: npt.NDArray[np.int64]
    times: FloatArray
    theta: FloatArray
    final_theta: FloatArray
    moments: ThetaMoments | None
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ThetaMoments:
    """Moments of theta over the updates of each replicate.

    Attributes
    ----------
    count : int
        Updates counted.
    mean : array (R, n_theta)
    covariance : array (R, n_theta, n_theta)
        Around each replicate's own mean, divided by ``count``.
    """

    count: int
    mean: FloatArray
    covariance: FloatArray


def train_replicates(
    energy: Any,
    data: npt.ArrayLike,
    settings: LearningSettings,
    *,
    noise: Noise,
    updates: int,
    replicates: int,
    latent_start: Start | None = None,
    pool_start: Start | None = None,
    theta_start: npt.ArrayLike | None = None,
    record_every: int = 1,
    moments_after: int | None = None,
    dtype: Real = "float64",
    threads: int | None = None,
    update: Update | None = None,
) -> ReplicatesRun:
    """R independent learners of the same data.

    Replicate r has the noise ``noise.derive("replicate", r)``: run alone by ``train`` with that
    noise, it gives the same numbers to the last bit.

    Parameters
    ----------
    replicates : int
        R >= 1.
    theta_start : array (n_theta,) or (R, n_theta), optional
        By default the energy's own parameters.
    record_every : int
        Updates between records of theta.
    moments_after : int, optional
        Running moments of theta over the updates after these many.
    threads : int, optional
        Replicates are shared out; the result does not depend on it.
    others
        As for ``train``.

    Raises
    ------
    ArgumentError, SolverError
        As ``train`` does; the error names the replicate.
    """
    from .formula_engine import FormulaEngine

    whole("updates", updates, 0)
    whole("replicates", replicates, 1)
    whole("record_every", record_every, 1)
    problem = learning_problem(energy, data, settings, noise, update)
    p = len(problem.names)
    starts = energy.parameter_vector() if theta_start is None else theta_start
    starts = np.asarray(starts, dtype=np.float64)
    if starts.shape not in ((p,), (replicates, p)):
        raise ArgumentError(
            f"theta starts from shape ({p},) or ({replicates}, {p}), got {starts.shape}"
        )
    starts = np.broadcast_to(starts, (replicates, p))
    theta = np.empty((updates // record_every, replicates, p))
    final = np.empty((replicates, p))

    def one(r: int) -> None:
        own = dataclasses.replace(problem, noise=noise.derive("replicate", r), _passes={})
        engine = FormulaEngine(own, dtype=dtype, threads=1)
        engine.begin(own.start(latent_start, pool_start, starts[r]))
        track = engine.advance(updates, record_every)
        theta[:, r] = track.theta
        final[r] = engine.state().theta

    with ThreadPoolExecutor(max(1, threads or os.cpu_count() or 1)) as pool:
        for done in pool.map(one, range(replicates)):
            assert done is None
    recorded = np.arange(1, updates // record_every + 1) * record_every
    return ReplicatesRun(
        updates=recorded,
        times=recorded * settings.time_per_update,
        theta=theta,
        final_theta=final,
        moments=None,
        info={"names": problem.names, "replicates": replicates},
    )
