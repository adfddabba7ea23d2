"""One run from its request to its report: a plan bound to a results folder."""

from __future__ import annotations

import contextlib
import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError

from .admission import Options, admit, refuse_changed
from .finding import UNFINISHED, Finding
from .gather import gather_rest
from .keeping import Lock, write_text, writing_to
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
    """A plan and the folder that holds it; the lock, where something is left to be measured."""

    plan: Plan
    folder: Folder
    lock: Lock | None = None

    def run(
        self, *, jobs: int, listener: Listener = silent, time_limit: float = math.inf
    ) -> dict[str, Any]:
        """Measures what is missing and writes the results; returns what findings.json holds.

        Raises
        ------
        OSError
            The machine failed: a full disk, say. What is finished is kept.
        """
        try:
            content = self.finished()
            if content is not None:
                self._tidy()
            else:
                findings = run_plan(
                    self.plan, self.folder, jobs=jobs, listener=listener, time_limit=time_limit
                )
                gather_rest(self.folder, self.plan)
                content = self.folder.finish(self.plan, findings)
                write_report(self.folder, self.plan, content)
                if not _late(content):
                    self.folder.forget_pieces()
            return content
        finally:
            if self.lock is not None:
                self.lock.release()

    def _tidy(self) -> None:
        """Removes what a process left that was killed just before its end."""
        # nobody may write here, or somebody else is about to do it
        with contextlib.suppress(ArgumentError, OSError), Lock(self.folder.path):
            self.folder.forget_pieces()

    def finished(self) -> dict[str, Any] | None:
        """What findings.json holds, None unless it holds every finding of this plan, measured.

        Raises
        ------
        ArgumentError
            It was altered or damaged.
        """
        content = self.folder.read_findings()
        if content is None or len(content["findings"]) != self.plan.findings:
            return None
        own = all(row["provenance"]["plan"] == self.plan.digest for row in content["findings"])
        whole = own and self.folder.report_file.exists() and not _late(content)
        return content if whole else None

    @staticmethod
    def findings(content: Mapping[str, Any]) -> list[Finding]:
        """The findings in findings.json."""
        return [Finding.from_json(row) for row in content["findings"]]

    def status(self, content: Mapping[str, Any]) -> Exit:
        """Exit status of the run."""
        return exit_status(self.findings(content))


def _late(content: Mapping[str, Any]) -> bool:
    """True where something came to no end."""
    return any(row["provenance"].get(UNFINISHED) for row in content["findings"])


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
        Bad input; the folder holds another run, or another process is at work there; or there is
        nothing to resume.
    """
    folder = Folder(out if out is not None else _default_folder(resume=resume))
    stored = folder.holds_a_run
    if stored and not resume:
        raise ArgumentError(
            f"{folder.path} already holds a run; choose another --out, or continue with --resume"
        )
    if resume and not folder.plan_file.exists():
        raise ArgumentError(
            f"{folder.path} holds no run to resume (no plan.json there); leave --resume out to "
            "begin one"
        )
    warnings: Sequence[str] = ()
    if options is None:
        session, check = Session(plan=folder.plan(), folder=folder), _refuse_outdated
    else:
        request, warnings = admit(options)
        session = Session(plan=build_plan(request, library_version()), folder=folder)
        check = _refuse_other if resume else _begin
    # a finished run is only shown again, perhaps from a place that nobody may write to
    if not resume or session.finished() is None:
        session = _locked(session, check)
    return session, warnings


def _locked(session: Session, check: Callable[[Session], None]) -> Session:
    """The session with its folder's lock, under which the check is made."""
    folder = session.folder
    with writing_to(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder.path)
    try:
        check(session)
    except BaseException:
        lock.release()
        raise
    return replace(session, lock=lock)


def _begin(session: Session) -> None:
    if session.folder.holds_a_run:
        raise ArgumentError(f"{session.folder.path} holds a run that has just begun")
    session.folder.begin(session.plan)


def _refuse_other(session: Session) -> None:
    """Refuses a plan that is not the stored one."""
    if session.folder.plan().digest != session.plan.digest:
        raise ArgumentError(
            f"{session.folder.path} holds a run with another plan; choose another --out, or give "
            "--resume without further options to continue that one"
        )


def _refuse_outdated(session: Session) -> None:
    """Refuses a stored plan that would be another one today."""
    refuse_changed(session.plan.request)
    if build_plan(session.plan.request, library_version()).digest != session.plan.digest:
        raise ArgumentError(
            f"{session.folder.path} was planned with another version of the library or of its "
            "claims; start anew with another --out"
        )


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

    write_text(folder.report_file, render(folder, plan, content))
    return folder.report_file


def rewrite_report(path: Path) -> Path:
    """Writes report.html of a run, finished or not, from what its folder holds."""
    folder = Folder(path)
    plan = folder.plan()
    content = folder.read_findings()
    if content is None:
        unfinished = folder.contents(plan, collect(plan, folder))
        # a run that ended meanwhile has taken its pieces away
        content = folder.read_findings() or unfinished
    return write_report(folder, plan, content)
