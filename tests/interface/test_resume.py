"""Nothing finished is lost: kills, damage, and plans that are not the stored one."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from verification.keeping import read_sealed, write_json
from verification.store import Folder

from .conftest import SYNTHETIC, command, environment, lvebm

SLOW = ("verify", *SYNTHETIC, "--claims", "slow", "--budget", "quick", "--seed", "3")


def content(folder):
    """Findings without what differs from run to run: computing times, and the digest."""
    whole = read_sealed(folder / "findings.json")
    for row in whole["findings"]:
        row["seconds"] = 0.0
    return whole


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "results"
    assert lvebm(*SLOW, "--jobs", 2, "--out", folder).status == 0
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run that was killed after a few groups."""
    folder = tmp_path_factory.mktemp("killed") / "results"
    running = subprocess.Popen(
        command(*SLOW, "--jobs", 1, "--out", folder),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(600):
        if len(list(folder.glob("pieces/*.json"))) >= 3:
            break
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    pieces = len(list(folder.glob("pieces/*.json")))
    assert 3 <= pieces < 16, f"killed too late or too early: {pieces} of 16 groups finished"
    return folder


def test_a_killed_run_resumes_to_the_same_findings(killed, uninterrupted, tmp_path):
    folder = shutil.copytree(killed, tmp_path / "results")
    before = {p.name: p.stat().st_mtime_ns for p in folder.glob("pieces/*.json")}
    piece = sorted(folder.glob("pieces/*.json"))[0]
    kept = read_sealed(piece)["findings"]
    ran = lvebm("verify", "--resume", "--jobs", 2, "--out", folder)
    assert ran.status == 0, ran.err
    assert content(folder) == content(uninterrupted)
    # what was finished was not measured again: its computing times are those of the first run
    seconds = [row["seconds"] for row in kept]
    findings = json.loads((folder / "findings.json").read_text())["findings"]
    assert [row["seconds"] for row in findings if row in kept] == seconds
    assert len(before) >= 3


def test_a_report_of_an_unfinished_run_says_so(killed, tmp_path):
    folder = shutil.copytree(killed, tmp_path / "results")
    assert lvebm("report", folder).status == 0
    assert "not finished" in (folder / "report.html").read_text()
    assert not (folder / "findings.json").exists()


def test_a_damaged_piece_is_measured_again(killed, uninterrupted, tmp_path):
    folder = shutil.copytree(killed, tmp_path / "results")
    cut, altered, renamed = sorted(folder.glob("pieces/*.json"))[:3]
    cut.write_text(cut.read_text()[:-200])
    assert "HOLDS" in altered.read_text()
    altered.write_text(altered.read_text().replace("HOLDS", "VIOLATED", 1))
    renamed.rename(renamed.with_name(f".{renamed.name}.half.aside"))
    assert lvebm("verify", "--resume", "--jobs", 2, "--out", folder).status == 0
    assert content(folder) == content(uninterrupted)


def test_a_piece_without_its_curves_is_not_finished(killed):
    folder = Folder(killed)
    plan = folder.plan()
    piece = sorted(killed.glob("pieces/*.json"))[0]
    group = plan.groups[int(piece.stem)]
    assert folder.read_piece(plan, group)
    (curves,) = folder.read_datasets(plan, group)
    assert list(curves["measured"].dims) == ["time"]
    whole = piece.read_text()
    content = json.loads(whole)
    try:
        for changed in ([], [{**content["curves"][0], "attributes": {}}]):
            piece.write_text(json.dumps({**content, "curves": changed}))
            assert folder.read_piece(plan, group) is None
            assert folder.read_datasets(plan, group) == []
    finally:
        piece.write_text(whole)


def test_pictures_are_those_of_the_curves_in_place(uninterrupted, tmp_path):
    folder = Folder(shutil.copytree(uninterrupted, tmp_path / "results"))
    plan = folder.plan()
    claim = plan.groups[0].claim
    assert folder.read_pictures(plan, claim) is None
    folder.write_pictures(plan, claim, ["<svg>"])
    assert folder.read_pictures(plan, claim) == ["<svg>"]
    other = replace(plan, request=replace(plan.request, seed=4))
    assert folder.read_pictures(other, claim) is None
    with folder.curves_file(claim).open("ab") as stream:
        stream.write(b"x")
    assert folder.read_pictures(plan, claim) is None


def test_a_piece_of_another_plan_is_not_taken(killed):
    folder = Folder(killed)
    plan = folder.plan()
    other = replace(plan, request=replace(plan.request, seed=4))
    finished = [int(piece.stem) for piece in killed.glob("pieces/*.json")]
    assert all(folder.read_piece(plan, plan.groups[index]) for index in finished)
    assert not any(folder.read_piece(other, other.groups[index]) for index in finished)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_findings_do_not_depend_on_jobs(uninterrupted, tmp_path):
    assert lvebm(*SLOW, "--jobs", 3, "--out", tmp_path / "three").status == 0
    assert content(tmp_path / "three") == content(uninterrupted)


def test_a_folder_with_another_run_is_refused(uninterrupted):
    before = {p.name: p.read_bytes() for p in uninterrupted.iterdir() if p.is_file()}
    for arguments, words in (
        ((*SLOW, "--out", uninterrupted), "already holds a run"),
        ((*SLOW[:-1], "4", "--resume", "--out", uninterrupted), "another plan"),
    ):
        ran = lvebm(*arguments)
        assert ran.status == 3
        assert words in ran.err
        assert ran.err.count("\n") == 1
    assert before == {p.name: p.read_bytes() for p in uninterrupted.iterdir() if p.is_file()}


def test_a_finished_run_is_only_shown_again(uninterrupted):
    stamps = {p: p.stat().st_mtime_ns for p in uninterrupted.iterdir()}
    ran = lvebm("verify", "--resume", "--out", uninterrupted)
    assert ran.status == 0
    assert "HOLDS 48" in ran.out
    assert stamps == {p: p.stat().st_mtime_ns for p in uninterrupted.iterdir()}


def test_a_damaged_plan_is_refused(killed, tmp_path):
    folder = shutil.copytree(killed, tmp_path / "results")
    plan = folder / "plan.json"
    plan.write_text(plan.read_text()[:-40])
    ran = lvebm("verify", "--resume", "--out", folder)
    assert ran.status == 3
    assert "plan.json" in ran.err


def test_a_run_is_not_resumed_with_other_claims_or_another_file(killed, tmp_path):
    folder = Folder(shutil.copytree(killed, tmp_path / "results"))
    plan = folder.plan()
    folder.begin(replace(plan, version="0.0.0"))
    ran = lvebm("verify", "--resume", "--out", folder.path)
    assert ran.status == 3
    assert "another version" in ran.err
    file = tmp_path / "mine.py"
    file.write_text("")
    asked = replace(plan.request, file=f"{file}:well", file_digest="0" * 64)
    folder.begin(replace(plan, request=asked))
    ran = lvebm("verify", "--resume", "--out", folder.path)
    assert ran.status == 3
    assert "has changed" in ran.err


def test_resume_without_out_takes_the_newest(tmp_path):
    assert lvebm("verify", "--resume", cwd=tmp_path).status == 3
    arguments = ("verify", *SYNTHETIC, "--claims", "agreeing", "--budget", "quick")
    assert lvebm(*arguments, cwd=tmp_path).status == 0
    (folder,) = (tmp_path / "lvebm-results").iterdir()
    again = lvebm("verify", "--resume", cwd=tmp_path)
    assert again.status == 0
    assert folder.name in again.err


def test_a_process_that_dies_costs_only_its_own_group(tmp_path):
    ran = lvebm(
        *("verify", *SYNTHETIC, "--claims", "dying", "--budget", "quick"),
        *("--out", tmp_path / "results"),
    )
    assert ran.status == 2
    by_witness = {f.witness: f for f in ran.findings}
    assert by_witness["numba"].verdict.value == "HOLDS"
    # the machine may have killed it, and that is no verdict: --resume measures it again
    assert by_witness["grid"].verdict.value == "UNDECIDED"
    assert "process died" in by_witness["grid"].provenance["reason"]
    grid = {f"{g.index:04d}" for g in Folder(tmp_path / "results").plan().groups} - {
        piece.stem for piece in (tmp_path / "results" / "pieces").glob("[0-9]*.json")
    }
    assert len(grid) == 1


def processes_naming(folder):
    """Ids of processes whose command line or environment names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_from_outside_keeps_what_is_finished_and_takes_the_workers(tmp_path, how):
    folder = tmp_path / "results"
    running = subprocess.Popen(
        command(*SLOW, "--jobs", 2, "--out", folder),
        # workers inherit the environment, by which they are found again
        env={**environment(), "MARKED_BY_TEST": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a background job of a shell is born deaf to the terminal's signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(folder.glob("pieces/*.json")):
        time.sleep(0.02)
    assert len(processes_naming(folder)) >= 3
    if how == signal.SIGINT:
        os.killpg(running.pid, how)  # as a terminal does
    else:
        running.send_signal(how)
    for _ in range(200):
        if not processes_naming(folder):
            break
        time.sleep(0.1)
    assert not processes_naming(folder)
    _, err = running.communicate(timeout=60)
    if how == signal.SIGKILL:
        assert running.returncode == -signal.SIGKILL
    else:
        assert running.returncode == 130
        assert "--resume" in err
        assert "Traceback" not in err
    assert list(folder.glob("pieces/*.json"))
    assert not (folder / "findings.json").exists()
