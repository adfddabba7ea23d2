"""One update of theta as data: six stages in some order, and the scheme of each phase.

The two orders of the algorithm are two values; a mutant is another value, not a branch of the
solver. ``replace(SIMULTANEOUS, stages=...)`` reorders, ``replace(SEQUENTIAL, latent_scheme=...)``
moves the latents otherwise. What a scheme's state holds besides the position is initialised anew
at the start of its moves (``Scheme.init``), since theta has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw

from ..particles.scheme import Scheme
from ..particles.ula import ula


class Stage(IntEnum):
    """What an update is made of. Registers hold the last averages of each phase."""

    MOVE_LATENTS = 0
    """K_in steps of the conditional phase at the present theta."""
    AVERAGE_LATENTS = 1
    """Register of the conditional phase <- mean of d_theta E over its particles."""
    MOVE_POOL = 2
    """K_in steps of the joint phase at the present theta."""
    AVERAGE_POOL = 3
    """Register of the joint phase <- mean of d_theta E over the pool."""
    COMBINE = 4
    """g <- register of the joint phase - register of the conditional phase."""
    ASCEND = 5
    """theta <- Projection(theta + a g + sqrt(2 a tau) xi)."""
    RESTART_LATENTS = 6
    """Latents that take part in the update are drawn anew from ``Update.restart``: short chains
    that do not persist."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """The stages of one update, in order, and how particles move.

    Parameters
    ----------
    name : str
    stages : tuple of Stage
        Each at most once; ASCEND is the last.
    restart : InitialLaw, optional
        One normal component; needed by RESTART_LATENTS.
    latent_scheme, pool_scheme : Scheme
        Discretisations of the conditional and the joint phase.
    """

    name: str
    stages: tuple[Stage, ...]
    restart: InitialLaw | None = None
    latent_scheme: Scheme = ula
    pool_scheme: Scheme = ula

    def __post_init__(self) -> None:
        if len(set(self.stages)) < len(self.stages) or self.stages[-1:] != (Stage.ASCEND,):
            raise ArgumentError(
                "an update has each stage at most once and ends with ASCEND, got "
                f"{[s.name for s in self.stages]}"
            )
        if (Stage.RESTART_LATENTS in self.stages) != (self.restart is not None):
            raise ArgumentError("RESTART_LATENTS and a law to restart from come together")
        if self.restart is not None and len(self.restart.weights) != 1:
            raise ArgumentError(
                "latents restart from one normal component, got a mixture of "
                f"{len(self.restart.weights)}"
            )


SEQUENTIAL = Update(
    name="sequential",
    stages=(
        Stage.MOVE_LATENTS,
        Stage.MOVE_POOL,
        Stage.AVERAGE_LATENTS,
        Stage.AVERAGE_POOL,
        Stage.COMBINE,
        Stage.ASCEND,
    ),
)

SIMULTANEOUS = Update(
    name="simultaneous",
    stages=(
        Stage.AVERAGE_LATENTS,
        Stage.AVERAGE_POOL,
        Stage.COMBINE,
        Stage.MOVE_LATENTS,
        Stage.MOVE_POOL,
        Stage.ASCEND,
    ),
)

UPDATES = {update.name: update for update in (SEQUENTIAL, SIMULTANEOUS)}
