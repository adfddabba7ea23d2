"""What the README and the page about samplers say is run, and every law stands on the page."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from verification.decide import Verdict
from verification.samplers import check_sampler
from verification.samplers.laws import all_laws
from verification.samplers.user_step import load_step

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs" / "samplers.md").read_text()


def block(text, start):
    """The indented lines from the one that says ``start`` on."""
    lines = text[text.index(f"    {start}\n") :].splitlines()
    kept = []
    for line in lines:
        if line.strip() and not line.startswith("    "):
            break
        kept.append(line[4:])
    return "\n".join(kept) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "my_sampler.py").write_text(block(README, "# my_sampler.py"))
    (tmp_path / "test_my_sampler.py").write_text(block(README, "# test_my_sampler.py"))
    return tmp_path


def test_the_readmes_sampler_is_right_and_wrong_without_its_correction(files):
    step = load_step(str(files / "my_sampler.py"))
    report = check_sampler(step, reversible=True, calls=300_000)
    assert report.verdict is not Verdict.VIOLATED, str(report)
    assert report.law("detailed balance").power is not None
    text = (files / "my_sampler.py").read_text()
    broken = text.replace(" + log_proposal(y, x) - log_proposal(x, y)", "")
    assert broken != text
    (files / "broken.py").write_text(broken)
    again = check_sampler(load_step(str(files / "broken.py")), reversible=True, calls=300_000)
    assert again.verdict is Verdict.VIOLATED
    assert "proposal correction" in again.localisation.text


def test_the_readmes_command_runs(files):
    code = "from verification.cli import main; main()"
    asked = ["check-sampler", "my_sampler.py:step", "--reversible", "--budget", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *asked],
        cwd=files,
        env={**__import__("os").environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 2), done.stderr  # holds, or undecided on a slow machine
    assert '"verdict"' in done.stdout


def test_the_readmes_tests_run(files, monkeypatch):
    """The decorated test as it stands; the budget of the other one is the reader's."""
    monkeypatch.syspath_prepend(str(files))
    source = (files / "test_my_sampler.py").read_text()
    assert "budget=10" in source
    namespace = {}
    exec(
        compile(source.replace("budget=10", "calls=100_000"), "test_my_sampler.py", "exec"),
        namespace,
    )
    namespace["test_report"]()
    assert namespace["test_step"].__name__ == "step"


def test_the_page_states_every_law():
    headings = re.findall(r"^### (.+)$", PAGE, flags=re.MULTILINE)
    for law in all_laws():
        assert law.NAME in headings, law.NAME
        section = PAGE.split(f"### {law.NAME}\n")[1].split("\n### ")[0].split("\n## ")[0]
        for word in ("*Statement.*", "*Level.*", "*Power.*", "*Blind"):
            assert word in section, f"{law.NAME} says nothing about {word}"


def test_the_page_speaks_of_options_and_schemes_that_exist():
    from verification.cli import app
    from verification.samplers import adapters, schemes

    for name in schemes.NAMES:
        assert f"`{name}`" in PAGE, name
    for name in adapters.__all__:
        assert f"`{name}`" in PAGE, name
    assert app is not None


def test_the_curves_of_the_page_are_the_exact_ones():
    """The documented variances of torchebm's integrators, from the table on the page."""
    exact = {
        "EulerMaruyama": lambda h: 2 / (2 - h),
        "Heun": lambda h: 2 * h / (1 - (1 - h + h * h / 2) ** 2),
        "BackwardEulerMaruyama": lambda h: 2 / (2 + h),
    }
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) \| ([\d.]+) \|", PAGE, flags=re.MULTILINE)
    assert {name for name, *_ in rows} == set(exact)
    for name, h, variance in rows:
        assert np.isclose(exact[name](float(h)), float(variance), atol=6e-5)
