"""A box that holds the Gibbs state and the start, up to a stated mass."""

from __future__ import annotations

import importlib
import math

import numpy as np
from scipy.special import ndtri

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError, LvebmError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

TAIL_MASS = {1: 1e-14, 2: 1e-12, 3: 1e-10}
_FARTHEST = 1e6
_SAMPLES = {1: 4001, 2: 241, 3: 61}
_ROUNDS = 8


def find_box(
    energy: Energy, start: InitialLaw | None = None, tail_mass: float | None = None
) -> list[tuple[float, float]]:
    """Intervals (low, high) per axis outside which pi and the start have mass <= tail_mass.

    ``tail_mass`` is 1e-14, 1e-12, 1e-10 in dimension 1, 2, 3 unless given.
    From a proved tail bound where the energy has one, else from levels of the potential on
    successively finer grids.

    Raises
    ------
    AssumptionError
        "the grid witness does not apply": exp(-U) is proved not integrable, or no box of reasonable
        size holds the mass.
    """
    mass = TAIL_MASS.get(energy.dim, 1e-8) if tail_mass is None else tail_mass
    box = _certified(energy, mass)
    if box is None:
        box = level_box(energy, start, mass)
    if start is not None:
        reach = -float(ndtri(mass / 4))
        box = [
            (
                min(low, float((start.means[:, k] - reach * start.sds[:, k]).min())),
                max(high, float((start.means[:, k] + reach * start.sds[:, k]).max())),
            )
            for k, (low, high) in enumerate(box)
        ]
    return box


def level_box(
    energy: Energy, start: InitialLaw | None, tail_mass: float
) -> list[tuple[float, float]]:
    """Bounding box of a sublevel set of U whose complement has at most ``tail_mass``.

    Sampled, not proved: the potential is scanned on grids that reach out to 10^6 and are then
    tightened around the sublevel set.
    """
    dim = energy.dim
    centre = np.zeros(dim) if start is None else start.mean
    count = _SAMPLES.get(dim, 31)
    reach = np.concatenate(([0.0], np.geomspace(1e-2, _FARTHEST, count // 2)))
    spread = np.concatenate((-reach[:0:-1], reach))
    axes = [centre[k] + spread for k in range(dim)]
    level = -math.log(tail_mass) + 2.0
    box: list[tuple[float, float]] = []
    for _ in range(_ROUNDS):
        values = _sample(energy, axes)
        inside = values <= values.min() + level
        new = []
        for k, axis in enumerate(axes):
            others = tuple(j for j in range(dim) if j != k)
            hit = np.nonzero(inside.any(axis=others))[0]
            if not box and (hit[0] == 0 or hit[-1] == axis.size - 1):
                raise AssumptionError(
                    "the grid witness",
                    [f"{energy.name} rises fast enough for a box to hold it"],
                )
            new.append((axis[max(hit[0] - 1, 0)], axis[min(hit[-1] + 1, axis.size - 1)]))
        outside = _mass_outside(values, axes, new)
        settled = bool(box) and all(
            abs(a - c) + abs(b - d) < 0.05 * (d - c)
            for (a, b), (c, d) in zip(box, new, strict=True)
        )
        if settled and outside <= tail_mass:
            box = new
            break
        if settled:
            level += max(1.0, math.log(outside / tail_mass))
        box = new
        grow = 0.3 if not settled else 1.0
        axes = [np.linspace(a - grow * (b - a), b + grow * (b - a), 2 * count + 1) for a, b in box]
    return [(float(a), float(b)) for a, b in box]


def bulk(energy: Energy, box: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Bounding box, inside a box, of the places where U is within one unit of its minimum."""
    region = box
    for _ in range(_ROUNDS):
        axes = []
        for (low, high), (left, right) in zip(box, region, strict=True):
            grow = right - left
            axes.append(np.linspace(max(low, left - grow), min(high, right + grow), 201))
        values = _sample(energy, axes)
        inside = values <= values.min() + 1.0
        new = []
        for k, axis in enumerate(axes):
            hit = np.nonzero(inside.any(axis=tuple(j for j in range(len(axes)) if j != k)))[0]
            new.append(
                (float(axis[max(hit[0] - 1, 0)]), float(axis[min(hit[-1] + 1, axis.size - 1)]))
            )
        settled = all(d - c > 0.5 * (b - a) for (a, b), (c, d) in zip(region, new, strict=True))
        region = new
        if settled:
            break
    return region


def _sample(energy: Energy, axes: list[FloatArray]) -> FloatArray:
    dim = len(axes)
    shaped = [a.reshape([-1 if j == k else 1 for j in range(dim)]) for k, a in enumerate(axes)]
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(energy.on_coordinates("potential", shaped), dtype=float)
    values = np.broadcast_to(values, tuple(a.size for a in axes))
    # overflow far out means a high wall; a value below every number means no minimum
    return np.where(np.isnan(values), np.inf, values)


def _mass_outside(
    values: FloatArray, axes: list[FloatArray], box: list[tuple[float, float]]
) -> float:
    weights = np.exp(-(values - values.min()))
    outside = np.zeros(values.shape, dtype=bool)
    for k, (axis, (low, high)) in enumerate(zip(axes, box, strict=True)):
        shape = [-1 if j == k else 1 for j in range(len(axes))]
        weights = weights * np.gradient(axis).reshape(shape)
        outside |= ((axis < low) | (axis > high)).reshape(shape)
    return float(weights[outside].sum() / weights.sum())


def _certified(energy: Energy, tail_mass: float) -> list[tuple[float, float]] | None:
    if not hasattr(energy, "arb_function"):
        return None
    try:
        certified = importlib.import_module("lvebm_theory.certified")
        verdict = certified.certify_normalisable(energy)
        box = certified.truncation_box(energy, tail_mass) if verdict.proved else None
    except (ImportError, AttributeError, LvebmError):
        return None
    if verdict.how == "refuted":
        raise AssumptionError("the grid witness", [f"{energy.name} has a law pi: {verdict.reason}"])
    return None if box is None else [(float(low), float(high)) for low, high in box]
