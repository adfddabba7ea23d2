"""The points of a run: from a file, or drawn from a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .units import Units

if TYPE_CHECKING:
    from .config import Config, Data
    from .sources import Source

# rows, among which one far away is alone
LONE = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """The data of a run.

    Attributes
    ----------
    train : array (n, d)
        In the reader's units.
    held_out : array (m, d)
        Rows of the file that training does not see; empty where fresh data can be simulated.
    units : Units
    coordinates : tuple of str
        What each coordinate is.
    said : tuple of str
        What a reader must know of how they were made; not stored with a run.
    """

    train: FloatArray
    held_out: FloatArray
    units: Units
    coordinates: tuple[str, ...]
    said: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return int(self.train.shape[1])

    @property
    def seen(self) -> FloatArray:
        """The training data as the model sees them, (n, d)."""
        return self.units.inside(self.train)


def load_points(config: Config, source: Source | None, beside: Path) -> Points:
    """The points that ``[data]`` asks for.

    Parameters
    ----------
    source : Source or None
        None where the points are in a file.
    beside : Path
        Folder from which ``data.file`` is understood.

    Raises
    ------
    ArgumentError
        The file cannot be used, or a coordinate does not vary.
    """
    data = config.data
    # a formula's theta has a meaning in the reader's units; a network learns best in its own
    wanted = config.model.neural is not None if data.standardise is None else data.standardise
    said: tuple[str, ...] = ()
    if source is None:
        rows, names = _from_file(data, beside)
        if wanted:
            rows, said = without_outliers(rows, names, data.outliers)
        train, held_out = _split(rows, data.held_out)
    else:
        train, names = source.draw(data.n, data.seed), source.coordinates
        held_out = np.empty((0, train.shape[1]))
    units = Units.of(train) if wanted else Units.none(train.shape[1])
    if source is not None and source.units is not None:
        units = source.units
    return Points(train=train, held_out=held_out, units=units, coordinates=names, said=said)


def _from_file(data: Data, beside: Path) -> tuple[FloatArray, tuple[str, ...]]:
    from .points import read_points

    found = read_points(beside / Path(str(data.file)), array=data.array, columns=data.columns)
    return found.values, found.names


def without_outliers(
    rows: FloatArray, names: tuple[str, ...], limit: float
) -> tuple[FloatArray, tuple[str, ...]]:
    """Rows (n, d) without what a pool of particles cannot carry, and a sentence that says so.

    Left out is what lies more than ``limit`` interquartile ranges from the median in some
    coordinate, if that is one row or one in ``LONE``: so little mass so far away is less than a
    particle of the pool, and learning it pulls the whole pool out of place. More rows are a mode.
    """
    low, middle, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0)
    width = np.where(high > low, high - low, np.inf)
    away = np.abs(rows - middle) / width
    far = np.flatnonzero((away > limit).any(axis=1))
    if not 0 < len(far) <= max(1, len(rows) // LONE):
        return rows, ()
    first, column = far[0], int(np.argmax(away[far[0]]))
    said = (
        f"{len(far)} of {len(rows)} rows left out: row {first} (counted from 0) has "
        f"{names[column]} = {rows[first, column]:g}, {away[first, column]:.0f} interquartile "
        "ranges from the median; data.outliers decides how far is too far"
    )
    return np.delete(rows, far, axis=0), (said,)


def _split(rows: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Training and held-out rows; which is which depends on their number alone."""
    kept = round(share * len(rows))
    if len(rows) - kept < 2:
        raise ArgumentError(
            f"training needs at least 2 points, got {len(rows)} with {kept} held out"
        )
    order = np.random.Generator(np.random.Philox(len(rows))).permutation(len(rows))
    return rows[np.sort(order[kept:])], rows[np.sort(order[:kept])]
