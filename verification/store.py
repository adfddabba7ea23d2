"""The results folder of a run.

    plan.json            every planned case, written before the first measurement
    pieces/NNNN.json     findings of one finished group of cases, and its datasets
    pieces/constants.json
    pieces/claims/<claim>.json   pictures of one claim whose curves are in place
    findings.json        all findings, in the order of the plan; present once the run is finished
    <claim>.nc           the curves behind the findings, one netCDF group per setting and witness
    report.html

Every file is written aside, flushed to the disk and renamed, and every piece carries a digest of
its content: a half-written or damaged file is never read as whole. Pieces are removed once the
files that hold their content are in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lvebm_theory.errors import ArgumentError

from .finding import Finding
from .plan import Group, Plan

if TYPE_CHECKING:
    import xarray

SCHEMA = "lvebm-theory/findings/1"
ENGINE: Final = "h5netcdf"


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A path beside the target; renamed to the target when the block ends well, else removed."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".aside")
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        aside.chmod(0o644)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def write_json(
    target: Path, content: Any, *, indent: int | None = None, allow_nan: bool = False
) -> None:
    """JSON text, aside and then renamed; ``allow_nan`` only for what nobody else reads."""
    with written_aside(target) as aside:
        aside.write_text(json.dumps(content, indent=indent, allow_nan=allow_nan) + "\n")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of(path: Path) -> str | None:
    """Digest of a file, None where there is none."""
    return _digest(path.read_bytes()) if path.exists() else None


def _seal(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": _digest(json.dumps(body, sort_keys=True).encode()), "body": body}


def _open_sealed(path: Path) -> dict[str, Any] | None:
    """The body of a sealed file, or None where it is missing, cut short or altered."""
    try:
        content = json.loads(path.read_text())
        body: dict[str, Any] = content["body"]
        whole = _seal(body)["digest"] == content["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return body if whole else None


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
        """True where a run has left anything."""
        return any(p.exists() for p in (self.plan_file, self.pieces, self.findings_file))

    def begin(self, plan: Plan) -> None:
        """Stores the plan; raises ArgumentError where the folder cannot be written."""
        try:
            self.pieces.mkdir(parents=True, exist_ok=True)
            write_json(self.plan_file, plan.to_json(), indent=1)
        except OSError as error:
            raise ArgumentError(f"cannot write to {self.path}: {error.strerror}") from error

    def plan(self) -> Plan:
        """The stored plan; raises ArgumentError where there is none or it is damaged."""
        try:
            return Plan.from_json(json.loads(self.plan_file.read_text()))
        except FileNotFoundError as error:
            raise ArgumentError(f"{self.path} holds no run (no plan.json there)") from error
        except (OSError, ValueError) as error:
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
        from .gather import curves_to_json

        self.pieces.mkdir(parents=True, exist_ok=True)
        body = {
            "plan": plan.digest,
            "curves": [curves_to_json(dataset) for dataset in datasets],
            "findings": [finding.to_json() for finding in findings],
        }
        write_json(self._piece(group), _seal(body), allow_nan=True)

    def _open_piece(self, plan: Plan, group: Group) -> dict[str, Any] | None:
        body = _open_sealed(self._piece(group))
        if body is None or body["plan"] != plan.digest or len(body["findings"]) != len(group.cases):
            return None
        return body

    def read_piece(self, plan: Plan, group: Group) -> list[Finding] | None:
        """Findings of a finished group of this plan; None where it is not (wholly) there."""
        body = self._open_piece(plan, group)
        return None if body is None else [Finding.from_json(row) for row in body["findings"]]

    def read_datasets(self, plan: Plan, group: Group) -> list[xarray.Dataset]:
        """Datasets of a finished group, one per look that made one."""
        from .gather import curves_from_json

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
        write_json(
            target, _seal({"plan": plan.digest, "curves": curves, "pictures": list(pictures)})
        )

    def read_pictures(self, plan: Plan, claim: str) -> list[str] | None:
        """Pictures of a claim; None where they, or the file of its curves, are not there."""
        body = _open_sealed(self._pictures(claim))
        if body is None or body["plan"] != plan.digest:
            return None
        whole = body["curves"] == _digest_of(self.curves_file(claim))
        return list(body["pictures"]) if whole else None

    def _pictures(self, claim: str) -> Path:
        return self.pieces / "claims" / f"{claim}.json"

    def write_constants(self, plan: Plan, constants: Mapping[str, Any]) -> None:
        """Constants of the user's energy."""
        self.pieces.mkdir(parents=True, exist_ok=True)
        body = {"plan": plan.digest, "constants": constants}
        write_json(self.pieces / "constants.json", _seal(body))

    def read_constants(self, plan: Plan) -> dict[str, Any] | None:
        """Constants of the user's energy, None where they are not there yet."""
        body = _open_sealed(self.pieces / "constants.json")
        if body is None or body["plan"] != plan.digest:
            return None
        return dict(body["constants"])

    # the finished run ----------------------------------------------------------------------

    def finish(self, plan: Plan, findings: Sequence[Finding]) -> dict[str, Any]:
        """Gathers what is not gathered yet into one netCDF file per claim; ``findings.json``."""
        from .gather import gather

        for claim in dict.fromkeys(group.claim for group in plan.groups):
            if self.read_pictures(plan, claim) is None:
                gather(self, plan, claim)
        content = self.contents(plan, findings)
        write_json(self.findings_file, content, indent=1)
        return content

    def contents(self, plan: Plan, findings: Sequence[Finding]) -> dict[str, Any]:
        """What ``findings.json`` holds."""
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
        """``findings.json``, None where the run is not finished or the file is damaged."""
        try:
            content: dict[str, Any] = json.loads(self.findings_file.read_text())
        except (OSError, ValueError):
            return None
        whole = isinstance(content, dict) and content.get("schema") == SCHEMA
        return content if whole else None
