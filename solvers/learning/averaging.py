"""The mean of theta over the last recorded updates, carried along from piece to piece of a run."""

from __future__ import annotations

from dataclasses import replace

from .engine import Track
from .state import LearningState


def with_average(
    now: LearningState, before: LearningState, track: Track, after: int | None
) -> LearningState:
    """``now`` with the average of ``before`` gone on over the records u > after of a track.

    theta by theta, so that the bits do not depend on how a run is cut into pieces.
    """
    mean, count = before.average, before.averaged
    for update, theta in zip(track.updates, track.theta, strict=True):
        if after is not None and update > after:
            count += 1
            mean = theta.copy() if mean is None else mean + (theta - mean) / count
    return replace(now, average=mean, averaged=count)
