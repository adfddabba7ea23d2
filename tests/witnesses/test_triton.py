"""The fused GPU loop against the compiled CPU loop; see ``triton_cases`` for what is asked.

Without a GPU Triton's interpreter runs the same text on the CPU, and the compiler still has to
turn it into machine code that fits into registers.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton", reason="the optional extra 'gpu' is not installed")
torch = pytest.importorskip("torch")

CASES = Path(__file__).with_name("triton_cases.py")
ROOT = CASES.parents[2]
NAMES = [
    node.name
    for node in ast.parse(CASES.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return kept | more


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: Any) -> tuple[dict[str, list[str]], str]:
    """Failures by name of the case ([] where all passed), and the output."""
    report = tmp_path_factory.mktemp("triton") / "report.xml"
    interpret = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "pytest", str(CASES), f"--junitxml={report}", "-p", "no:xdist"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**interpret), capture_output=True, text=True, check=False
    )
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "").split("[")[0]
        failed = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        found.setdefault(name, []).extend([case.get("name", "")] if failed else [])
    return found, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_fused_loop(name: str, outcomes: tuple[dict[str, list[str]], str]) -> None:
    found, output = outcomes
    assert name in found, output[-4000:]
    assert found[name] == [], output[-4000:]


MACHINE_CODE = """
import numpy as np
from lvebm_theory.energies import catalogue
from solvers.noise import Noise
from solvers.particles import ula
from solvers.particles.triton_assembly import assembly
from solvers.particles.triton_engine import TritonEngine

well = catalogue()["double_well"]()
modes = catalogue()["gaussian_mixture"](means=np.arange(16.0).reshape(8, 2), sds=0.5)
for energy, dtype in ((well, "float32"), (well, "float64"), (modes, "float32")):
    engine = TritonEngine(
        energy, ula, noise=Noise(1), step_size=0.01, dtype=dtype, device="cpu"
    )
    made = assembly(engine, 10**6)
    print(made.registers, made.stack, made.instructions)
"""


@pytest.mark.slow
def test_machine_code_keeps_the_state_in_registers() -> None:
    """Compiled for compute capability 9.0, which takes no card."""
    done = subprocess.run(
        [sys.executable, "-c", MACHINE_CODE],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [[float(entry) for entry in line.split()] for line in done.stdout.splitlines()]
    assert len(rows) == 3
    for registers, stack, _ in rows:
        assert registers <= 255
        assert stack == 0
    # a Philox call is 20 wide multiplications and 20 exclusive ors, shared by 4 normals (or 2);
    # with less the noise would have been dropped, with far more it is computed twice
    assert 25 < rows[0][2] < 60
    assert rows[0][2] < rows[1][2] < 150
    assert 200 < rows[2][2] < 500
