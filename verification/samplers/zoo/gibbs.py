"""Gibbs sampling of Gaussians and what goes wrong in it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from ..targets.gaussians import gaussian
from .entry import Entry


def _gibbs(
    *,
    random_scan: bool = False,
    simultaneous: bool = False,
    variance_as_deviation: bool = False,
    cross: float = 1.0,
    one_normal: bool = False,
    over_relaxed: float = 0.0,
    last: int | None = None,
) -> Any:
    def step(x: FloatArray, energy: Any, rng: np.random.Generator) -> FloatArray:
        n, d = x.shape
        precision, mean = _normal(energy, d)
        old, x = x, x.copy()
        shared = rng.standard_normal(n)
        order = rng.integers(d, size=n)
        for i in range(d)[:last]:
            source = old if simultaneous else x
            variance = 1.0 / precision[i, i]
            own = source[:, i] - mean[i]
            # what the other coordinates pull: P (x - m) without this coordinate's part
            pull = (source - mean) @ precision[i] - own / variance
            centre = mean[i] - cross * pull * variance
            scale = variance if variance_as_deviation else np.sqrt(variance)
            xi = shared if one_normal else rng.standard_normal(n)
            a = over_relaxed
            drawn = centre + a * (source[:, i] - centre) + np.sqrt(1 - a * a) * scale * xi
            x[:, i] = np.where(order == i, drawn, x[:, i]) if random_scan else drawn
        return x

    return step


def _normal(energy: Any, d: int) -> tuple[FloatArray, FloatArray]:
    """Precision and mean of a quadratic energy."""
    zero = np.zeros((1, d))
    precision = energy.hessian(zero)[0]
    return precision, -np.linalg.solve(precision, energy.gradient(zero)[0])


_TARGETS = (
    gaussian([[1.5, 0.7], [0.7, 1.0]], [0.5, -1.0], name="normal in the plane"),
    gaussian(
        [[2.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 0.6]], name="normal in three dimensions"
    ),
)

_entry = functools.partial(Entry, family="gibbs", kind="adjusted", options={"targets": _TARGETS})

CORRECT = (
    _entry(name="gibbs", make=_gibbs),
    _entry(name="gibbs-random-scan", make=lambda: _gibbs(random_scan=True)),
    _entry(name="gibbs-over-relaxed", make=lambda: _gibbs(over_relaxed=-0.5)),
)

MUTANTS = (
    _entry(
        name="gibbs-variance-as-deviation",
        make=lambda: _gibbs(variance_as_deviation=True),
        component="noise scale",
        fault="the conditional variance is used as standard deviation",
        provenance="bsvars 148 (a variance used as standard deviation)",
    ),
    _entry(
        name="gibbs-simultaneous",
        make=lambda: _gibbs(simultaneous=True),
        component="stale gradient",
        provenance="rbms 31 (a conditional given the state before)",
        fault="all coordinates are drawn given the old values of the others",
    ),
    _entry(
        name="gibbs-cross-term-sign",
        make=lambda: _gibbs(cross=-1.0),
        component="drift",
        fault="the conditional mean has the wrong sign of the cross term",
    ),
    _entry(
        name="gibbs-one-normal-for-all-coordinates",
        make=lambda: _gibbs(one_normal=True),
        component="shared randomness",
        fault="one normal serves all coordinates of a sweep",
    ),
    _entry(
        name="gibbs-last-coordinate-left-out",
        make=lambda: _gibbs(last=-1),
        component="schedule",
        fault="the sweep ends one coordinate too early",
        equivalent=True,
        bias="none: every update leaves the target as it is; the chain is reducible, which no test "
        "of invariance sees",
    ),
)
