"""Mutated updates of a learner: other values of ``Update``. No trainer knows of them."""

from __future__ import annotations

from dataclasses import replace

from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from solvers.learning.update import SEQUENTIAL, SIMULTANEOUS, Stage, Update

from .schemes import with_noise_scaled

_MOVES = (Stage.MOVE_LATENTS, Stage.MOVE_POOL)


def with_noise_of_half_the_heat(update: Update) -> Update:
    """Both phases with sqrt(h) xi for sqrt(2h) xi."""
    latents, pool = (
        with_noise_scaled(s, 0.5**0.5) for s in (update.latent_scheme, update.pool_scheme)
    )
    return replace(
        update, name=f"{update.name}, noise sqrt(h)", latent_scheme=latents, pool_scheme=pool
    )


def with_latents_redrawn(update: Update, law: InitialLaw) -> Update:
    """Latents that do not persist: drawn anew from a normal law before every update."""
    return replace(
        update,
        name=f"{update.name}, latents redrawn",
        stages=(Stage.RESTART_LATENTS, *update.stages),
        restart=law,
    )


def with_stale_pool(update: Update) -> Update:
    """The joint phase one step stale: its average is that of the update before.

    Sequential: read before the inner steps, where the conditional phase is read after.
    Simultaneous: read after it was used.
    """
    rest: list[Stage] = [s for s in update.stages if s != Stage.AVERAGE_POOL]
    if len(rest) != len(update.stages) - 1:
        raise ArgumentError(f"{update.name} needs one AVERAGE_POOL to make it stale")
    moved = rest.index(Stage.COMBINE) > min(rest.index(s) for s in _MOVES)
    at = 0 if moved else rest.index(Stage.COMBINE) + 1
    return replace(
        update,
        name=f"{update.name}, stale pool",
        stages=(*rest[:at], Stage.AVERAGE_POOL, *rest[at:]),
    )


def with_the_other_order(update: Update) -> Update:
    """Sequential for simultaneous, and the other way round."""
    orders = {SEQUENTIAL.stages: SIMULTANEOUS, SIMULTANEOUS.stages: SEQUENTIAL}
    if update.stages not in orders:
        raise ArgumentError(f"{update.name} is neither sequential nor simultaneous")
    other = orders[update.stages]
    return replace(update, name=f"{other.name} for {update.name}", stages=other.stages)
