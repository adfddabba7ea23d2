"""The results folder of a run.

    plan.json            every planned case, written before the first measurement
    pieces/NNNN.json     findings of one finished group of cases, and its datasets
    pieces/constants.json
    pieces/claims/<claim>.json   pictures of one claim whose curves are in place
    findings.json        all findings, in the order of the plan; present once the run is finished
    <claim>.nc           the curves behind the findings, one netCDF group per setting and witness
    report.html

Every file is written whole and sealed (``keeping``, ``netcdf``): what is damaged or altered is
never read as whole. A piece in that state is measured again; findings and curves are refused.
Pieces are removed once the files that hold their content are in place.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lvebm_theory.errors import ArgumentError

from .finding import Finding
from .keeping import (
    digest_of,
    read_json,
    read_sealed,
    sealed,
    unsealed,
    write_json,
    writing_to,
)
from .plan import Group, Plan

if TYPE_CHECKING:
    import xarray

log = logging.getLogger(__name__)
SCHEMA: Final = "lvebm-theory/findings/2"


class Folder:
    """A results folder."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.plan_file = self.path / "plan.json"
        self.pieces = self.path / "pieces"
        self.findings_file = self.path / "findings.json"
        self.report_file = self.path / "report.html"

    # the plan ------------------------------------------------------------------------------

    @property
    def holds_a_run(self) -> bool:
        """True where a run has left its plan or its findings; pieces alone are of no use."""
        with writing_to(self.path):
            return self.plan_file.exists() or self.findings_file.exists()

    def begin(self, plan: Plan) -> None:
        """Stores the plan; raises ArgumentError where the folder cannot be written."""
        with writing_to(self.path):
            self.forget_pieces()
            self.pieces.mkdir(parents=True, exist_ok=True)
            write_json(self.plan_file, plan.to_json(), indent=1)

    def plan(self) -> Plan:
        """The stored plan; raises ArgumentError where there is none or it is damaged."""
        try:
            content = read_json(self.plan_file)
        except FileNotFoundError as error:
            raise ArgumentError(f"{self.path} holds no run (no plan.json there)") from error
        try:
            return Plan.from_json(content)
        except ArgumentError as error:
            raise ArgumentError(f"{self.plan_file} cannot be used: {error}") from error

    # pieces --------------------------------------------------------------------------------

    def _piece(self, group: Group) -> Path:
        return self.pieces / f"{group.index:04d}.json"

    def write_piece(
        self,
        plan: Plan,
        group: Group,
        findings: Sequence[Finding],
        datasets: Sequence[xarray.Dataset],
    ) -> None:
        """Findings of a finished group, and its datasets (one per look that made one)."""
        from .curves_json import curves_to_json

        self.pieces.mkdir(parents=True, exist_ok=True)
        body = {
            "plan": plan.digest,
            "curves": [curves_to_json(dataset) for dataset in datasets],
            "findings": [finding.to_json() for finding in findings],
        }
        write_json(self._piece(group), sealed(body), allow_nan=True)

    def _open_piece(self, plan: Plan, group: Group) -> dict[str, Any] | None:
        body = _opened(self._piece(group), plan)
        return body if body is not None and len(body["findings"]) == len(group.cases) else None

    def read_piece(self, plan: Plan, group: Group) -> list[Finding] | None:
        """Findings of a finished group of this plan; None where it is not (wholly) there."""
        body = self._open_piece(plan, group)
        return None if body is None else [Finding.from_json(row) for row in body["findings"]]

    def read_datasets(self, plan: Plan, group: Group) -> list[xarray.Dataset]:
        """Datasets of a finished group, one per look that made one."""
        from .curves_json import curves_from_json

        body = self._open_piece(plan, group)
        return [] if body is None else [curves_from_json(row) for row in body["curves"]]

    def curves_file(self, claim: str) -> Path:
        """Where the curves of a claim are, if it made any."""
        return self.path / f"{claim}.nc"

    def write_pictures(self, plan: Plan, claim: str, pictures: Sequence[str]) -> None:
        """Pictures of a claim whose curves are in their file."""
        target = self._pictures(claim)
        target.parent.mkdir(parents=True, exist_ok=True)
        curves = _digest_of(self.curves_file(claim))
        body = {"plan": plan.digest, "curves": curves, "pictures": list(pictures)}
        write_json(target, sealed(body))

    def read_pictures(self, plan: Plan, claim: str) -> list[str] | None:
        """Pictures of a claim; None where they, or the file of its curves, are not there."""
        body = _opened(self._pictures(claim), plan)
        if body is None:
            return None
        whole = body["curves"] == _digest_of(self.curves_file(claim))
        return list(body["pictures"]) if whole else None

    def _pictures(self, claim: str) -> Path:
        return self.pieces / "claims" / f"{claim}.json"

    def write_constants(
        self, plan: Plan, constants: Mapping[str, Any], above: Mapping[str, Any] | None = None
    ) -> None:
        """Constants of the user's energy, and what bounds the log-Sobolev one from above."""
        self.pieces.mkdir(parents=True, exist_ok=True)
        body = {"plan": plan.digest, "constants": constants, "above": above}
        write_json(self.pieces / "constants.json", sealed(body))

    def read_constants(self, plan: Plan) -> dict[str, Any] | None:
        """Constants of the user's energy, None where they are not there yet."""
        body = _opened(self.pieces / "constants.json", plan)
        return None if body is None else dict(body["constants"])

    def read_above(self, plan: Plan) -> dict[str, Any] | None:
        """What ``normal_laws`` found for the user's energy, None where it found nothing."""
        body = _opened(self.pieces / "constants.json", plan)
        return None if body is None else body["above"]

    # the finished run ----------------------------------------------------------------------

    def finish(self, plan: Plan, findings: Sequence[Finding]) -> dict[str, Any]:
        """``findings.json``, once every claim's curves are gathered."""
        content = self.contents(plan, findings)
        write_json(self.findings_file, sealed(content), indent=1)
        return content

    def contents(self, plan: Plan, findings: Sequence[Finding]) -> dict[str, Any]:
        """What ``findings.json`` holds beside the digest of all this."""
        request = plan.request
        return {
            "schema": SCHEMA,
            "version": plan.version,
            "seed": request.seed,
            "budget": request.budget,
            "alpha": request.alpha,
            "energy": request.label,
            "constants": self.read_constants(plan) or {},
            "findings": [finding.to_json() for finding in findings],
        }

    def forget_pieces(self) -> None:
        """Removes the pieces, once everything that is made of them is in place."""
        shutil.rmtree(self.pieces, ignore_errors=True)

    def read_findings(self) -> dict[str, Any] | None:
        """What ``contents`` made of the finished run; None where it is not finished.

        Raises
        ------
        ArgumentError
            The file was altered or damaged, or is of another version.
        """
        try:
            content = read_json(self.findings_file)
        except FileNotFoundError:
            return None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ArgumentError(f"{self.findings_file} cannot be used: it is no {SCHEMA} file")
        return unsealed(content, self.findings_file)


def _opened(piece: Path, plan: Plan) -> dict[str, Any] | None:
    """The body of a piece of this plan; None where it is missing, altered or of another plan."""
    try:
        body = read_sealed(piece)
    except FileNotFoundError:
        return None
    except (OSError, ArgumentError) as error:
        log.warning("%s; what it held counts as not measured", error)
        return None
    return body if body.get("plan") == plan.digest else None


def _digest_of(path: Path) -> str | None:
    """Digest of a file, None where there is none."""
    return digest_of(path.read_bytes()) if path.exists() else None
