"""The particle witness: Langevin samples at given times, with statistical and time-step widths.

Two coupled runs share one Brownian path: ULA with step h and ULA with step 2h. ULA has weak order
one, so the difference of the two is, to leading order, the bias of the finer one, and with a
margin for the next order

    value = estimate at h,
    numerical half-width = 3/2 |estimate at 2h - estimate at h| + its noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .claim import Context, Setting
from .curves import Curve
from .defaults import frame
from .measurement import Measurement

if TYPE_CHECKING:
    from solvers.densities import DensityPath
    from solvers.noise import Noise
    from solvers.particles.scheme import Scheme


_OF_CURVATURE_TIME = 0.015
_NEXT_ORDER = 1.5
_MOST_STEPS = 500_000
_LEFT_OUT = 1e-10  # a step of 1/(2 L) is still stable where Hess U is four times as large


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshots:
    """Particles at times: ``fine`` (T, n, d) from step h, ``coarse`` from step 2h, coupled."""

    times: FloatArray
    fine: FloatArray
    coarse: FloatArray
    confidence: float

    def mean(self, f: Callable[[FloatArray], FloatArray], quantity: str) -> Curve:
        """E f(X_t) with a central-limit half-width; f takes (n, d) to (n,)."""
        from .estimate.averages import mean, paired_difference

        values, statistical, numerical = [], [], []
        for x, y in zip(self.fine, self.coarse, strict=True):
            here, there = f(x), f(y)
            estimate = mean(here, 1.0 - self.confidence)
            gap = paired_difference(there, here, 1.0 - self.confidence)
            values.append(estimate.value)
            statistical.append(estimate.statistical)
            numerical.append(_NEXT_ORDER * abs(gap.value) + gap.statistical)
        return Curve(
            quantity=quantity,
            times=self.times,
            values=np.array(values),
            numerical=np.array(numerical),
            statistical=np.array(statistical),
            confidence=self.confidence,
        )

    def relative_entropy(self, path: DensityPath) -> Curve:
        """KL(law of X_t | pi) by histogram on the cells of a path's grid; outside them by U."""
        from .estimate.relative_entropy import relative_entropy

        def log_density(x: FloatArray) -> FloatArray:
            return np.asarray(-path.energy.potential(x) - sum(path.log_normaliser))

        here, there = (
            [
                relative_entropy(
                    x, path.gibbs, path.grid.edges, 1.0 - self.confidence, log_density=log_density
                )
                for x in particles
            ]
            for particles in (self.fine, self.coarse)
        )
        return _joined("KL", self.times, here, there, self.confidence)

    def w2_to(self, path: DensityPath) -> Curve:
        """W2(law of X_t, pi) on the line, pi as on a path's grid."""
        from .estimate.transport import ReferenceOnLine, wasserstein

        alpha = 1.0 - self.confidence
        reference = ReferenceOnLine.of(path.gibbs, path.grid.edges[0], self.fine.shape[1])
        here = [wasserstein(x[:, 0], reference, alpha) for x in self.fine]
        there = [wasserstein(x[:, 0], reference, alpha) for x in self.coarse]
        return _joined("W2", self.times, here, there, self.confidence)


def _joined(
    quantity: str,
    times: FloatArray,
    here: Sequence[Measurement],
    there: Sequence[Measurement],
    confidence: float,
) -> Curve:
    """Intervals at step h, with their difference to those at step 2h as numerical width."""
    return Curve(
        quantity=quantity,
        times=times,
        values=np.array([m.value for m in here]),
        numerical=np.array(
            [
                m.numerical + _NEXT_ORDER * abs(m.value - c.value)
                for m, c in zip(here, there, strict=True)
            ]
        ),
        statistical=np.array([m.statistical for m in here]),
        confidence=confidence,
    )


def step_for(energy: Energy, start: InitialLaw, times: Sequence[float]) -> float:
    """A step size at which ULA and its double are stable, and accurate under pi.

    h <= 1/(2 sup |Hess U|) over a box that the flow leaves with probability 1e-10;
    h <= 0.015 / E_pi |Hess U|, a bias of under one per cent of a variance; and at least 20 steps
    up to the shortest time. Both are taken over the cells of a grid that sees U (over 1000 points
    of the box beyond two dimensions).

    Raises
    ------
    AssumptionError
        More than 500,000 such steps would be needed up to the last time.
    """
    points, volumes = _where_particles_go(energy, start, float(times[-1]))
    curvature = np.abs(np.linalg.eigvalsh(energy.hessian(points))).max(axis=1)
    potential = energy.potential(points)
    weight = np.exp(potential.min() - potential) * volumes
    usual = float(weight @ curvature / weight.sum())
    step = min(
        _OF_CURVATURE_TIME / max(usual, 1e-300),
        0.5 / max(float(curvature.max()), 1e-300),
        float(times[0]) / 20.0,
    )
    if times[-1] > _MOST_STEPS * step:
        raise AssumptionError(
            "the particle witness",
            [
                f"{_MOST_STEPS} steps reach t = {times[-1]:g} (|Hess U| is up to "
                f"{curvature.max():.2g} for {energy.name}, so that steps are {step:.2g})"
            ],
        )
    return float(step)


def enough(setting: Setting, context: Context) -> int:
    """Particles of the budget, or one in ``one_in`` (an option) where fewer decide as well.

    That is where the bound is many half-widths from what it bounds.
    """
    return context.particles // int(setting.options.get("one_in", 1))


def _where_particles_go(
    energy: Energy, start: InitialLaw, time: float
) -> tuple[FloatArray, FloatArray]:
    """Points (m, d), and the volumes (m,) that they stand for."""
    from solvers.densities import seeing_grid

    if energy.dim <= 2:
        grid = seeing_grid(energy, start, time, _LEFT_OUT)
        points = np.stack([c.ravel() for c in np.broadcast_arrays(*grid.coordinates())], axis=1)
        return points, grid.volumes.ravel()
    centre, length = frame(energy)
    low = np.minimum(start.means - 8.0 * start.sds, centre - 8.0 * length).min(axis=0)
    high = np.maximum(start.means + 8.0 * start.sds, centre + 8.0 * length).max(axis=0)
    points = low + (high - low) * np.random.default_rng(0).random((1000, energy.dim))
    return points, np.ones(len(points))


def snapshots(
    energy: Energy,
    start: InitialLaw | FloatArray,
    times: Sequence[float],
    context: Context,
    *,
    stream: str,
    step_size: float,
    mutate: Callable[[Scheme], Scheme] | None = None,
    particles: int | None = None,
    memory: bool = False,
    companion: bool = True,
) -> Snapshots:
    """ULA particles at increasing times, from exact draws of a law or from given positions (n, d).

    Between one time and the next the step is shrunk so that an even number of them fits.

    Parameters
    ----------
    stream : str
        Names the noise of this run under the seed.
    step_size : float
        At most; see ``step_for``.
    mutate : callable or None
        Wraps the scheme, for negative controls.
    particles : int or None
        Instead of what the budget allows at this look; given positions bring their own number.
    memory : bool
        True for a scheme whose state is more than the position: then every time is reached in a
        run of its own from the start, because only positions are handed on.
    companion : bool
        False leaves out the run with step 2h, and with it the time-step width: for mutated
        solvers, whose law is what it is at the step they run at. They are far off, so that a
        quarter of the budget's particles shows it.
    """
    from solvers.noise import Noise
    from solvers.particles.ula import ula

    scheme = mutate(ula) if mutate else ula
    noise = Noise(context.seed, stream)
    if not isinstance(start, InitialLaw):
        particles = len(start)
    number = particles or (context.particles if companion else context.particles // 4)
    schemes = [scheme, every_second_step(scheme)] if companion else [scheme]
    runs = [
        _run(energy, chosen, start, times, step_size, noise, number, context, memory)
        for chosen in schemes
    ]
    return Snapshots(
        times=np.asarray(times, dtype=float),
        fine=runs[0],
        coarse=runs[-1],
        confidence=context.confidence,
    )


def _run(
    energy: Energy,
    scheme: Scheme,
    start: InitialLaw | FloatArray,
    times: Sequence[float],
    step_size: float,
    noise: Noise,
    particles: int,
    context: Context,
    memory: bool,
) -> FloatArray:
    """Particles (T, n, d): from each time to the next with a step that divides the way evenly."""
    from solvers.evolve import simulate

    seen, done, now = [], 0, 0.0
    state: InitialLaw | FloatArray = start
    for time in times:
        if memory:
            state, done, now = start, 0, 0.0
        steps = 2 * math.ceil((time - now) / (2.0 * step_size))
        state = simulate(
            energy,
            scheme,
            state,
            step_size=(time - now) / steps,
            steps=steps,
            particles=particles,
            noise=noise,
            first_step=done,
            backend=context.backend,
            device=context.device,
        ).final
        seen.append(state)
        done, now = done + steps, time
    return np.stack(seen)


def every_second_step(scheme: Scheme) -> Scheme:
    """The scheme at twice the step size on the same Brownian path.

    At even calls it keeps the normals; at odd calls it moves by 2h with (xi_1 + xi_2)/sqrt(2).
    After an even number of calls it stands at the same time as the scheme itself.
    """
    from dataclasses import replace

    from solvers.particles.language import where

    def init(x: Any, energy: Any) -> dict[str, Any]:
        return {**scheme.init(x, energy), "pending": 0.0 * x, "odd": 0.0 * x[0]}

    def step(
        state: dict[str, Any], energy: Any, h: Any, draw: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        inner = {k: v for k, v in state.items() if k not in ("pending", "odd")}
        noise = draw.normal
        joined = _Given((state["pending"] + noise) / 2.0**0.5, draw)
        moved, info = scheme.step(inner, energy, 2.0 * h, joined)
        odd = state["odd"] > 0.5
        after = {k: where(odd, moved[k], inner[k]) for k in inner}
        return {**after, "pending": noise, "odd": 1.0 - state["odd"]}, info

    return replace(scheme, name=f"{scheme.name}, every second step", step=step, init=init)


@dataclass(frozen=True)
class _Given:
    """Normals given, uniforms of the original draw."""

    normal: Any
    draw: Any

    @property
    def uniform(self) -> Any:
        return self.draw.uniform
