"""Points (n, d) from a CSV, NPY or NPZ file: no pickle, and every refusal names the place."""

from __future__ import annotations

import csv
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..discovery import nearest
from .naming import coordinates


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The rows of a file: ``values`` (n, d), and ``names``; without any, x, or x0, x1, ...."""

    values: FloatArray
    names: tuple[str, ...]


SUFFIXES = (".csv", ".npy", ".npz")
# letters of what came that a message shows
MOST_SHOWN = 120
# two gigabytes
MOST_NUMBERS = 2**28


def read_points(
    path: Path,
    *,
    array: str | None = None,
    columns: Sequence[str | int] | None = None,
    missing: bool = False,
) -> Rows:
    """The rows of a file as points.

    Parameters
    ----------
    path : Path
        ``.csv`` (numbers between commas, semicolons or tabs, with or without a line of names),
        ``.npy`` or ``.npz``.
    array : str, optional
        Which array of an NPZ file that holds several.
    columns : names or numbers from 0, optional
        Which columns, in this order; all of them by default.
    missing : bool
        Let NaN (in a CSV file also an empty cell) stand for a value that is not known.

    Raises
    ------
    ArgumentError
        No such file, no such column, no numbers, another shape, or values that are not finite.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"data come as {', '.join(SUFFIXES)}, got {path.name!r}")
    try:
        there = path.is_file()
    except (OSError, ValueError) as error:  # a name that is too long, or no name at all
        raise ArgumentError(f"no such data file: {error}") from error
    if not there:
        raise ArgumentError(f"no such data file: {path}")
    names: list[str] = []
    if path.suffix.lower() == ".csv":
        names, points = _csv(path)
    else:
        points = _numpy(path, array)
    names = names or list(coordinates("x", points.shape[1]))
    if columns is not None:
        chosen = [_column(c, names, path) for c in columns]
        names, points = [names[c] for c in chosen], points[:, chosen]
    _refuse_values(points, path, missing=missing)
    return Rows(values=points, names=tuple(names))


def _numpy(path: Path, asked: str | None) -> FloatArray:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [n.removesuffix(".npy") for n in archive.namelist()]
                name = _array(path, names, asked) + ".npy"
                with archive.open(name) as stream:
                    found = _npy(stream, archive.getinfo(name).file_size)
        else:
            with path.open("rb") as stream:
                found = _npy(stream, path.stat().st_size)
    except ArgumentError:
        raise
    # whatever readers of zip archives and of headers raise for bytes that are none
    except (
        *(OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, RuntimeError),
        *(OverflowError, MemoryError, AttributeError, IndexError, tokenize.TokenError),
        *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    ) as error:
        said = str(error)[:MOST_SHOWN]
        raise ArgumentError(f"{path.name} cannot be read as numbers: {said}") from error
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise ArgumentError(f"{path.name} must have shape (n, d), got {found.shape}")
    return np.ascontiguousarray(found, dtype=np.float64)


def _npy(stream: IO[bytes], size: int) -> npt.NDArray[Any]:
    """The array of an NPY file; nothing is allocated that its bytes cannot fill.

    Raises
    ------
    ValueError
        Its header promises more numbers than it has, or other things than real numbers.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.kind not in "fiu":
        raise ValueError(f"real numbers are required, got {dtype}")
    count = math.prod(shape)
    if not 0 <= count <= min(MOST_NUMBERS, size // dtype.itemsize):
        raise ValueError(f"its header promises {count:.3g} numbers, its {size} bytes hold fewer")
    data = stream.read(count * dtype.itemsize)
    values = np.frombuffer(data, dtype=dtype, count=count)
    return values.reshape(shape, order="F" if fortran else "C")


def _array(path: Path, names: Sequence[str], asked: str | None) -> str:
    if asked is None and len(names) == 1:
        return names[0]
    if asked is None:
        raise ArgumentError(
            f"{path.name} holds {len(names)} arrays ({', '.join(names)}); name one of them"
        )
    if asked not in names:
        raise ArgumentError(f"{path.name} has no array {asked!r}{nearest(asked, names)}")
    return asked


def _csv(path: Path) -> tuple[list[str], FloatArray]:
    """Column names (empty where the file has none) and values."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path.name} is no text in UTF-8") from error
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error
    lines = [(k, line) for k, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise ArgumentError(f"{path.name} is empty")
    mark = next((mark for mark in ("\t", ";", ",") if mark in lines[0][1]), ",")
    try:
        rows = [(k, next(csv.reader([line], delimiter=mark))) for k, line in lines]
    except csv.Error as error:
        raise ArgumentError(f"{path.name} cannot be read as numbers: {error}") from error
    names: list[str] = []
    if not all(_is_number(cell) for cell in rows[0][1]):
        names = [cell.strip() for cell in rows[0][1]]
        rows = rows[1:]
    width = len(names) or (len(rows[0][1]) if rows else 0)
    values = np.empty((len(rows), width))
    for row, (line, cells) in enumerate(rows):
        if len(cells) != width:
            raise ArgumentError(
                f"line {line} of {path.name} must have {width} cells as the first, got {len(cells)}"
            )
        for column, cell in enumerate(cells):
            if not _is_number(cell):
                raise ArgumentError(
                    f"line {line} of {path.name} must hold numbers, got {_shown(cell)}"
                )
            values[row, column] = float(cell) if cell.strip() else math.nan
    return names, values


def _shown(cell: str) -> str:
    text = repr(cell.strip())
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def _is_number(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(asked: str | int, names: list[str], path: Path) -> int:
    if isinstance(asked, int):
        if not 0 <= asked < len(names):
            raise ArgumentError(f"{path.name} has columns 0 to {len(names) - 1}, got {asked}")
        return asked
    if asked not in names:
        raise ArgumentError(
            f"{path.name} has no column {asked!r}{nearest(asked, names)} "
            f"(there are {', '.join(names)})"
        )
    return names.index(asked)


def _refuse_values(points: FloatArray, path: Path, *, missing: bool) -> None:
    if points.size == 0:
        raise ArgumentError(f"{path.name} holds no points")
    bad = np.isinf(points) if missing else ~np.isfinite(points)
    if np.any(bad):
        row, column = np.argwhere(bad)[0]
        also = f", and {bad.sum() - 1} more" if bad.sum() > 1 else ""
        raise ArgumentError(
            f"data must be finite; {path.name} has {points[row, column]} in row {row}, column "
            f"{column} (counted from 0){also}"
        )
