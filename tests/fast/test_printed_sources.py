"""Printed sources kept between processes: found again for the same formula, never for another."""

from __future__ import annotations

import hashlib
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lvebm_theory import energy
from lvebm_theory.energies import catalogue
from lvebm_theory.formula import cos, exp, printed
from lvebm_theory.formula.fingerprint import fingerprint

HEIGHT, WIDTHS = 2.0, (1.0, 3.0)
TABLE = np.array([1.0, 2.0])


def helper(x: Any) -> Any:
    return x[0] ** 2


def quartic(x: Any, a: Any) -> Any:
    return a * x[0] ** 4


def moved(x: Any, a: Any) -> Any:

    # other lines and another name

    return a * x[0] ** 4


def test_equal_functions_have_equal_fingerprints_wherever_they_stand() -> None:
    assert fingerprint(quartic) is not None
    assert fingerprint(quartic) == fingerprint(moved)
    assert fingerprint(quartic, ("x",)) == fingerprint(moved, ("x",))


@pytest.mark.parametrize(
    "others", [(("y",),), (("x", "y"),), ((("a", ()),),), ((("a", (2,)),),), (1,), (True,), (1.0,)]
)
def test_other_coordinates_and_shapes_have_other_fingerprints(others: tuple[Any, ...]) -> None:
    assert fingerprint(quartic, ("x",)) != fingerprint(quartic, *others)


def variants() -> dict[str, Any]:
    """Functions that a careless hash would take for one another."""
    strong, weak = 2.0, 1.0

    def with_default(power: int) -> Any:
        def function(x: Any, a: Any, n: int = power) -> Any:
            return a * x[0] ** n

        return function

    def with_closure(factor: float) -> Any:
        return lambda x, a: factor * a * x[0] ** 2

    def with_helper(inside: Any) -> Any:
        return lambda x, a: a * inside(x)

    return {
        "square": lambda x, a: a * x[0] ** 2,
        "cube": lambda x, a: a * x[0] ** 3,
        "sum": lambda x, a: a + x[0] ** 2,
        "other coordinate": lambda x, a: a * x[1] ** 2,
        "cosine": lambda x, a: a * cos(x[0]),
        "exponential": lambda x, a: a * exp(x[0]),
        "default 2": with_default(2),
        "default 4": with_default(4),
        "closure 1": with_closure(weak),
        "closure 2": with_closure(strong),
        "minus nought": with_closure(-0.0),
        "nought": with_closure(0.0),
        "whole": with_closure(1),
        "helper": with_helper(helper),
        "other helper": with_helper(lambda x: x[0] ** 4),
        "inner function": lambda x, a: sum(i * a for i in x),
        "other inner function": lambda x, a: sum(i + a for i in x),
        "global": lambda x, a: a * HEIGHT * x[0],
        "other global": lambda x, a: a * WIDTHS[0] * x[0],
        "array": lambda x, a: a * TABLE[0] * x[0],
    }


def test_different_functions_have_different_fingerprints() -> None:
    found = {name: fingerprint(function) for name, function in variants().items()}
    assert all(found.values()), found
    assert len(set(found.values())) == len(found), found


@pytest.mark.parametrize("name", ["HEIGHT", "WIDTHS", "TABLE", "helper"])
def test_what_a_function_reaches_is_part_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def function(x: Any, a: Any) -> Any:
        return a * HEIGHT * WIDTHS[0] * TABLE[0] * helper(x)

    before = fingerprint(function)
    others = {"HEIGHT": 2.5, "WIDTHS": (1.0, 2.0), "TABLE": np.array([1.0, 2.5]), "helper": quartic}
    monkeypatch.setitem(globals(), name, others[name])
    assert before is not None
    assert fingerprint(function) not in (None, before)


class Setting:
    value = 2.0


SETTING = Setting()


def test_what_no_text_can_vouch_for_has_no_fingerprint() -> None:
    def imports(x: Any) -> Any:
        import os

        return float(os.environ.get("HEIGHT", 1.0)) * x[0]

    class Callable:
        def __call__(self, x: Any) -> Any:
            return x[0]

    for function in (
        imports,
        Callable(),
        lambda x: SETTING.value * x[0],
        lambda x: Setting.value * x[0],
        lambda x: random.random() * x[0],
        lambda x: np.random.normal() * x[0],  # noqa: NPY002
        lambda x: float(open("height").read()) * x[0],  # noqa: SIM115
        lambda x: np.loadtxt("height") * x[0],
        lambda x: nowhere * x[0],  # noqa: F821
        lambda x: getattr(math, "pi") * x[0],  # noqa: B009
        np.sum,
    ):
        assert fingerprint(function) is None, function


def test_formulas_of_the_catalogue_are_kept() -> None:
    for family in catalogue().values():
        assert fingerprint(family.function) is not None, family.name


def test_a_broken_file_is_printed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LVEBM_CACHE", str(tmp_path))
    printed._held.cache_clear()
    calls: list[int] = []

    def text() -> str:
        calls.append(1)
        return "the text\n"

    assert printed.kept("key", ("numba",), text) == "the text\n"
    assert printed.kept("key", ("numba",), text) == "the text\n"
    assert printed.kept("key", ("torch",), text) == "the text\n"
    assert printed.kept("other", ("numba",), text) == "the text\n"
    assert printed.kept(None, ("numba",), text) == "the text\n"
    files = sorted(tmp_path.glob("*.txt"))
    assert len(files) == 3
    for damage in ("", "the text\n", "0" * 64 + "\nthe text\n"):
        for file in files:
            file.write_text(damage)
        printed._held.cache_clear()
        before = len(calls)
        assert printed.kept("key", ("numba",), text) == "the text\n"
        assert len(calls) == before + 1
    checksum = hashlib.sha256(b"the text\n").hexdigest()
    assert sum(f.read_text() == f"{checksum}\nthe text\n" for f in files) == 1


_SECOND = """
import sys
from lvebm_theory.energies import catalogue
print(hash(catalogue()["gaussian_mixture"]().source("numba")) and "sympy" in sys.modules)
"""


def test_a_second_process_needs_no_algebra(tmp_path: Path) -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", _SECOND],
            env={**os.environ, "LVEBM_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
        for _ in range(2)
    ]
    assert found == ["True", "False"]


def test_the_kept_source_is_that_of_the_formula() -> None:
    @energy(dim=2, a=1.0)
    def tilted(x: Any, a: Any) -> Any:
        return a * helper(x) + HEIGHT * cos(x[1])

    mine = tilted(a=3.0)
    for backend in ("numba", "torch"):
        assert mine.source(backend) == mine.formula.source(backend)  # type: ignore[arg-type]
