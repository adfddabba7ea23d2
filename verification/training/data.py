"""Where the data come from, and the units in which the model sees them.

The model sees y = (x - shift) / scale; everything that leaves for a reader is x again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from .config import Data

if TYPE_CHECKING:
    from solvers.learning.systems import System

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """x = shift + scale y, coordinate by coordinate; arrays (d,)."""

    shift: FloatArray
    scale: FloatArray

    @classmethod
    def none(cls, dim: int) -> Units:
        """x = y."""
        return cls(shift=np.zeros(dim), scale=np.ones(dim))

    @classmethod
    def of(cls, points: FloatArray) -> Units:
        """Mean and standard deviation of points (n, d).

        Raises
        ------
        ArgumentError
            A coordinate does not vary.
        """
        shift, scale = points.mean(axis=0), points.std(axis=0)
        flat = np.flatnonzero(~(scale > 1e-12 * np.maximum(1.0, np.abs(shift))))
        if flat.size:
            raise ArgumentError(
                f"coordinate {flat[0]} of the data does not vary; it cannot be standardised "
                "(leave it out with data.columns, or set data.standardise = false)"
            )
        return cls(shift=shift, scale=scale)

    def inside(self, x: FloatArray) -> FloatArray:
        """x (n, d) as the model sees it."""
        return np.asarray((x - self.shift) / self.scale)

    def outside(self, y: FloatArray) -> FloatArray:
        """What the model calls y (n, d), in the reader's units."""
        return np.asarray(self.shift + self.scale * y)


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
    """

    train: FloatArray
    held_out: FloatArray
    units: Units
    coordinates: tuple[str, ...]

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return int(self.train.shape[1])

    @property
    def seen(self) -> FloatArray:
        """The training data as the model sees them, (n, d)."""
        return self.units.inside(self.train)


def load_points(data: Data, *, beside: Path, standardise: bool) -> Points:
    """The points that ``[data]`` asks for.

    Parameters
    ----------
    beside : Path
        Folder from which ``data.file`` is understood.
    standardise : bool
        What to do where ``data.standardise`` says nothing. A system has fixed units of its own.

    Raises
    ------
    ArgumentError
        The file or the system cannot be used.
    """
    wanted = standardise if data.standardise is None else data.standardise
    held_out = None
    if data.file is not None:
        from .points import read_points

        found = read_points(beside / Path(data.file), array=data.array, columns=data.columns)
        train, held_out = _split(found.values, data.held_out)
        names = found.names
    else:
        train = draw(data, data.n, data.seed)
        names = tuple(f"x{i}" for i in range(train.shape[1]))
    units = Units.none(train.shape[1])
    if data.system is not None:
        system = system_of(data)
        names = tuple(system.coordinates)
        units = Units(shift=np.array(system.centre), scale=np.array(system.scale))
    elif wanted:
        units = Units.of(train)
    return Points(
        train=train,
        held_out=np.empty((0, train.shape[1])) if held_out is None else held_out,
        units=units,
        coordinates=names,
    )


def _split(rows: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Training and held-out rows; which is which depends on their number alone."""
    kept = round(share * len(rows))
    if len(rows) - kept < 2:
        raise ArgumentError(
            f"training needs at least 2 points, got {len(rows)} with {kept} held out"
        )
    order = np.random.Generator(np.random.Philox(len(rows))).permutation(len(rows))
    return rows[np.sort(order[kept:])], rows[np.sort(order[:kept])]


def draw(data: Data, n: int, seed: int) -> FloatArray:
    """n points of the system or law, in the reader's units; the same for the same seed.

    Raises
    ------
    ArgumentError
        An unknown system, or a law that does not parse.
    """
    if data.law is not None:
        from lvebm_theory.parse_law import parse_initial
        from solvers.noise import Noise

        law = parse_initial(data.law, data.dim)
        noise = Noise(seed, "data")
        uniform = noise.uniforms(n, 0, backend="numba")[:, 0]
        return law.push_normals(uniform, noise.normals(n, 0, law.dim, backend="numba"))
    system = system_of(data)
    return np.asarray(system.in_data_units(system.sample(n, seed)), dtype=np.float64)


def system_of(data: Data) -> System:
    """The named system; raises ArgumentError where there is none of that name."""
    from solvers.learning.systems import system_named, systems

    from ..discovery import nearest

    name = str(data.system)
    try:
        return system_named(name)
    except ArgumentError as error:
        raise ArgumentError(f"data.system: {error}{nearest(name, systems())}") from error
