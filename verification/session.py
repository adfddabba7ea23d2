"""One run from its request to its report: a plan bound to a results folder."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError

from .admission import Options, admit, refuse_changed
from .finding import Finding
from .plan import Plan, build_plan
from .runner import Listener, collect, run_plan, silent
from .store import Folder
from .summary import Exit, exit_status

DEFAULT_ROOT = Path("lvebm-results")


def library_version() -> str:
    """Version of the installed library."""
    try:
        return version("lvebm-theory")
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True, kw_only=True)
class Session:
    """A plan and the folder that holds it."""

    plan: Plan
    folder: Folder

    def run(self, *, jobs: int, listener: Listener = silent) -> dict[str, Any]:
        """Measures what is missing and writes the results; returns what findings.json holds."""
        content = self.finished()
        if content is None:
            findings = run_plan(self.plan, self.folder, jobs=jobs, listener=listener)
            content = self.folder.finish(self.plan, findings)
            write_report(self.folder, self.plan, content)
            self.folder.forget_pieces()
        return content

    def finished(self) -> dict[str, Any] | None:
        """What findings.json holds, None unless it holds every finding of this plan."""
        content = self.folder.read_findings()
        if content is None or len(content["findings"]) != self.plan.findings:
            return None
        own = all(row["provenance"]["plan"] == self.plan.digest for row in content["findings"])
        return content if own and self.folder.report_file.exists() else None

    @staticmethod
    def findings(content: Mapping[str, Any]) -> list[Finding]:
        """The findings in findings.json."""
        return [Finding.from_json(row) for row in content["findings"]]

    def status(self, content: Mapping[str, Any]) -> Exit:
        """Exit status of the run."""
        return exit_status(self.findings(content))


def open_session(
    options: Options | None, *, out: Path | None, resume: bool
) -> tuple[Session, Sequence[str]]:
    """A session for these options; for None, the stored run that is to be resumed.

    Returns
    -------
    session
    warnings : sentences for the user

    Raises
    ------
    ArgumentError
        Bad input; the folder holds another run; or there is nothing to resume.
    """
    folder = Folder(out if out is not None else _default_folder(resume=resume))
    if options is None and folder.plan_file.exists():
        return _stored_session(folder), ()
    stored = folder.holds_a_run
    if stored and not resume:
        raise ArgumentError(
            f"{folder.path} already holds a run; choose another --out, or continue with --resume"
        )
    request, warnings = admit(options or Options())
    plan = build_plan(request, library_version())
    if not stored or not folder.plan_file.exists():
        folder.begin(plan)
    elif folder.plan().digest != plan.digest:
        raise ArgumentError(
            f"{folder.path} holds a run with another plan; choose another --out, or give "
            "--resume without further options to continue that one"
        )
    return Session(plan=plan, folder=folder), warnings


def _stored_session(folder: Folder) -> Session:
    """The run that a folder holds, provided that it would be planned in the same way today."""
    session = Session(plan=folder.plan(), folder=folder)
    if session.finished() is None:
        refuse_changed(session.plan.request)
        if build_plan(session.plan.request, library_version()).digest != session.plan.digest:
            raise ArgumentError(
                f"{folder.path} was planned with another version of the library or of its claims; "
                "start anew with another --out"
            )
    return session


def _default_folder(*, resume: bool) -> Path:
    """A new folder named by the time; to resume, the newest that holds a plan."""
    if resume:
        found = sorted(DEFAULT_ROOT.glob("*/plan.json"), key=lambda p: p.stat().st_mtime)
        if not found:
            raise ArgumentError(f"there is no run to resume in {DEFAULT_ROOT}")
        return found[-1].parent
    stem = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder, n = DEFAULT_ROOT / stem, 1
    while folder.exists():
        n += 1
        folder = DEFAULT_ROOT / f"{stem}-{n}"
    return folder


def write_report(folder: Folder, plan: Plan, content: Mapping[str, Any]) -> Path:
    """Writes report.html from stored results."""
    from .report import render
    from .store import written_aside

    with written_aside(folder.report_file) as aside:
        aside.write_text(render(folder, plan, content), encoding="utf-8")
    return folder.report_file


def rewrite_report(path: Path) -> Path:
    """Writes report.html of a run, finished or not, from what its folder holds."""
    folder = Folder(path)
    plan = folder.plan()
    content = folder.read_findings()
    if content is None:
        content = folder.contents(plan, collect(plan, folder))
    return write_report(folder, plan, content)
