"""Snapshots are what the ensemble was then, not views of what it is now."""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.initial import InitialLaw
from solvers.evolve import simulate
from solvers.noise import Noise
from solvers.particles.ula import ula


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("backend", ["numba", "torch", "numpy"])
def test_earlier_snapshots_survive_later_steps(dim: int, backend: str) -> None:
    run = simulate(
        quadratic(dim=dim, precision=2.0),
        ula,
        InitialLaw.normal([1.5] * dim, 0.4),
        step_size=0.2,
        save_at=[0.2, 1.0],
        particles=512,
        noise=Noise(0, "snapshots"),
        backend=backend,
    )
    alone = simulate(
        quadratic(dim=dim, precision=2.0),
        ula,
        InitialLaw.normal([1.5] * dim, 0.4),
        step_size=0.2,
        save_at=[0.2],
        particles=512,
        noise=Noise(0, "snapshots"),
        backend=backend,
    )
    assert np.array_equal(run.snapshots[0], alone.snapshots[0])
    assert not np.array_equal(run.snapshots[0], run.snapshots[1])
