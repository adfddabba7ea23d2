"""Step sizes beyond which the unadjusted phases are unstable: said before training starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .learner import Learner

if TYPE_CHECKING:
    from solvers.learning.state import LearningState


def step_warnings(learner: Learner, start: LearningState) -> list[str]:
    """One sentence for each phase whose step is beyond its limit 2/L at the start."""
    from solvers.learning.stability import step_limits

    limits = step_limits(
        learner.energy,
        learner.points.seen,
        start.theta,
        latents=start.latents,
        pool=start.pool,
    )
    training = learner.config.training
    said = []
    for key, step, limit in (
        ("latent_step", training.latent_step, limits.latent),
        ("pool_step", training.pool_step, limits.pool),
    ):
        if step >= limit.step:
            said.append(
                f"training.{key} = {step:g} is beyond the stability limit 2/L = {limit.step:.4g} "
                f"at the start (L = {limit.smoothness:.4g}, {limit.how}); expect divergence"
            )
    return said
