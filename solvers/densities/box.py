"""A box that holds the Gibbs state and the start, up to a stated mass."""

from __future__ import annotations

import importlib
import math

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import AssumptionError, LvebmError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

FloatArray = npt.NDArray[np.float64]

_START_SDS = 8.5  # a normal law leaves 2e-17 outside
_FARTHEST = 1e6
_SAMPLES = {1: 4001, 2: 241, 3: 61}
_ROUNDS = 8


def find_box(
    energy: Energy, start: InitialLaw | None = None, tail_mass: float = 1e-14
) -> list[tuple[float, float]]:
    """Intervals (low, high) per axis outside which pi and the start have mass <= tail_mass.

    From a proved tail bound where the energy has one, else from levels of the potential on
    successively finer grids.

    Raises
    ------
    AssumptionError
        "grid witness not applicable": no box of reasonable size holds the mass.
    """
    box = _certified(energy, tail_mass)
    if box is None:
        box = level_box(energy, start, tail_mass)
    if start is not None:
        box = [
            (
                min(low, float((start.means[:, k] - _START_SDS * start.sds[:, k]).min())),
                max(high, float((start.means[:, k] + _START_SDS * start.sds[:, k]).max())),
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
                    "grid witness not applicable",
                    [f"the potential of {energy.name} rises too slowly for any box"],
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
        box = certified.truncation_box(energy, tail_mass)
    except (ImportError, AttributeError, LvebmError):
        return None
    return [(float(low), float(high)) for low, high in box]
