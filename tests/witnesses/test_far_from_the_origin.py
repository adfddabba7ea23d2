"""A flow does not know where the origin is: shifted energies and starts, also where U is steep."""

from __future__ import annotations

import numpy as np
import pytest

from lvebm_theory import parse_potential
from lvebm_theory.initial import InitialLaw
from solvers.densities import solve_fokker_planck

WELLS = {
    "sextic": "11.3*u**2*(u**2-1.76**2)**2/4-0.323*u",
    "tilted quartic": "2*(u**2-1)**2+0.5*u",
}


@pytest.mark.parametrize(("name", "shift"), [("sextic", -452000.0), ("tilted quartic", 1e6)])
def test_moments_move_with_the_origin(name: str, shift: float) -> None:
    """A start reaches up to U = 7e5, where rounding of x alone moves U by 1e-4."""
    times = [0.03, 0.3]
    found = []
    for at in (0.0, shift):
        energy = parse_potential(WELLS[name].replace("u", f"(x-({at}))"))
        path = solve_fokker_planck(energy, InitialLaw.normal(0.345 + at, 1.13), times)
        for power in (1, 2):
            found.append(path.expectation(lambda x, at=at, power=power: (x - at) ** power))
    for here, there in zip(found[:2], found[2:], strict=True):
        assert np.all(np.abs(here[0] - there[0]) <= here[1] + there[1])
        assert np.all(there[1] < 1e-3)
