r"""How theta of finitely many particles scatters around the mean field: its limit covariance.

Let theta_N be learned with K latents for each of n data and M particles in the pool. Write p for
the pool's density, q_i for the latents', f = d_theta E, L for the generator at theta_t, s for the
latents' speed, and let vartheta, u, v_i be the first-order deviations of theta and of the
empirical measures. Linearised, with H = E_p d_theta f - E_data E_q d_theta f,

    vartheta' = eta ( H vartheta + <u, f> - (1/n) sum_i <v_i, f> ),
    d<u, phi> = <u, L phi> dt - <p, grad phi . grad (f . vartheta)> dt + dM,
    d<v_i, psi> = s <v_i, L_i psi> dt - s <q_i, d_z psi d_z (f . vartheta)> dt + dM_i,

where the martingales have variances (2/M) E_p |grad phi|^2 dt and (2s/K) E_{q_i} |d_z psi|^2 dt.
Choose a, phi, psi_i so that a . vartheta + <u, phi> + (1/n) sum <v_i, psi_i> has no drift and
equals c . vartheta(T) at T:

    d_t phi = -L phi - eta a . f,      d_t psi_i = -s L_i psi_i + eta a . f,      phi, psi = 0 at T,
    a' = -eta H' a + <p, grad f . grad phi> + (s/n) sum_i <q_i, d_z f d_z psi_i>,   a = c at T.

Independent starts of the particles, and theta known, then give

    Var(c . theta_N(T)) = (1/M) { Var_{p_0}(phi_0) + int 2 E_p |grad phi|^2 dt }
                        + (1/(nK)) (1/n) sum_i { Var_{q_i,0}(psi_i) + int 2s E_{q_i} |d_z psi_i|^2 }

to leading order. On the grids of the mean-field solver every step has its exact transpose, and the
martingales' variance over a step is E_p phi^2 after it less E_p (e^{hL} phi)^2 before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from ..densities.extrapolation import extrapolate
from .mean_field_frame import Frame
from .mean_field_level import Level, LevelRun, MeanFieldState, Step
from .mean_field_path import SHARES, MeanFieldPath
from .mean_field_problem import prepare
from .mean_field_updates import MeanFieldUpdates
from .moving_rates import Rates


@dataclass(frozen=True, kw_only=True, eq=False)
class Fluctuations:
    """Leading-order covariance of theta for finitely many particles, at chosen times.

    Attributes
    ----------
    mean_field : the path around which theta scatters
    times : array (T,), times of the flow or numbers of updates
    count : number n of data
    from_pool, from_latents : arrays (T, p, p): M times and nK times what each phase adds
    from_pool_width, from_latents_width : numerical half-widths of these, (T, p, p)
    """

    mean_field: MeanFieldPath | MeanFieldUpdates
    times: FloatArray
    count: int
    from_pool: FloatArray
    from_pool_width: FloatArray
    from_latents: FloatArray
    from_latents_width: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """The learned parameters."""
        return self.mean_field.names

    def covariance(self, *, latents: float, pool: float) -> tuple[FloatArray, FloatArray]:
        """Cov theta_N for K latents per datum and M in the pool, and its half-width; (T, p, p).

        With ``latents`` = kappa_q and ``pool`` = kappa_p this is the limit of N Cov theta_N for
        K = kappa_q N and M = kappa_p N.
        """
        if not (latents > 0 and pool > 0):
            raise ArgumentError(f"numbers of particles are > 0, got {latents} and {pool}")
        per_latent = 1 / (self.count * latents)
        return (
            self.from_pool / pool + self.from_latents * per_latent,
            self.from_pool_width / pool + self.from_latents_width * per_latent,
        )


def predict_fluctuations(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    eta: float,
    times: Sequence[float] | FloatArray,
    latent_speed: float = 1.0,
    learned: Sequence[str] | None = None,
    theta_start: npt.ArrayLike | None = None,
    step: float | None = None,
    cells: int | tuple[int, int, int] | None = None,
    frame: Frame | None = None,
) -> Fluctuations:
    """The covariance of the central limit theorem around the mean field.

    Parameters as ``solve_mean_field``; no projection, which would make the map of theta a corner.
    One backward pass for every learned parameter and time.
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
        projection=None,
        theta_start=theta_start,
        step=step,
        cells=cells,
        frame=frame,
    )
    levels, path = problem.solve(keep=True)
    found = [
        _Adjoint(level).covariances(run) for level, run in zip(levels, path.levels, strict=True)
    ]
    pool, pool_width = extrapolate([f[0] for f in found], SHARES)
    latents, latent_width = extrapolate([f[1] for f in found], SHARES)
    return Fluctuations(
        mean_field=path,
        times=path.times,
        count=len(problem.data),
        from_pool=pool,
        from_pool_width=pool_width,
        from_latents=latents,
        from_latents_width=latent_width,
    )


@dataclass
class _Target:
    """Adjoint of theta at one time: a (p, p), phi (p, n, m), psi (p, k, l); variances (p, p)."""

    a: FloatArray
    phi: FloatArray
    psi: FloatArray
    pool: FloatArray
    latents: FloatArray


class _Adjoint:
    """Backward passes over the kept steps of one resolution."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._fields = level.dynamics.fields
        self._weights = level.latent_plane.weights
        self._ones = level.pool_plane.weights

    def covariances(self, run: LevelRun) -> tuple[FloatArray, FloatArray]:
        """What pool and latents add at every time, (T, p, p) each."""
        p = len(self._fields.names)
        targets: list[_Target] = []
        for state, steps in zip(reversed(run.states), reversed(run.steps), strict=True):
            targets.append(
                _Target(
                    a=np.eye(p),
                    phi=np.zeros((p, *state.pool.shape)),
                    psi=np.zeros((p, *state.latents.shape)),
                    pool=np.zeros((p, p)),
                    latents=np.zeros((p, p)),
                )
            )
            after = state
            for step in reversed(steps):
                self._theta_half(targets, after, step.length)
                self._densities(targets, step, after)
                self._theta_half(targets, step.before, step.length)
                after = step.before
        start = self._level.start()
        for t in targets:
            mean = np.einsum("cij,ij->c", t.phi, start.pool)
            t.pool += second_moment(t.phi, start.pool) - np.outer(mean, mean)
            rows = np.einsum("cij,ij->ci", t.psi, start.latents)
            t.latents += second_moment(t.psi, self._weighted(start.latents))
            t.latents -= np.einsum("ci,di,i->cd", rows, rows, self._weights)
        targets.reverse()
        return np.array([t.pool for t in targets]), np.array([t.latents for t in targets])

    def _theta_half(self, targets: list[_Target], state: MeanFieldState, length: float) -> None:
        """Transpose of half a step of theta with frozen densities."""
        f_q, f_p = self._level.slopes(state.theta)
        first, second = self._level.latent_plane, self._level.pool_plane
        p = len(self._fields.names)
        bend = np.zeros((p, p))
        if not self._fields.linear:
            own = self._fields.curvatures(second.x, second.z, state.theta)
            clamped = self._fields.curvatures(first.x, first.z, state.theta)
            bend = np.einsum("abij,ij->ab", own, state.pool)
            bend -= np.einsum("abij,ij->ab", clamped, self._weighted(state.latents))
        half = self._level.dynamics.eta * length / 2
        push = half * (np.eye(p) + half / 2 * bend)
        keep = np.eye(p) + push @ bend
        for t in targets:
            through = t.a @ push
            t.phi += np.einsum("ck,kij->cij", through, f_p)
            t.psi -= np.einsum("ck,kij->cij", through, f_q)
            t.a = t.a @ keep

    def _densities(self, targets: list[_Target], step: Step, after: MeanFieldState) -> None:
        """Transpose of a step of the densities, and the noise of the particles during it."""
        before = step.before
        rates_q, rates_p = self._level.rates(step.theta, before.latents, before.pool)
        f_q, f_p = self._level.slopes(step.theta)
        fast = self._level.dynamics.latent_speed * step.length
        for t in targets:
            phi = _each(lambda v: rates_p.backward(v, step.length), t.phi)
            psi = _each(lambda v: rates_q.backward(v, fast), t.psi)
            t.pool += second_moment(t.phi, after.pool) - second_moment(phi, before.pool)
            t.latents += second_moment(t.psi, self._weighted(after.latents)) - second_moment(
                psi, self._weighted(before.latents)
            )
            for pair, weight in (((before, phi, psi), 0.5), ((after, t.phi, t.psi), 0.5)):
                state, values, inner = pair
                t.a += (
                    weight * step.length * _responses(rates_p, f_p, state.pool, values, self._ones)
                )
                t.a += weight * fast * _responses(rates_q, f_q, state.latents, inner, self._weights)
            t.phi, t.psi = phi, psi

    def _weighted(self, latents: FloatArray) -> FloatArray:
        return np.asarray(self._weights[:, None] * latents)


def second_moment(values: FloatArray, masses: FloatArray) -> FloatArray:
    """sum_ij masses_ij f_c f_d for functions f (p, n, m); (p, p)."""
    return np.asarray(np.einsum("cij,dij,ij->cd", values, values, masses))


def _each(function: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
    return np.stack([function(v) for v in values])


def _responses(
    rates: Rates, slopes: FloatArray, masses: FloatArray, values: FloatArray, weights: FloatArray
) -> FloatArray:
    """d/d theta_k of <p, L f_c>, (c, k)."""
    return np.array(
        [[rates.response(slope, masses, v, weights) for slope in slopes] for v in values]
    )
