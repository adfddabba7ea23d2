"""How fine a grid must be for an energy and a start, and the grids of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .box import bulk
from .generator import Generator
from .grid import Grid
from .hidden import hidden_places
from .kinks import axis_kinks
from .mapping import AxisMap, start_features, tail_features

_LARGEST_RISE = 8.0  # of U across one cell where the start stands
_LARGEST_JUMP = 6.0  # of log densities between neighbouring cells where mass starts
_OCCUPIED = 0.2
_LONGEST_TAIL = 1e3  # box over bulk, above one dimension
_LOOKS = 12
_MOST_NARROW = 24  # places with small cells of their own

Laws = list[tuple[float, float]]


def resolutions(maps: Sequence[AxisMap], counts: Sequence[int]) -> list[Grid]:
    """Grids with 3/8, 1/2, 3/4 and all of the cells: close to each other, so that all are fine
    where the finest is."""
    return [
        Grid(nodes=tuple(m.nodes(n * k // 8) for m, n in zip(maps, counts, strict=True)))
        for k in (3, 4, 6, 8)
    ]


def first_count(
    energy: Energy,
    start: InitialLaw,
    axis: int,
    base: AxisMap,
    first: int,
    finest: int,
    narrow: Sequence[Laws] | None = None,
) -> int:
    """Cells along one axis that resolve the start, the slope of U where it stands, and what is as
    narrow as some normal laws."""
    count = first
    steepness = _steepest_at_start(energy, start, axis, base)
    laws = _laws(start, axis) + (narrow[axis] if narrow else [])
    while 2 * count <= finest and (
        steepness > _LARGEST_RISE * count or start_features(base, laws, count) is None
    ):
        count *= 2
    return count


def seeing_maps(
    energy: Energy, start: InitialLaw, base: Sequence[AxisMap], first: Sequence[int], finest: int
) -> tuple[list[AxisMap], list[int]]:
    """Maps and cells per axis with which a grid sees the start and every well and barrier of U.

    Where U hides something between nodes the cells become small there, or all of them smaller.

    Raises
    ------
    AssumptionError
        The cells allowed do not see it.
    """
    narrow: list[Laws] = [[] for _ in base]
    counts = list(first)
    for _ in range(_LOOKS):
        counts = [
            first_count(energy, start, k, b, counts[k], finest, narrow) for k, b in enumerate(base)
        ]
        maps = axis_maps(energy, start, base, counts, narrow)
        grid = Grid(nodes=tuple(m.nodes(n) for m, n in zip(maps, counts, strict=True)))
        places, lengths, sides = hidden_places(energy, start, grid)
        if len(places) + len(narrow[0]) <= _MOST_NARROW:
            for known, at, size in zip(narrow, places.T, lengths.T, strict=True):
                known.extend(zip(at.tolist(), size.tolist(), strict=True))
        elif max(counts) < finest:
            counts = [min(2 * n, finest) for n in counts]
        if not len(places):
            return maps, counts
    refuse_unseen(energy, places, lengths, sides)
    return maps, counts


def refuse_unseen(
    energy: Energy, places: FloatArray, lengths: FloatArray, sides: FloatArray
) -> None:
    """Raise where what is hidden is narrower than half a cell; wider, resolutions would differ."""
    hidden = np.flatnonzero((lengths < sides / 2).any(axis=1))
    if hidden.size:
        at = ", ".join(f"{c:.6g}" for c in places[hidden[0]])
        raise AssumptionError(
            "the grid witness",
            [
                f"{energy.name} has no well or barrier between the nodes of a grid (near ({at}) "
                f"there is one about {lengths[hidden[0]].min():.1e} wide)"
            ],
        )


def _steepest_at_start(energy: Energy, start: InitialLaw, axis: int, base: AxisMap) -> float:
    """Largest change of U per unit of the map's coordinate, through the bulk of the start."""
    steps = np.linspace(-2.0, 2.0, 9)
    steepest = 0.0
    for mean, sd in zip(start.means, start.sds, strict=True):
        line = [np.full(steps.size, m) for m in mean]
        line[axis] = mean[axis] + steps * sd[axis]
        values = np.broadcast_to(energy.on_coordinates("potential", line), steps.shape)
        quotients = np.abs(np.diff(values)) / np.diff(base.share(line[axis]))
        steepest = max(steepest, float(quotients[np.isfinite(quotients)].max(initial=0.0)))
    return steepest


def base_maps(energy: Energy, box: Sequence[tuple[float, float]]) -> list[AxisMap]:
    """One map per axis: uniform, or geometric along tails much longer than the bulk."""
    maps = []
    for (low, high), (left, right) in zip(box, bulk(energy, list(box)), strict=True):
        if energy.dim > 1 and high - low > _LONGEST_TAIL * (right - left):
            raise AssumptionError(
                "the grid witness",
                [f"the tails of {energy.name} reach over {_LONGEST_TAIL:g} times its bulk"],
            )
        maps.append(AxisMap(low=low, high=high, features=tail_features((low, high), (left, right))))
    return maps


def axis_maps(
    energy: Energy,
    start: InitialLaw,
    base: Sequence[AxisMap],
    counts: Sequence[int],
    narrow: Sequence[Laws] | None = None,
) -> list[AxisMap]:
    """The base maps with small cells at narrow starts, and at what is as narrow as some normal
    laws, and kinks of the potential on edges."""
    box = [(m.low, m.high) for m in base]
    maps = []
    for k, n in enumerate(counts):
        laws = _laws(start, k) + (narrow[k] if narrow else [])
        features = base[k].features + (start_features(base[k], laws, n) or ())
        maps.append(AxisMap.through(box[k], features, axis_kinks(energy, box, k), n // 8))
    return maps


def _laws(start: InitialLaw, axis: int) -> list[tuple[float, float]]:
    """Means and standard deviations of the components along an axis."""
    return list(zip(start.means[:, axis].tolist(), start.sds[:, axis].tolist(), strict=True))


def resolves_start(generator: Generator, masses: FloatArray) -> bool:
    """Whether neither the start nor the Gibbs state jumps between neighbours where mass starts.

    Below that resolution errors are not yet a power of the spacing, and a half-width must not
    rely on it.
    """
    log_volumes = np.log(generator.grid.volumes)
    with np.errstate(divide="ignore"):
        densities = (np.log(masses) - log_volumes, generator.log_gibbs - log_volumes)
    occupied = masses > _OCCUPIED * masses.max()
    for axis in range(masses.ndim):
        both = np.moveaxis(occupied, axis, 0)
        both = both[1:] & both[:-1]
        for density in densities:
            moved = np.moveaxis(density, axis, 0)
            if not both.any() or (np.abs(moved[1:][both] - moved[:-1][both]) > _LARGEST_JUMP).any():
                return False
    return True


def unremoved(generator: Generator, masses: FloatArray) -> float:
    """Share of the grid's own diffusion, where mass starts, that an extrapolation leaves.

    Across a cell over which U rises by z the rates diffuse with D(z) = (z/2) coth(z/2), and not
    one (Scharfetter and Gummel 1969). Runs with spacings 1 and 4/3 take the square of z out of
    g = D - 1, and leave e(z) = (16 g(z) - 9 g(4z/3))/7: nothing where U is resolved, up to 4/7 of
    g where upwinding smears. This is the quotient of the means of e and g over the masses.
    """
    density = generator.log_gibbs - np.log(generator.grid.volumes)
    left, whole = 0.0, 0.0
    for axis in range(masses.ndim):
        rise = np.abs(np.diff(np.moveaxis(density, axis, 0), axis=0))
        weight = np.moveaxis(masses, axis, 0)
        weight = (weight[1:] + weight[:-1]) / 2
        smeared, wider = _diffusion(rise), _diffusion(4 * rise / 3)
        left += float((weight * np.abs(16 * smeared - 9 * wider)).sum()) / 7
        whole += float((weight * smeared).sum())
    return left / whole if whole > 0 else 0.0


def _diffusion(rise: FloatArray) -> FloatArray:
    """(z/2) coth(z/2) - 1."""
    half = np.maximum(rise / 2, 1e-3)
    series = rise**2 / 12 - rise**4 / 720
    return np.asarray(np.where(rise < 0.05, series, half / np.tanh(half) - 1))
