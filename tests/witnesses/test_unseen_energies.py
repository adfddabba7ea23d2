"""Rows of the sweep over drawn energies: no value outside its width, no grade that is not earned.

The references share no code with the library; here they are first held against closed forms.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from benchmarks import unseen
from benchmarks.unseen_sweep import draws, judge, line
from benchmarks.unseen_sweep.library import PARTS, answer
from benchmarks.unseen_sweep.line import Start
from benchmarks.unseen_sweep.truth import truth

ROWS = (2, 3, 6, 9, 11, 14, 15, 16, 19, 22, 23, 35, 40, 43, 46)


@pytest.fixture(autouse=True)
def small_meshes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wider references, in a second each."""
    monkeypatch.setattr(line, "MOST", 560)


def test_the_reference_knows_gaussian_flows() -> None:
    starts = [Start(2.0, 0.1), Start(-1.0, 1.2)]
    flows = line.flow(lambda x: x**2 / 2, starts, 0.25, (0, 2, 4))
    for start, flow in zip(starts, flows, strict=True):
        for time, found in zip((0.25, 1.0, 4.0), flow, strict=True):
            m = start.mean * math.exp(-time)
            v = 1 + (start.sd**2 - 1) * math.exp(-2 * time)
            square = m**2 / (2 - v) - 0.5 * math.log(v * (2 - v))
            right = {
                "x": m,
                "xx": v + m**2,
                "kl": (v + m**2 - 1 - math.log(v)) / 2,
                "chi": square,
            }
            for name, value in right.items():
                known = found[name]
                assert known.state == "finite"
                assert known.width < 1e-4
                assert abs(known.value - value) <= known.width, (start, time, name)


@pytest.mark.parametrize(
    ("potential", "gap"),
    [
        (lambda x: x**2 / 2, 1.0),
        (lambda x: 2 * (x**2 - 1) ** 2, 0.4545466042),
        # two equal Gaussians so far apart that the gap is far below rounding: Kramers' order
        (lambda x: -np.logaddexp(-(x**2) / 2, -((x - 24) ** 2) / 2), None),
    ],
)
def test_the_reference_knows_gaps(potential: line.Potential, gap: float | None) -> None:
    found = line.gap(potential)
    assert found.width < 1e-6 * found.value
    if gap is None:
        assert -75 < math.log(found.value) < -60
    else:
        assert found.value == pytest.approx(gap, abs=found.width + 1e-10)


@pytest.mark.parametrize("k", ROWS)
def test_no_miss_in_a_row(k: int) -> None:
    row = draws.row(k)
    answers = {part: answer(row, part) for part in PARTS}
    for part in answers.values():
        part["seconds"] = 0.0  # nothing is timed in a test
    assert not judge.misses(row, truth(row), answers), row.text


def test_the_judge_sees_what_is_wrong() -> None:
    row = draws.row(14)
    right, answers = truth(row), {part: answer(row, part) for part in PARTS}
    assert not judge.misses(row, right, answers)
    for name in ("x", "xx", "kl", "chi"):
        wrong = copy.deepcopy(answers)
        wrong["flow 0"]["flow"][name][0][0] *= 1.001
        assert len(judge.misses(row, right, wrong)) == 1, name
    for factor, name in ((1.01, "gap"), (0.99, "gap"), (50.0, "log_sobolev")):
        wrong = copy.deepcopy(answers)
        ends = wrong["constants"]["constants"][name]
        ends[0], ends[1] = factor * ends[0], factor * ends[1]
        assert judge.misses(row, right, wrong), (factor, name)
        ends[2] = "ESTIMATED"
        assert not judge.misses(row, right, wrong), "an estimate promises nothing"
    wrong = {**answers, "flow 1": {"traceback": "KeyError: 'x'"}}
    assert judge.misses(row, right, wrong)
    assert not judge.misses(row, right, {**answers, "flow 1": {"refused": "ArgumentError: no"}})


def test_a_row_is_the_same_for_the_same_seed() -> None:
    assert draws.row(11).text == draws.row(11).text
    assert draws.row(11).text != draws.row(11, seed=1).text
    families = {draws.row(k).family.split(":")[0] for k in range(unseen.ROWS)}
    assert len(families) > 15
