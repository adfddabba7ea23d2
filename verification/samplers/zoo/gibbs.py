"""Gibbs sampling of Gaussians and what goes wrong in it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .entry import Entry, FloatArray, Step


def _gibbs(
    *,
    random_scan: bool = False,
    simultaneous: bool = False,
    variance_as_deviation: bool = False,
    cross: float = -1.0,
    one_normal: bool = False,
) -> Step:
    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        precision, mean = energy.precision, energy.mean
        d = x.shape[1]
        old, x = x, x.copy()
        order = [int(rng.integers(d))] if random_scan else range(d)
        shared = rng.standard_normal(len(x))
        for i in order:
            others = [j for j in range(d) if j != i]
            source = old if simultaneous else x
            pull = (source[:, others] - mean[others]) @ precision[i, others]
            variance = 1.0 / precision[i, i]
            scale = variance if variance_as_deviation else np.sqrt(variance)
            xi = shared if one_normal else rng.standard_normal(len(x))
            x[:, i] = mean[i] + cross * pull * variance + scale * xi
        return x

    return step


def _targets() -> Any:
    from ..targets import gaussian

    return [
        gaussian([[1.5, 0.7], [0.7, 1.0]], [0.5, -1.0], name="correlated normal"),
        gaussian(
            [[2.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 0.6]], name="normal in three dimensions"
        ),
    ]


_entry = functools.partial(Entry, family="gibbs", kind="adjusted", options={"targets": _targets})

CORRECT = (
    _entry(name="gibbs", make=_gibbs),
    _entry(name="gibbs-random-scan", make=lambda: _gibbs(random_scan=True)),
)

MUTANTS = (
    _entry(
        name="gibbs-variance-as-deviation",
        make=lambda: _gibbs(variance_as_deviation=True),
        component="noise scale",
        fault="the conditional variance is used as standard deviation",
        provenance="numpyro 1628 (an inverted scale)",
    ),
    _entry(
        name="gibbs-simultaneous",
        make=lambda: _gibbs(simultaneous=True),
        component="stale gradient",
        fault="all coordinates are drawn given the old values of the others",
    ),
    _entry(
        name="gibbs-cross-term-sign",
        make=lambda: _gibbs(cross=1.0),
        component="drift",
        fault="the conditional mean has the wrong sign of the cross term",
    ),
    _entry(
        name="gibbs-one-normal-for-all-coordinates",
        make=lambda: _gibbs(one_normal=True),
        component="shared randomness",
        fault="one normal serves all coordinates of a sweep",
    ),
)
