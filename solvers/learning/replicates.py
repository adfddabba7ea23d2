"""Many small learners of one problem at once, each with noise of its own."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from ..noise.backends import Real
from ..threads import thread_count
from .divergence import check_sound, diverged, far_from
from .engine import Stopped
from .problem import LearningProblem, Start, learning_problem
from .rates import TorchOptimizer
from .settings import LearningSettings
from .stability import warn_of_steps
from .train import whole
from .update import Update

_NUMBERS = 2**18
# replicates that one engine serves in a row
_SHARE = 64


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
    if moments_after is not None:
        whole("moments_after", moments_after, 0)
        if moments_after >= updates:
            raise ArgumentError(
                f"moments need updates after moments_after = {moments_after}, there are {updates}"
            )
    if isinstance(settings.rate, TorchOptimizer):
        raise ArgumentError(
            "replicates run in one compiled loop: a Rate is required, got " + f"{settings.rate}"
        )
    if settings.averaging_after is not None:
        raise ArgumentError("replicates hand out theta itself: averaging_after must be None")
    problem = learning_problem(energy, data, settings, noise, update)
    starts = _starts(problem, theta_start, replicates)
    rows, p = updates // record_every, len(problem.names)
    theta, final = np.empty((rows, replicates, p)), np.empty((replicates, p))
    mean, covariance = np.empty((replicates, p)), np.empty((replicates, p, p))

    first = problem.start(latent_start, pool_start, starts[0])
    warn_of_steps(problem, first)
    far = far_from(problem, first)

    def several(chosen: range) -> None:
        # making an engine takes longer than many a small learner's whole run
        engine = FormulaEngine(problem, dtype=dtype, threads=1)
        for r in chosen:
            one(engine, r)

    def one(engine: FormulaEngine, r: int) -> None:
        own = dataclasses.replace(problem, noise=noise.derive("replicate", r), _passes={})
        start = own.start(latent_start, pool_start, starts[r])
        engine.listen(own)
        kept = None if moments_after is None else engine.keep_moments(moments_after)
        try:
            done = last = 0
            engine.begin(start)
            for last in _pieces(updates, p, own):
                track = engine.advance(last, record_every)
                theta[done : done + len(track.updates), r] = track.theta
                done += len(track.updates)
                check_sound(engine, {"largest": engine.largest()}, far)
        except Stopped as stopped:
            raise diverged(engine, own, stopped, start, last, far, f"replicate {r}: ") from None
        final[r] = engine.theta
        if kept is not None:
            mean[r], covariance[r] = kept.mean, kept.square / kept.count[0]

    shares = [range(r, min(r + _SHARE, replicates)) for r in range(0, replicates, _SHARE)]
    with ThreadPoolExecutor(thread_count(threads)) as workers:
        jobs = [workers.submit(several, share) for share in shares]
        try:
            for job in jobs:
                job.result()
        finally:
            for job in jobs:
                job.cancel()
    recorded = np.arange(1, rows + 1) * record_every
    return ReplicatesRun(
        updates=recorded,
        times=np.asarray(recorded * settings.time_per_update, dtype=np.float64),
        theta=theta,
        final_theta=final,
        moments=None
        if moments_after is None
        else ThetaMoments(count=updates - moments_after, mean=mean, covariance=covariance),
        info={"names": problem.names, "replicates": replicates},
    )


def _starts(
    problem: LearningProblem, theta_start: npt.ArrayLike | None, replicates: int
) -> FloatArray:
    p = len(problem.names)
    given = problem.energy.parameter_vector() if theta_start is None else theta_start
    starts = np.asarray(given, dtype=np.float64)
    if starts.shape not in ((p,), (replicates, p)) or not np.all(np.isfinite(starts)):
        raise ArgumentError(
            f"theta starts from finite numbers of shape ({p},) or ({replicates}, {p}), got "
            f"{starts.shape}"
        )
    return np.broadcast_to(starts, (replicates, p))


def _pieces(updates: int, thetas: int, problem: LearningProblem) -> list[int]:
    """Ends of pieces whose rates, normals and batches fit easily into memory."""
    size = max(64, _NUMBERS // (1 + thetas + (problem.settings.batch or 0)))
    return [*range(size, updates, size), updates] if updates else []
