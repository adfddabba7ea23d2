"""Results survive people: kills, full disks, closed pipes, two runs at once, damage and edits."""

import io
import json
import os
import py_compile
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

from benchmarks import faults
from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula import generated
from lvebm_theory.theorem import Relation
from verification import cli, patience
from verification.claim import BUDGETS, Case
from verification.evaluation import evaluate_cases
from verification.keeping import Lock, forget_asides, read_sealed, sealed, write_json
from verification.netcdf import read_datasets, write_datasets
from verification.training.config import read_config
from verification.training.curves import Curves
from verification.training.points import read_points
from verification.training.states import store, stored_state

from .conftest import SYNTHETIC, command, environment
from .test_training_runs import configuration, trained  # noqa: F401 (a fixture)

QUICK = ("verify", *SYNTHETIC, "--budget", "quick", "--jobs", "2", "--claims")
# seconds in which a process that is to end does, however busy the machine
PATIENT = 60.0
LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")


def refused(capsys, *arguments, words=""):
    """Bad input: exit status 3, one sentence, nothing on standard output."""
    assert cli.run([str(a) for a in arguments]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


# kills ----------------------------------------------------------------------------------------

ORPHANS = """
import os, signal, sys, time
from verification.worker import Worker
workers = [Worker(), Worker()]
for worker in workers:
    worker.submit("time:sleep", 60)
time.sleep({wait})
os.kill(os.getpid(), signal.SIGKILL)
"""


@LINUX
@pytest.mark.parametrize("seed", range(4))
def test_no_worker_outlives_a_parent_that_is_killed_at_its_birth(tmp_path, seed):
    wait = random.Random(seed).uniform(0.0, 0.1)
    env = {**environment(), faults.MARK: str(tmp_path)}
    subprocess.run([sys.executable, "-c", ORPHANS.format(wait=wait)], env=env, check=False)
    assert faults.left_after(PATIENT, tmp_path) == []


@pytest.mark.slow
@LINUX
@pytest.mark.parametrize(("kind", "kills"), [("verify", 2), ("train", 2)])
def test_kills_at_random_moments_lose_nothing_and_change_no_number(kind, kills, tmp_path):
    found = faults.chain(kind, 5, kills, faults.uninterrupted(kind), grace=PATIENT)
    assert found["said"] == []
    assert found["kills"] == kills
    assert found["through"] >= 1
    for what in ("lost", "left", "litter", "other numbers", "refused"):
        assert found[what] == 0, what


def test_what_a_killed_process_left_half_written_goes_at_the_next_run(tmp_path):
    litter = [tmp_path / ".findings.json.xyz.aside", tmp_path / "pieces" / ".0001.json.q.aside"]
    (tmp_path / "pieces").mkdir()
    for path in litter:
        path.write_text("{")
    (tmp_path / "kept.aside").write_text("not ours")
    Lock(tmp_path).release()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept.aside"]
    litter[0].write_text("{")
    forget_asides(tmp_path, "findings.json", older=60.0)
    assert litter[0].exists()  # somebody may be writing it
    os.utime(litter[0], (0, 0))
    forget_asides(tmp_path, "other.json", older=60.0)
    assert litter[0].exists()
    forget_asides(tmp_path, "findings.json", older=60.0)
    assert not litter[0].exists()


# two runs at once -----------------------------------------------------------------------------


def test_a_second_run_in_a_folder_is_refused_while_the_first_is_at_work(tmp_path, capsys):
    folder = tmp_path / "results"
    folder.mkdir()
    with Lock(folder):
        arguments = (*QUICK, "agreeing", "--out", folder)
        refused(capsys, *arguments, words=f"another process ({os.getpid()}) is at work in {folder}")
        assert not (folder / "plan.json").exists()
        with pytest.raises(ArgumentError, match="is at work"):
            Lock(folder)
        Lock(tmp_path / "another").release()
    assert list(folder.iterdir()) == []


def test_a_lock_of_a_process_that_is_gone_blocks_nobody(tmp_path):
    taken = "from verification.keeping import Lock; import os, pathlib\n"
    taken += f"lock = Lock(pathlib.Path({str(tmp_path)!r})); os._exit(9)"
    subprocess.run([sys.executable, "-c", taken], env=environment(), check=False)
    assert (tmp_path / ".lock").exists()
    with Lock(tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()


# seals ----------------------------------------------------------------------------------------


@pytest.fixture
def finished(agreeing, tmp_path):
    return shutil.copytree(agreeing.folder, tmp_path / "results")


EDITS = {
    "a verdict": ('"verdict": "HOLDS"', '"verdict": "VIOLATED"'),
    "a number": ('"measured": 0.', '"measured": 0.1'),
    "a key": ('"alpha"', '"alpho"'),
    "no digest": ('"digest"', '"digist"'),
    "half of it": (None, None),
    "brackets": (None, "[" * 200_000),
    "another file": (None, '{"schema": "something else"}'),
    "an empty object": (None, "{}"),
    "no text": (None, "\udcff\udcfe"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_findings_that_were_edited_or_damaged_are_refused(finished, edit, capsys):
    file = finished / "findings.json"
    text = file.read_text()
    old, new = EDITS[edit]
    changed = text.replace(old, new, 1) if old else (text[: len(text) // 2] if new is None else new)
    assert changed != text
    file.write_bytes(changed.encode("utf-8", "surrogateescape"))
    refused(capsys, "verify", "--resume", "--out", finished, words="findings.json cannot be used")
    refused(capsys, "report", finished, words="findings.json cannot be used")


def test_curves_that_were_damaged_are_refused(finished, capsys):
    file = finished / "agreeing.nc"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    refused(capsys, "report", finished, words="agreeing.nc cannot be used")


def test_a_training_folder_that_was_edited_or_damaged_is_refused(trained, tmp_path, capsys):  # noqa: F811
    for name, edit in {
        "run.json": lambda data: data.replace(b'"updates": 60', b'"updates": 61'),
        "points.npz": lambda data: data[:-40] + b"\0" * 40,
        "curves.nc": lambda data: data[:5000] + b"x" + data[5001:],
        "checkpoint.safetensors": lambda data: data[:-8] + b"12345678",
    }.items():
        run = shutil.copytree(trained, tmp_path / name)
        data = (run / name).read_bytes()
        assert edit(data) != data
        (run / name).write_bytes(edit(data))
        refused(capsys, "train", "--resume", "--out", run, words=name)
    bare = shutil.copytree(trained, tmp_path / "bare")
    body = read_sealed(bare / "run.json")
    del body["config"]
    write_json(bare / "run.json", sealed(body))
    refused(capsys, "report", bare, words="it lacks config")


def test_a_checkpoint_says_how_far_it_is_under_its_seal(trained, tmp_path, capsys):  # noqa: F811
    run = shutil.copytree(trained, tmp_path / "run")
    file = run / "checkpoint.safetensors"
    assert file.read_bytes().count(b'\\"update\\": 60') == 1
    file.write_bytes(file.read_bytes().replace(b'\\"update\\": 60', b'\\"update\\": 20'))
    refused(capsys, "sample", run, words="it is not what was written")


def test_curves_that_are_not_there_are_said_to_be_missing(trained, tmp_path, caplog):  # noqa: F811
    from verification.training.folder import RunFolder

    run = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    run.curves_file.unlink()
    assert Curves.stored(run, 60).readings == []
    assert "the curves begin at update 60" in caplog.text


def test_points_without_a_run_are_of_one_that_never_began(tmp_path, capsys):
    file, folder = configuration(tmp_path), tmp_path / "run"
    folder.mkdir()
    (folder / "points.npz").write_bytes(b"half a file")
    refused(capsys, "train", "--resume", "--out", folder, words="holds no training run")
    assert cli.run(["train", str(file), "--out", str(folder)]) == 0
    assert (folder / "run.json").exists()


def test_results_of_a_sweep_that_were_edited_are_made_again(tmp_path, caplog):
    from benchmarks import resumable
    from verification.experiments.plan import brief_plan
    from verification.experiments.sweep import stored

    run = brief_plan()[0]
    file = tmp_path / f"{run.name}.json"
    write_json(file, sealed({"plan": run.digest, "likelihood": 1.25}))
    assert stored(run, tmp_path)["likelihood"] == 1.25
    file.write_text(file.read_text().replace("1.25", "1.26"))
    assert stored(run, tmp_path) is None
    assert "altered or damaged" in caplog.text

    made = resumable.Run(name="one", work=dict, arguments={"value": 1.25}, digest="d")
    resumable.sweep([made], tmp_path, processes=1, silent=True)
    file = tmp_path / "one.json"
    assert resumable.stored(made, tmp_path) == {"value": 1.25}
    content = json.loads(file.read_text())
    for seal in ({}, {"seal": content["seal"]}):  # without a seal it could be anything
        caplog.clear()
        write_json(file, {"digest": "d", **seal, "result": {"value": 1.26}})
        assert resumable.stored(made, tmp_path) is None
        assert "one was altered or damaged" in caplog.text
    resumable.sweep([made], tmp_path, processes=1, silent=True)
    assert resumable.stored(made, tmp_path) == {"value": 1.25}


# readings do not depend on the speed of the machine -------------------------------------------


def test_readings_and_checkpoints_stand_where_the_configuration_says(tmp_path, monkeypatch):
    from verification.training import run as running
    from verification.training.session import Asked, begin

    found = []
    for speed, seconds in (("slow", 1e-9), ("fast", 1e9)):
        (tmp_path / speed).mkdir()
        tables = {"updates": 450, "record_every": 2, "checkpoint_every": 30}
        asked = Asked(
            config=read_config(configuration(tmp_path / speed, training=tables)),
            beside=tmp_path / speed,
        )
        session, _ = begin(asked, tmp_path / speed / "run")
        monkeypatch.setattr(running, "PIECE_SECONDS", seconds)
        shown, stored = [], []
        monkeypatch.setattr(
            running,
            "store",
            lambda learner, folder, state, curves, to=stored: (
                to.append(state.update),
                store(learner, folder, state, curves),
            ),
        )
        trained_run = running.run_training(
            session.learner, session.folder, lambda step, to=shown: to.append(step.reading.update)
        )
        session.release()
        readings = [{**vars(r), "seconds": 0.0} for r in trained_run.curves.readings]
        found.append((readings, stored, trained_run.curves.theta_norm, len(shown)))
    (one, at_one, theta_one, shown_one), (other, at_other, theta_other, shown_other) = found
    assert shown_one > shown_other  # the pieces were not the same
    assert one == other
    assert at_one == at_other
    assert theta_one == theta_other
    assert len(one) >= 100


# the disk is full -----------------------------------------------------------------------------


def test_a_full_disk_is_no_verdict(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "results"
    monkeypatch.setenv("LVEBM_TEST_ENDLESS", "full")
    assert cli.run([*QUICK, "endless", "--jobs", "1", "--out", str(folder)]) == 4
    err = capsys.readouterr().err
    assert "error: No space left on device: somewhere" in err
    assert f"lvebm verify --resume --out {folder}" in err
    assert not (folder / "findings.json").exists()
    assert not any("SOLVER_FAILED" in p.read_text() for p in folder.glob("pieces/*.json"))
    monkeypatch.delenv("LVEBM_TEST_ENDLESS")
    assert cli.run(["verify", "--resume", "--out", str(folder)]) == 0


def torch_out_of_memory():
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")


@pytest.mark.parametrize(
    "ask", [lambda: np.empty(2**62, dtype=np.int8), torch_out_of_memory], ids=["numpy", "torch"]
)
def test_too_little_memory_is_no_verdict(ask):
    asked = Case(quantity="KL", relation=Relation.AT_MOST, witness="grid", time=1.0)
    budget = BUDGETS["quick"]

    class Greedy:
        def evaluate(self, *_):
            return ask()

    with pytest.raises(MemoryError):
        evaluate_cases(Greedy(), None, [asked], alpha_at=lambda _: 1e-6, seed=0, budget=budget)


def test_a_package_that_does_not_load_is_no_verdict():
    asked = Case(quantity="KL", relation=Relation.AT_MOST, witness="grid", time=1.0)

    class Broken:
        def evaluate(self, *_):
            raise ImportError("libgomp.so.1: cannot open shared object file", name="torch")

    with pytest.raises(OSError, match="a package is missing or cannot be loaded: libgomp"):
        evaluate_cases(
            Broken(), None, [asked], alpha_at=lambda _: 1e-6, seed=0, budget=BUDGETS["quick"]
        )


def test_a_group_without_memory_is_undecided_and_measured_again(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "results"
    monkeypatch.setenv("LVEBM_TEST_ENDLESS", "memory")
    assert cli.run([*QUICK, "endless", "--out", str(folder)]) == 2
    rows = read_sealed(folder / "findings.json")["findings"]
    late = [row for row in rows if row["provenance"].get("unfinished")]
    assert {(row["witness"], row["verdict"]) for row in late} == {("grid", "UNDECIDED")}
    assert late[0]["provenance"]["reason"].startswith("out of memory, alone too: Unable to alloc")
    assert {row["verdict"] for row in rows if row["witness"] == "numba"} >= {"HOLDS"}
    assert "out of memory" in capsys.readouterr().out
    monkeypatch.delenv("LVEBM_TEST_ENDLESS")
    assert cli.run(["verify", "--resume", "--out", str(folder)]) == 0


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 48 kB, which only root may make."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_run_on_a_full_disk_ends_with_a_sentence_and_goes_on(small_disk, capsys):
    folder = small_disk / "results"
    assert cli.run([*QUICK, "slow", "--seed", "3", "--out", str(folder)]) == 4
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "Traceback" not in err
    kept = {p: p.stat().st_mtime_ns for p in folder.glob("pieces/*.json")}
    assert 0 < len(kept) < 16
    assert not list(folder.rglob("*.aside"))
    assert not any("SOLVER_FAILED" in p.read_text() for p in kept)
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert cli.run(["verify", "--resume", "--out", str(folder)]) == 0


def test_training_on_a_full_disk_ends_with_a_sentence(small_disk, tmp_path, capfd):
    file, folder = configuration(tmp_path), small_disk / "run"
    assert cli.run(["train", str(file), "--out", str(folder)]) == 4
    assert "No space left on device" in capfd.readouterr().err
    assert not list(folder.rglob("*.aside"))
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert cli.run(["train", "--resume", "--out", str(folder)]) == 0


# streams --------------------------------------------------------------------------------------

SHOW = " ".join(map(str, command("list", *SYNTHETIC)))
STREAMS = {
    "a pipe that nobody reads": (f"{SHOW} | true; exit ${{PIPESTATUS[0]}}", 141),
    "help that nobody reads": (f"{SHOW} --help | true; exit ${{PIPESTATUS[0]}}", 141),
    "a full disk": (f"{SHOW} > /dev/full", 4),
    "errors to a full disk": (f"{SHOW} 2> /dev/full", 0),
    "an error to a full disk": (f"{SHOW} --none 2> /dev/full", 3),
    "everything closed": (f"{SHOW} <&- >&- 2>&-", 0),
    "cp1252": (f"PYTHONIOENCODING=cp1252 {SHOW}", 0),
    "ascii": (f"PYTHONIOENCODING=ascii {SHOW.replace('list', 'show')} agreeing", 0),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("how", STREAMS)
def test_streams_that_fail_make_no_verdict(how):
    line, status = STREAMS[how]
    ran = subprocess.run(["bash", "-c", line], env=environment(), capture_output=True, text=True)
    assert ran.returncode == status, ran.stderr
    assert "Traceback" not in ran.stderr


# names, places and homes ----------------------------------------------------------------------

LONG = "n" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        (*QUICK, "agreeing", "--out", LONG),
        ("verify", "--resume", "--out", LONG),
        ("verify", "--claims", LONG),
        ("verify", "--energy", f"{LONG}.py:x"),
        ("report", LONG),
        ("train", f"{LONG}.toml"),
        ("train", "--example", "gaussian", "--out", LONG),
        ("sample", LONG),
        ("check-sampler", f"{LONG}.py:step"),
    ],
    ids=lambda a: " ".join(a)[:30],
)
def test_names_that_are_too_long_are_bad_input(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_is_not_resumed(tmp_path, capsys):
    for more in ((), ("--claims", "agreeing")):
        arguments = ("verify", "--resume", "--out", tmp_path / "TYPO", *more)
        refused(capsys, *arguments, words="holds no run to resume")
    assert list(tmp_path.iterdir()) == []


def test_a_place_for_the_report_of_a_sampler_is_looked_at_before_the_work(
    tmp_path, monkeypatch, capsys
):
    def worked(*_):
        raise AssertionError("the sampler was loaded first")

    monkeypatch.setattr("verification.samplers.user_step.load_step", worked)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    folder = tmp_path / "no" / "such"
    for out in (folder / "r.json", tmp_path, pipe, tmp_path / f"{LONG}.json"):
        refused(capsys, "check-sampler", "x.py:step", "--out", out, words="cannot write to")
    with Lock(tmp_path / "r.json"):
        refused(capsys, "check-sampler", "x.py:step", "--out", tmp_path / "r.json", words="at work")
    assert list(tmp_path.iterdir()) == [pipe]


def test_the_report_of_a_sampler_is_sealed(tmp_path, capsys):
    file = tmp_path / "report.json"
    write_json(file, sealed({"state": {"format": "x"}, "calls": 10}))
    file.write_text(file.read_text().replace("10", "11"))
    step = tmp_path / "mine.py"
    step.write_text("def step(x, energy, step_size, rng):\n    return x\n")
    arguments = ("check-sampler", f"{step}:step", "--resume", file, "--calls", "10")
    assert cli.run([str(a) for a in arguments]) == 3
    assert "altered or damaged" in capsys.readouterr().err


def test_without_a_home_a_private_folder_serves(tmp_path, monkeypatch):
    def homeless(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LVEBM_CACHE", raising=False)
    monkeypatch.setattr(generated.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(Path, "expanduser", homeless)
    folder = generated.cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0


# the cache is code ----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs rights as POSIX has them")
def test_a_cache_that_others_can_write_is_not_used_and_that_is_said(tmp_path, monkeypatch, caplog):
    tmp_path.chmod(0o700)
    monkeypatch.setattr(generated.tempfile, "gettempdir", lambda: str(tmp_path))

    def chosen(mode, above=0o700):
        place = tmp_path / f"{mode:o}-{above:o}" / "cache"
        place.mkdir(parents=True)
        place.chmod(mode)
        place.parent.chmod(above)
        monkeypatch.setenv("LVEBM_CACHE", str(place))
        caplog.clear()
        used = generated.cache_folder() == place
        said = [f"others can write into {p}" in caplog.text for p in (place, place.parent)]
        assert any(said) is not used
        return used

    assert chosen(0o700)
    assert chosen(0o755)
    assert not chosen(0o775)
    assert not chosen(0o777)
    assert not chosen(0o1777)
    assert not chosen(0o700, above=0o777)  # who may write above may put another in its place
    assert chosen(0o700, above=0o1777)


def test_code_comes_from_the_verified_text_and_not_from_a_planted_file(tmp_path, monkeypatch):
    monkeypatch.setenv("LVEBM_CACHE", str(tmp_path / "cache"))
    text = f"# {tmp_path}\nvalue = 'verified'\n"
    module = generated.load(text)
    file = Path(module.__file__)
    planted = tmp_path / "planted.py"
    planted.write_text("value = 'planted'\n")
    target = py_compile.compile(
        str(planted),
        cfile=str(file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc"),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    # the control: Python itself would run what was planted
    ask = f"import sys; sys.path.insert(0, {str(file.parent)!r}); import {file.stem} as m"
    ran = subprocess.run(
        [sys.executable, "-c", f"{ask}; print(m.value)"], capture_output=True, text=True
    )
    assert ran.stdout.strip() == "planted"
    assert Path(target).exists()
    del sys.modules[module.__name__]
    assert generated.load(text).value == "verified"
    del sys.modules[module.__name__]


# files by the hundred -------------------------------------------------------------------------


def mutants(data: bytes, seed: int, count: int):
    """Copies of some bytes: flipped, cut, doubled and filled at random places."""
    draw = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 8, 64))):
            at = draw.randrange(len(copy))
            kind = draw.randrange(4)
            if kind == 0:
                copy[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                copy[at] = draw.choice(b'\0\xff09eE+-.,;:"[]{}()=\n')
            elif kind == 2:
                copy[at:at] = copy[at : at + draw.randrange(1, 40)]
            else:
                del copy[at : at + draw.randrange(1, 40)]
            if not copy:
                break
        yield bytes(copy)


def arrays(kind: str) -> bytes:
    """A small file of points."""
    values, stream = np.arange(24.0).reshape(12, 2) / 7, io.BytesIO()
    if kind == "npy":
        np.save(stream, values)
    elif kind == "npz":
        np.savez(stream, points=values)
    elif kind == "packed.npz":
        np.savez_compressed(stream, points=values)
    else:
        return "\n".join(["a,b", *(f"{a},{b}" for a, b in values.tolist())]).encode()
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["npy", "npz", "packed.npz", "csv"])
def test_mutated_points_are_points_or_refused(kind, tmp_path):
    file, outcomes = tmp_path / f"points.{kind}", set()
    for data in mutants(arrays(kind), 1, 400):
        file.write_bytes(data)
        try:
            read_points(file)
            outcomes.add("read")
        except ArgumentError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def npy(header: str) -> bytes:
    """An NPY file with this header and no data."""
    text = header.ljust(118) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


HOSTILE = {
    "rows.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2), }"),
    "negative.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 2), }"),
    "objects.npy": npy("{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }"),
    "open.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': ((((((("),
    "nothing.npy": b"",
    "none.npz": b"PK\x05\x06" + b"\0" * 18,
    "half.npz": b"PK\x03\x04 and no more",
    "digits.csv": b"1," + b"9" * 5000 + b"\n",
    "cell.csv": b'1,"' + b"x" * 200_000 + b'"\n',
    "zero.csv": b"1,\0\n",
    "utf16.csv": "1,2\n".encode("utf-16"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_points_are_refused(name, tmp_path):
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises(ArgumentError) as caught:
        read_points(tmp_path / name)
    assert len(str(caught.value)) < 500


def test_mutated_configurations_are_read_or_refused(tmp_path):
    data, outcomes = configuration(tmp_path).read_bytes(), set()
    file = tmp_path / "mutant.toml"
    for mutant in mutants(data, 2, 400):
        file.write_bytes(mutant)
        try:
            read_config(file)
            outcomes.add("read")
        except ArgumentError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize(
    "text",
    [
        "seed = " + "9" * 5000,
        "seed = 0x" + "f" * 5000,
        "seed = " + "[" * 100_000,
        "seed = " + "9" * 300,
        "[training]\nupdates = 1" + "0" * 30,
        'name = "' + "\\u0000" * 3 + '"',
    ],
    ids=["5000 digits", "hexadecimal", "brackets", "300 digits", "updates", "zeros"],
)
def test_hostile_configurations_are_refused(text, tmp_path):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ArgumentError) as caught:
        read_config(tmp_path / "run.toml")
    assert len(str(caught.value)) < 500


def test_mutated_curves_are_refused(tmp_path):
    file = tmp_path / "curves.nc"
    dataset = xarray.Dataset({"a": ("t", np.arange(5.0), {"units": "nats"})}, attrs={"n": 3})
    write_datasets(file, {"setting/grid": dataset, "setting/grid/look-1": dataset})
    assert read_datasets(file)["setting/grid"].identical(dataset)
    # whoever does not know of the seal reads the file as any other
    with xarray.open_dataset(file, group="setting/grid", engine="h5netcdf") as plain:
        assert plain.load().identical(dataset)
    whole = file.read_bytes()
    for mutant in mutants(whole, 3, 200):
        if mutant != whole:
            file.write_bytes(mutant)
            with pytest.raises(ArgumentError, match="cannot be used"):
                read_datasets(file)


def test_mutated_sealed_files_are_refused(tmp_path):
    file = tmp_path / "findings.json"
    body = {"findings": [{"measured": 0.25, "verdict": "HOLDS"}], "seed": 3}
    write_json(file, sealed(body), indent=1)
    whole = file.read_bytes()
    for mutant in mutants(whole, 4, 400):
        file.write_bytes(mutant)
        try:
            found = read_sealed(file)
        except ArgumentError:
            continue
        assert found == body  # only what is no content changed: a space, say


def test_mutated_checkpoints_are_refused(trained, tmp_path):  # noqa: F811
    from verification.training.session import reopen

    session = reopen(shutil.copytree(trained, tmp_path / "run"))
    whole = session.folder.checkpoint.read_bytes()
    for mutant in mutants(whole, 5, 60):
        session.folder.checkpoint.write_bytes(mutant)
        if mutant != whole:
            with pytest.raises(ArgumentError):
                stored_state(session.learner, session.folder)


# nothing goes on for ever ---------------------------------------------------------------------


@pytest.mark.parametrize("how", ["computing", "waiting"])
def test_a_group_that_never_ends_is_out_of_time_and_spoils_no_other(
    how, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "results"
    monkeypatch.setenv("LVEBM_TEST_ENDLESS", how)
    monkeypatch.setattr(patience, "LEAST", 3.0)
    monkeypatch.setattr(patience, "DEAREST", {"quick": 0.3})
    monkeypatch.setattr(patience, "WAITING", 2.0)
    assert cli.run([*QUICK, "endless", "--out", str(folder)]) == 2
    rows = read_sealed(folder / "findings.json")["findings"]
    verdicts = {
        (row["witness"], row["verdict"])
        for row in rows
        if row["claim"] == "endless" and row["control"] is None
    }
    assert verdicts == {("grid", "UNDECIDED"), ("numba", "HOLDS")}
    late = [row for row in rows if row["provenance"].get("unfinished")]
    assert late
    assert all(row["provenance"]["reason"].startswith("out of time: ") for row in late)
    assert all(row["provenance"]["alpha_spent"] == 0 for row in late)
    assert "out of time" in capsys.readouterr().out
    monkeypatch.delenv("LVEBM_TEST_ENDLESS")
    kept = {p: p.stat().st_mtime_ns for p in folder.glob("pieces/[0-9]*.json")}
    assert kept
    assert cli.run(["verify", "--resume", "--out", str(folder)]) == 0
    rows = read_sealed(folder / "findings.json")["findings"]
    assert not any(row["provenance"].get("unfinished") for row in rows)
    assert not (folder / "pieces").exists()


def test_a_run_ends_within_its_limit(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    monkeypatch.setenv("LVEBM_TEST_ENDLESS", "waiting")
    arguments = [*QUICK, "endless,agreeing", "--time-limit", "8", "--out", str(folder)]
    assert cli.run(arguments) == 2
    rows = read_sealed(folder / "findings.json")["findings"]
    late = [row for row in rows if row["provenance"].get("unfinished")]
    assert {row["witness"] for row in late} == {"grid"}
    assert "the run was to end after 8 s" in late[0]["provenance"]["reason"]


def test_limits_are_ten_times_what_such_a_group_costs_and_at_least_a_minute():
    class Asked:
        claim, witness = "kl-decay", "grid"

    limits = patience.Patience(budget="standard")
    assert limits.limit(Asked) == 600.0
    limits.finished(Asked, 2.0)
    assert limits.limit(Asked) == 60.0
    limits.finished(Asked, 20.0)
    limits.finished(Asked, 1.0)
    assert limits.limit(Asked) == 200.0
    assert patience.Patience(budget="standard", time_limit=10.0).limit(Asked) == float("inf")
