"""How theta of finitely many particles scatters around the recursion of infinitely many.

The adjoint of ``fluctuations``, stage by stage of an update instead of along a flow. Looking back
from theta_k, write c . vartheta_k = a . vartheta + <u, phi> + (1/n) sum <v_i, psi_i> + alpha_q .
r_q + alpha_p . r_p + gamma . g for the first-order deviations before a stage. A stage read
backwards changes these by its transpose,

    theta <- theta + size g:       gamma += size a
    g <- r_p - r_q:                alpha_p += gamma,  alpha_q -= gamma,  gamma = 0
    r_p <- <p, f>:                 phi += alpha_p . f,  a += alpha_p . <p, d_theta f>,  alpha_p = 0
    p <- law of w - h grad E + s xi:   phi <- K phi,  a += -h <p, grad f . grad_m K phi>

with K phi(w) = E phi(m(w) + s xi), and the particles' noise of the last adds E phi^2 after it less
E (K phi)^2 before it to M times the variance. Latents likewise, to nK times the variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from .closed_form_discrete import Algorithm
from .fluctuations import Fluctuations, second_moment
from .langevin_step import plane_pull, row_pull
from .mean_field_frame import Frame
from .mean_field_updates import Done, UpdateRun, run_updates
from .update import Stage, Update


def predict_update_fluctuations(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    updates: int,
    theta_start: npt.ArrayLike | None = None,
    record_every: int = 1,
    update: Update | None = None,
    frame: Frame | None = None,
) -> Fluctuations:
    """The covariance of the central limit theorem at the algorithm's own step sizes.

    Parameters as ``iterate_mean_field``, without a projection; ``times`` of the result are numbers
    of updates. The cost grows with the number of recorded updates: one backward pass each.
    """
    if getattr(settings, "projection", None) is not None:
        raise ArgumentError("fluctuations are linear: a projection would make theta's map a corner")
    path, runs = run_updates(
        energy,
        data,
        settings,
        latent_start=latent_start,
        pool_start=pool_start,
        updates=updates,
        theta_start=theta_start,
        record_every=record_every,
        update=update,
        projection=None,
        frame=frame,
        keep=True,
    )
    (pool, latents), (other_pool, other_latents) = (
        _Backward(run).covariances(record_every) for run in runs
    )
    return Fluctuations(
        mean_field=path,
        times=path.updates.astype(float),
        count=len(path.data),
        from_pool=pool,
        from_pool_width=path.width(pool, other_pool),
        from_latents=latents,
        from_latents_width=path.width(latents, other_latents),
    )


@dataclass
class _Target:
    """Adjoint of theta after some update; leading axis: which parameter."""

    a: FloatArray
    phi: FloatArray
    psi: FloatArray
    registers: dict[Stage, FloatArray]
    gamma: FloatArray
    pool: FloatArray
    latents: FloatArray


class _Backward:
    """Backward passes over the tape of one run."""

    def __init__(self, run: UpdateRun) -> None:
        self._run, self._fields = run, run.fields
        self._latent_plane, self._pool_plane = run.level.latent_plane, run.level.pool_plane
        self._weights = self._latent_plane.weights[:, None]

    def covariances(self, record_every: int) -> tuple[FloatArray, FloatArray]:
        """What pool and latents add to the variance after every recorded update."""
        start, targets = self._run.level.start(), []
        for k in reversed(range(len(self._run.tape))):
            if (k + 1) % record_every == 0:
                targets.append(self._target(start.pool.shape, start.latents.shape))
            for done in reversed(self._run.tape[k]):
                for target in targets:
                    self._transpose(target, done)
        targets.append(self._target(start.pool.shape, start.latents.shape))
        targets.reverse()
        for t in targets:
            mean = np.einsum("cij,ij->c", t.phi, start.pool)
            t.pool += second_moment(t.phi, start.pool) - np.outer(mean, mean)
            rows = np.einsum("cij,ij->ci", t.psi, start.latents)
            t.latents += second_moment(t.psi, self._weights * start.latents)
            t.latents -= np.einsum("ci,di,i->cd", rows, rows, self._weights[:, 0])
        return np.array([t.pool for t in targets]), np.array([t.latents for t in targets])

    def _target(self, pool: tuple[int, ...], latents: tuple[int, ...]) -> _Target:
        p = len(self._fields.names)
        return _Target(
            a=np.eye(p),
            phi=np.zeros((p, *pool)),
            psi=np.zeros((p, *latents)),
            registers={s: np.zeros((p, p)) for s in (Stage.AVERAGE_LATENTS, Stage.AVERAGE_POOL)},
            gamma=np.zeros((p, p)),
            pool=np.zeros((p, p)),
            latents=np.zeros((p, p)),
        )

    def _transpose(self, t: _Target, done: Done) -> None:
        first, second, theta = self._latent_plane, self._pool_plane, done.theta
        match done.stage:
            case Stage.ASCEND:
                t.gamma = t.gamma + done.size * t.a
            case Stage.COMBINE:
                t.registers[Stage.AVERAGE_POOL] = t.registers[Stage.AVERAGE_POOL] + t.gamma
                t.registers[Stage.AVERAGE_LATENTS] = t.registers[Stage.AVERAGE_LATENTS] - t.gamma
                t.gamma = np.zeros_like(t.gamma)
            case Stage.AVERAGE_POOL:
                alpha = t.registers[done.stage]
                slopes = self._fields.slopes(second.x, second.z, theta)
                bend = self._fields.curvatures(second.x, second.z, theta)
                t.phi = t.phi + np.einsum("ck,kij->cij", alpha, slopes)
                t.a = t.a + alpha @ np.einsum("abij,ij->ab", bend, done.before)
                t.registers[done.stage] = np.zeros_like(alpha)
            case Stage.AVERAGE_LATENTS:
                alpha = t.registers[done.stage]
                slopes = self._fields.slopes(first.x, first.z, theta)
                bend = self._fields.curvatures(first.x, first.z, theta)
                t.psi = t.psi + np.einsum("ck,kij->cij", alpha, slopes)
                t.a = t.a + alpha @ np.einsum("abij,ij->ab", bend, self._weights * done.before)
                t.registers[done.stage] = np.zeros_like(alpha)
            case Stage.MOVE_POOL:
                self._pull_pool(t, done)
            case Stage.MOVE_LATENTS:
                self._pull_latents(t, done)

    def _pull_pool(self, t: _Target, done: Done) -> None:
        plane, settings = self._pool_plane, self._run.settings
        h, axes = settings.pool_step, (plane.x[:, 0], plane.z[0])
        gradient = self._fields.gradient(plane.x, plane.z, done.theta)
        lean = self._fields.slope_gradients(plane.x, plane.z, done.theta)
        pulled = [
            plane_pull(v, done.before, axes, (gradient[0], gradient[1]), h, settings.temperature)
            for v in t.phi
        ]
        phi = np.stack([value for value, _ in pulled])
        slope = np.stack([s for _, s in pulled])
        t.pool = t.pool + second_moment(t.phi, done.after) - second_moment(phi, done.before)
        t.a = t.a - h * np.einsum("caij,kaij,ij->ck", slope, lean, done.before)
        t.phi = phi

    def _pull_latents(self, t: _Target, done: Done) -> None:
        plane, settings = self._latent_plane, self._run.settings
        h = settings.latent_step
        gradient = self._fields.gradient(plane.x, plane.z, done.theta)[1]
        lean = self._fields.slope_gradients(plane.x, plane.z, done.theta)[:, 1]
        pulled = [
            row_pull(v, done.before, plane.z[0], gradient, h, settings.temperature) for v in t.psi
        ]
        psi = np.stack([value for value, _ in pulled])
        slope = np.stack([s for _, s in pulled])
        before, after = self._weights * done.before, self._weights * done.after
        t.latents = t.latents + second_moment(t.psi, after) - second_moment(psi, before)
        t.a = t.a - h * np.einsum("cij,kij,ij->ck", slope, lean, before)
        t.psi = psi
