"""Stored results of a run, for the report and for figures: nothing here measures anything."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lvebm_theory.errors import ArgumentError

from ..finding import Finding
from ..netcdf import read_datasets
from ..store import Folder

if TYPE_CHECKING:
    import xarray


class Results:
    """A finished run.

    Parameters
    ----------
    path : Path or str
        The results folder.

    Raises
    ------
    ArgumentError
        The folder holds no finished run.
    """

    def __init__(self, path: Path | str) -> None:
        self.folder = Folder(path)
        content = self.folder.read_findings()
        if content is None:
            raise ArgumentError(f"{self.folder.path} holds no finished run (no findings.json)")
        self.content: dict[str, Any] = content

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the plan."""
        return tuple(Finding.from_json(row) for row in self.content["findings"])

    def of_claim(self, claim: str) -> tuple[Finding, ...]:
        """Findings of one claim."""
        return tuple(f for f in self.findings if f.claim == claim)

    def curves(self, claim: str) -> dict[str, xarray.Dataset]:
        """Datasets of one claim by ``setting/witness[/run]``, in the order of the plan."""
        return read_curves(self.folder, claim)


def read_curves(folder: Folder, claim: str) -> dict[str, xarray.Dataset]:
    """Datasets of one claim by ``setting/witness[/run]``; empty where it stored none.

    Later looks, which hold part of the cases again with more particles, have ``/look-j`` at the
    end of their names.
    """
    try:
        return read_datasets(folder.curves_file(claim))
    except FileNotFoundError:
        return {}
