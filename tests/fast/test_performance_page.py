"""The performance page is its stored results, and no missed goal stands without reasons."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ATTEMPTS = 3


@pytest.fixture(scope="module")
def document() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return importlib.import_module("benchmarks.document")


def attempts(text: str) -> int:
    """Items of numbered lists."""
    return len(re.findall(r"^\d+\. ", text, re.MULTILINE))


def test_the_page_is_made_of_the_stored_results(document: ModuleType) -> None:
    assert document.DOCUMENT.read_text() == document.page()


def test_every_missed_goal_names_its_limit_and_three_attempts(document: ModuleType) -> None:
    from benchmarks import NAMES, table

    texts, missed = document.limits(), []
    assert set(texts) <= set(NAMES)
    for name in NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        for body in table.stored(name).values():
            if document.missed(module, body):
                missed.append(name)
                assert attempts(texts.get(name, "")) >= ATTEMPTS, name
    assert missed  # a table without a missed row would need no test


def test_a_goal_is_missed_from_the_side_that_it_asks(document: ModuleType) -> None:
    from benchmarks.targets import Target

    at_least = Target(measured="ratio", goal="goal")
    at_most = Target(measured="s", goal=2.0, at_most=True)
    assert at_least.missed({"ratio": 1.9, "goal": 2.0})
    assert not at_least.missed({"ratio": 2.0, "goal": 2.0})
    assert not at_least.missed({"ratio": 1.0, "goal": None})
    assert at_most.missed({"s": 2.1})
    assert not at_most.missed({"s": 2.0})
    assert at_least.shortfall({"work": "P1", "peer": "numpy", "ratio": 1.5, "goal": 2.0}) == (
        "P1 against numpy: ratio 1.5, goal 2"
    )


def test_goals_are_two_thirds_without_wide_vectors(
    document: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import targets

    monkeypatch.setattr(targets, "instruction_set", lambda: "avx512")
    assert targets.ratio_goal(12.0) == 12.0
    monkeypatch.setattr(targets, "instruction_set", lambda: "avx2")
    assert targets.ratio_goal(12.0) == pytest.approx(8.0)
