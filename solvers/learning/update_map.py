"""One update of the algorithm as a map of averages: its value, its derivative, and its noise.

The vector is (s, r_q, r_p, g): theta and the averages s of ``raw_moments``, the registers of both
phases, and the combined gradient. Every stage of an ``Update`` is a smooth map of it, plus noise;
so the mutants of the trainer, which are other updates, have their exact laws for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw

from .closed_form_discrete import Algorithm, complex_step_jacobian
from .gaussian_family import Array
from .raw_moments import RawMoments
from .update import UPDATES, Stage, Update

Linear = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class UpdateMap:
    """Phi(s, r_q, r_p, g) of one update, to be evaluated with its derivative and noise.

    Parameters
    ----------
    redraw : law of one latent, or None
        Where latents do not persist: all are drawn anew from it before they move.
    """

    system: RawMoments
    settings: Algorithm
    update: Update
    redraw: InitialLaw | None = None

    @classmethod
    def of(
        cls,
        system: RawMoments,
        settings: Algorithm,
        update: Update | None,
        redraw: InitialLaw | None,
    ) -> UpdateMap:
        """The map of an update; None takes that of the settings' order.

        Raises
        ------
        ArgumentError
            Where particles move by another scheme than the unadjusted Langevin algorithm.
        """
        chosen = UPDATES[settings.order] if update is None else update
        for scheme in (chosen.latent_scheme, chosen.pool_scheme):
            if scheme.name != "ula":
                raise ArgumentError(
                    f"closed forms know the unadjusted Langevin algorithm, got {scheme.name}"
                )
        redraw = chosen.restart if redraw is None else redraw
        if redraw is not None and redraw.dim != system.family.dim_z:
            raise ArgumentError(
                f"latents are drawn anew in dimension {system.family.dim_z}, got {redraw.dim}"
            )
        return cls(system=system, settings=settings, update=chosen, redraw=redraw)

    @property
    def size(self) -> int:
        """Length of (s, r_q, r_p, g)."""
        return self.system.size + 3 * len(self.system.family.names)

    def extended(self, vector: FloatArray) -> FloatArray:
        """s with registers at zero."""
        return np.concatenate([vector, np.zeros(self.size - vector.size)])

    def linearised(self, vector: FloatArray, size: float) -> Linear:
        """Phi, D Phi and the covariance of the noise, at a vector and a step a_k = ``size``."""
        total = self.size
        matrix, noise, now = np.eye(total), np.zeros((total, total)), vector
        for stage in self.update.stages:
            for map_, added in self._maps(stage, size):
                jacobian = complex_step_jacobian(map_, now)
                matrix = jacobian @ matrix
                noise = jacobian @ noise @ jacobian.T + added(now)
                now = np.real(map_(now))
        return now, matrix, noise

    def _maps(
        self, stage: Stage, size: float
    ) -> list[tuple[Callable[[Array], Array], Callable[[FloatArray], FloatArray]]]:
        """A stage as maps in turn, each with the covariance of what it adds."""
        system, settings, n = self.system, self.settings, self.system.size
        p = len(system.family.names)
        registers = {Stage.AVERAGE_LATENTS: n, Stage.AVERAGE_POOL: n + p}
        gradient = slice(n + 2 * p, n + 3 * p)

        def silent(_: FloatArray) -> FloatArray:
            return np.zeros((self.size, self.size))

        def padded(matrix: FloatArray) -> FloatArray:
            return np.pad(matrix, (0, self.size - n))

        def on_averages(move: Callable[[Array], Array]) -> Callable[[Array], Array]:
            return lambda v: np.concatenate([move(v[:n]), v[n:]])

        heat = settings.temperature
        match stage:
            case Stage.MOVE_LATENTS:
                h = settings.latent_step
                one = (
                    on_averages(lambda s: system.move_latents(s, h, heat)),
                    lambda v: padded(system.latent_noise(v[:n], h, heat)),
                )
                restarted = Stage.RESTART_LATENTS in self.update.stages
                before = [] if restarted else self._redrawn()
                return [*before, *[one] * settings.inner_steps]
            case Stage.RESTART_LATENTS:
                return self._redrawn()
            case Stage.MOVE_POOL:
                h = settings.pool_step
                one = (
                    on_averages(lambda s: system.move_pool(s, h, heat)),
                    lambda v: padded(system.pool_noise(v[:n], h, heat)),
                )
                return [one] * settings.inner_steps
            case Stage.AVERAGE_LATENTS | Stage.AVERAGE_POOL:
                latents = stage == Stage.AVERAGE_LATENTS
                average = system.conditional_average if latents else system.joint_average
                begin = registers[stage]

                def store(v: Array) -> Array:
                    return np.concatenate([v[:begin], average(v[:n]), v[begin + p :]])

                return [(store, silent)]
            case Stage.COMBINE:
                return [
                    (
                        lambda v: np.concatenate(
                            [v[: n + 2 * p], v[n + p : n + 2 * p] - v[n : n + p]]
                        ),
                        silent,
                    )
                ]
        added = np.zeros((self.size, self.size))
        added[:p, :p] = 2 * size * settings.gradient_noise * np.eye(p)
        return [(lambda v: np.concatenate([v[:p] + size * v[gradient], v[p:]]), lambda _: added)]

    def _redrawn(
        self,
    ) -> list[tuple[Callable[[Array], Array], Callable[[FloatArray], FloatArray]]]:
        if self.redraw is None:
            return []
        f, part = self.system.family, self.system.latent_part
        anywhere = InitialLaw.normal(np.zeros(f.dim), 1.0)
        vector, covariance = self.system.start(f.theta, self.redraw, anywhere)
        added = np.zeros((self.size, self.size))
        added[part, part] = covariance[part, part]

        def drawn(v: Array) -> Array:
            out = v.copy()
            out[part] = vector[part]
            return out

        return [(drawn, lambda _: added)]
