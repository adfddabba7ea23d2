"""Arrays for a reader: CSV or NPY files, or CSV on standard output."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from ..keeping import ready_for, writing_to, written_aside

if TYPE_CHECKING:
    from .reconstruction import Reconstruction


def ready_for_points(out: Path | None) -> None:
    """Sees that ``write_points`` can write, before the work.

    Raises
    ------
    ArgumentError
        Another suffix, or a place that cannot be written.
    """
    if out is None:
        return
    if out.suffix.lower() not in (".csv", ".npy"):
        raise ArgumentError(f"--out writes .csv or .npy, got {out.name!r}")
    with writing_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    ready_for(out)


def write_points(values: FloatArray, names: Sequence[str], out: Path | None) -> None:
    """Rows (n, d) with a line of names (CSV), or as an array (NPY); raises as above."""
    if out is None:
        sys.stdout.write(_csv(values, names))
        return
    ready_for_points(out)
    with writing_to(out), written_aside(out) as aside, aside.open("wb") as stream:
        if out.suffix.lower() == ".npy":
            np.save(stream, values, allow_pickle=False)
        else:
            stream.write(_csv(values, names).encode())


def _csv(values: FloatArray, names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    # repr of a float is the shortest text that reads back as the same number
    writer.writerows([[repr(float(v)) for v in row] for row in values])
    return text.getvalue()


def write_reconstruction(filled: Reconstruction, out: Path | None, *, every: bool) -> None:
    """Rows with what was missing filled in, and its spread.

    Columns: the coordinates (means of the draws where a value was missing), then ``sd_<name>``
    (0 where it was known); with ``every``, one row per draw and a column ``row`` first.
    """
    names = list(filled.names)
    if every:
        count, rows, dim = filled.draws.shape
        index = np.repeat(np.arange(rows), count)[:, None]
        values = filled.draws.transpose(1, 0, 2).reshape(count * rows, dim)
        write_points(np.hstack([index, values]), ["row", *names], out)
        return
    # means of one number repeated are off by rounding: what was known is written as it came
    mean = np.where(filled.missing, filled.draws.mean(axis=0), filled.draws[0])
    spread = np.where(filled.missing, filled.draws.std(axis=0), 0.0)
    write_points(np.hstack([mean, spread]), [*names, *(f"sd_{name}" for name in names)], out)
