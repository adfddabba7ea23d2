"""Runs of the command line on synthetic claims, shared by the tests of this folder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from verification.finding import Finding

HERE = Path(__file__).parent
SYNTHETIC = ("--package", "synthetic_claims")


@dataclass(frozen=True)
class Ran:
    """A command line that has run."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def content(self):
        return json.loads((self.folder / "findings.json").read_text())

    @property
    def findings(self):
        return [Finding.from_json(row) for row in self.content["findings"]]


def command(*arguments):
    """The command line as a list, for the interpreter that runs the tests."""
    return [sys.executable, "-m", "verification.cli", *map(str, arguments)]


def environment():
    paths = [str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def lvebm(*arguments, cwd=None, timeout=300):
    """Runs ``lvebm`` in a process of its own."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(),
        cwd=cwd,
        timeout=timeout,
    )
    out = [str(a) for a in arguments]
    folder = Path(out[out.index("--out") + 1]) if "--out" in out else Path("nowhere")
    return Ran(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture(autouse=True)
def synthetic_claims(monkeypatch):
    """The synthetic claims can be imported."""
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """One run of every synthetic claim that leaves its process alive and is not slow."""
    folder = tmp_path_factory.mktemp("everything") / "results"
    names = "agreeing,contradicted,undecided,inapplicable,failing,missed"
    return lvebm("verify", *SYNTHETIC, "--claims", names, "--budget", "quick", "--out", folder)


@pytest.fixture(scope="session")
def agreeing(tmp_path_factory):
    """A run in which all is well, printed as JSON."""
    folder = tmp_path_factory.mktemp("agreeing") / "results"
    return lvebm(
        *("verify", *SYNTHETIC, "--claims", "agreeing", "--budget", "quick"),
        *("--seed", 5, "--alpha", 0.01, "--jobs", 1, "--json", "--out", folder),
    )
