"""Points (n, d) from a CSV, NPY or NPZ file: no pickle, and every refusal names the place."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..discovery import nearest

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The rows of a file: ``values`` (n, d), and ``names`` (x0, x1, ... where it has none)."""

    values: FloatArray
    names: tuple[str, ...]


SUFFIXES = (".csv", ".npy", ".npz")


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
    if not path.is_file():
        raise ArgumentError(f"no such data file: {path}")
    names: list[str] = []
    if path.suffix.lower() == ".csv":
        names, points = _csv(path)
    else:
        points = _numpy(path, array)
    names = names or [f"x{i}" for i in range(points.shape[1])]
    if columns is not None:
        chosen = [_column(c, names, path) for c in columns]
        names, points = [names[c] for c in chosen], points[:, chosen]
    _refuse_values(points, path, missing=missing)
    return Rows(values=points, names=tuple(names))


def _numpy(path: Path, array: str | None) -> FloatArray:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                found = found[_array(path, found.files, array)]
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise ArgumentError(f"{path.name} cannot be read as numbers: {error}") from error
    if found.dtype.kind not in "fiu":
        raise ArgumentError(f"{path.name} must hold real numbers, got {found.dtype}")
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise ArgumentError(f"{path.name} must have shape (n, d), got {found.shape}")
    return np.ascontiguousarray(found, dtype=np.float64)


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
    lines = [(k, line) for k, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise ArgumentError(f"{path.name} is empty")
    mark = next((mark for mark in ("\t", ";", ",") if mark in lines[0][1]), ",")
    rows = [(k, next(csv.reader([line], delimiter=mark))) for k, line in lines]
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
                    f"line {line} of {path.name} must hold numbers, got {cell.strip()!r}"
                )
            values[row, column] = float(cell) if cell.strip() else math.nan
    return names, values


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
