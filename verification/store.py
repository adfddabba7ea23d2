"""The results folder of a run.

    plan.json            every planned case, written before the first measurement
    pieces/NNNN.json     findings of one finished group of cases (and NNNN.nc, its datasets)
    pieces/constants.json
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
from typing import TYPE_CHECKING, Any, Final, Literal

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


def write_json(target: Path, content: Any, *, indent: int | None = None) -> None:
    """JSON text, aside and then renamed."""
    with written_aside(target) as aside:
        aside.write_text(json.dumps(content, indent=indent, allow_nan=False) + "\n")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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
        self.pieces.mkdir(parents=True, exist_ok=True)
        target = self._piece(group)
        curves = None
        if datasets:
            with written_aside(target.with_suffix(".nc")) as aside:
                for look, dataset in enumerate(datasets):
                    mode: Literal["w", "a"] = "w" if look == 0 else "a"
                    dataset.to_netcdf(aside, mode=mode, group=f"look-{look}", engine=ENGINE)
                curves = _digest(aside.read_bytes())
        body = {
            "plan": plan.digest,
            "looks": len(datasets),
            "curves": curves,
            "findings": [finding.to_json() for finding in findings],
        }
        # the JSON comes last: its presence says that the piece is finished
        write_json(target, _seal(body))

    def read_piece(self, plan: Plan, group: Group) -> list[Finding] | None:
        """Findings of a finished group of this plan; None where it is not (wholly) there."""
        body = _open_sealed(self._piece(group))
        if body is None or body["plan"] != plan.digest or len(body["findings"]) != len(group.cases):
            return None
        if body["curves"] is not None:
            try:
                data = self._piece(group).with_suffix(".nc").read_bytes()
            except OSError:
                return None
            if _digest(data) != body["curves"]:
                return None
        return [Finding.from_json(row) for row in body["findings"]]

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
        """Gathers the pieces into one netCDF file per claim and ``findings.json``."""
        from .gather import write_curves

        groups = plan.groups
        for claim in dict.fromkeys(group.claim for group in groups):
            own = [group for group in groups if group.claim == claim]
            pieces = [(group.path, self._piece(group).with_suffix(".nc")) for group in own]
            write_curves(self.path / f"{claim}.nc", pieces)
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
