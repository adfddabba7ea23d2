"""Mutated learners: other descriptions of one update. No trainer knows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from solvers.learning.update import UPDATES, Stage, Update
from solvers.particles.scheme import EnergyInStep, Scheme, State

from .schemes import with_noise_scaled


def with_restart(scheme: Scheme) -> Scheme:
    """The scheme with every chain put back to the origin whenever its phase begins."""

    def init(x: Any, energy: EnergyInStep) -> State:
        return scheme.init(0.0 * x, energy)

    return replace(scheme, name=f"{scheme.name}, restarted", init=init)


def half_noise(order: str) -> Update:
    """Both phases with noise sqrt(h)."""
    update = UPDATES[order]
    return replace(
        update,
        name=f"{order}, noise sqrt(h)",
        latent_scheme=with_noise_scaled(update.latent_scheme, 0.5**0.5),
        pool_scheme=with_noise_scaled(update.pool_scheme, 0.5**0.5),
    )


def restarted_latents(order: str) -> Update:
    """Latents that do not persist: they start from the origin before every update."""
    update = UPDATES[order]
    return replace(
        update,
        name=f"{order}, latents restarted",
        latent_scheme=with_restart(update.latent_scheme),
    )


def stale_joint_phase(order: str) -> Update:
    """The joint phase read before the particles move, the conditional one after."""
    return replace(
        UPDATES[order],
        name=f"{order}, stale joint phase",
        stages=(
            Stage.AVERAGE_POOL,
            Stage.MOVE_LATENTS,
            Stage.MOVE_POOL,
            Stage.AVERAGE_LATENTS,
            Stage.COMBINE,
            Stage.ASCEND,
        ),
    )


def other_order(order: str) -> Update:
    """Sequential in place of simultaneous, or the other way round."""
    return UPDATES["sequential" if order == "simultaneous" else "simultaneous"]


UPDATE_MUTANTS: Mapping[str, Callable[[str], Update]] = {
    "noise-sqrt-h": half_noise,
    "latents-not-persistent": restarted_latents,
    "stale-joint-phase": stale_joint_phase,
    "other-order": other_order,
}
