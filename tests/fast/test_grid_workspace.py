"""Work arrays that are handed out again: never to two at a time, never more than is allowed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_potential
from solvers.densities import Grid, workspace
from solvers.densities.generator import build_generator
from solvers.densities.propagation import propagate
from solvers.densities.workspace import borrowed, given_back, taken

LARGE = workspace._LEAST // 8


@pytest.fixture(autouse=True)
def _alone():
    workspace._waiting.clear()
    yield
    workspace._waiting.clear()


def test_arrays_begin_with_a_cache_line_and_are_handed_out_again():
    first = taken(LARGE)
    assert first.size == LARGE
    assert first.ctypes.data % 64 == 0
    other = taken(LARGE)
    assert not np.shares_memory(first, other)
    given_back(first)
    assert taken(LARGE + 8) is not first
    assert taken(LARGE) is first
    with borrowed(2, LARGE // 2) as inside:
        inside[:] = 1.0
    with borrowed(LARGE // 4, 4) as again:
        assert np.shares_memory(inside, again)


def test_little_is_not_kept_and_much_is_let_go(monkeypatch):
    given_back(taken(LARGE - 8))
    assert not workspace._waiting
    monkeypatch.setattr(workspace, "_MOST", 3 * workspace._LEAST)
    arrays = [taken(LARGE) for _ in range(5)]
    for array in arrays:
        given_back(array)
    assert [id(a) for a in workspace._waiting] == [id(a) for a in arrays[2:]]


@pytest.mark.parametrize("times", [[1.0], np.linspace(0.1, 2.0, 12).tolist()], ids=["one", "many"])
def test_solves_in_used_arrays_give_the_same_bits(times):
    grid = Grid.uniform([(-3.0, 3.0)], 5000)
    generator = build_generator(parse_potential("4*(x**2-1)**2"), grid)
    masses = InitialLaw.normal([0.1], [0.1]).cell_masses(grid.edges)
    masses /= masses.sum()
    fresh = propagate(generator, masses, times).masses
    assert workspace._waiting
    for array in workspace._waiting:
        array[:] = np.nan  # what is left in them must not matter
    assert np.array_equal(propagate(generator, masses, times).masses, fresh)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: propagate(generator, masses, times).masses, range(8)))
    assert all(np.array_equal(other, fresh) for other in found)
