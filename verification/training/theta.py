"""Learned parameters in words: where they began, where they are, and what is best where known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .run import Trained
from .trained import TrainedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

# share of the run, at its end, whose fluctuation is told
SHARE = 0.2
# beyond, a screen holds no more of them
MOST = 8


def theta_in_words(model: TrainedModel, trained: Trained) -> dict[str, str]:
    """``"a": "start 1.5, learned 0.513 +- 0.011, best 0.5"`` for each parameter that moved.

    The half-width is two standard deviations of the recorded theta over the last fifth of the run:
    how far theta still wanders, to which the sampling error of the data comes on top. Empty for
    networks and other long thetas.
    """
    curves, names = trained.curves, list(model.learner.energy.parameters)
    if len(names) > MOST or not curves.theta:
        return {}
    config = model.learner.config
    best = {**(config.data.truth or {}), **config.model.best}
    start = list(model.learner.energy.parameters.values())
    learned = model.state.learned
    late = np.array(curves.update) > (1 - SHARE) * config.training.updates
    path = np.array(curves.theta)[late] if late.any() else np.array(curves.theta)[-1:]
    wander = 2 * path.std(axis=0)
    asked = config.training.learned
    return {
        name: f"start {start[k]:.6g}, learned {learned[k]:.3g} ± {wander[k]:.2g}{_best(name, best)}"
        for k, name in enumerate(names)
        if asked is None or name in asked or re.sub(r"(_\d+)+$", "", name) in asked
    }


def _best(name: str, best: Mapping[str, object]) -> str:
    value = best.get(name)
    return f", best {value:g}" if isinstance(value, int | float) else ""
