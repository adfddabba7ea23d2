"""Van der Pol's oscillator with noise in the velocity: a limit cycle with a width.

    dx = y dt,   dy = (mu (1 - x^2) y - x) dt + sigma dB

Hypoelliptic, so the stationary law has a smooth density and no observation error is added. Every
observation ends a trajectory of its own (Euler-Maruyama, step 0.005) after 15 time units and a
uniform random part of two noise-free periods, so that phases are spread whatever the start.

Source: van der Pol, On relaxation-oscillations, Phil. Mag. 2 (1926) 978-992.
"""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray

from .system import System, at_random_ends, in_chunks

DAMPING, SIGMA = 1.0, 0.5
STEP, BURN_IN, PERIOD = 0.005, 15.0, 6.6633


def _ends(generator: np.random.Generator, n: int) -> FloatArray:
    kick = SIGMA * math.sqrt(STEP)

    def advance(state: FloatArray) -> FloatArray:
        x, y = state
        pull = DAMPING * (1 - x * x) * y - x
        return np.stack([x + STEP * y, y + STEP * pull + kick * generator.standard_normal(len(x))])

    start = 2 * generator.standard_normal((2, n))
    first, last = round(BURN_IN / STEP), round((BURN_IN + 2 * PERIOD) / STEP)
    return at_random_ends(advance, start, generator, first, last).T


system = System(
    name="van_der_pol",
    title="Van der Pol limit cycle with noise",
    dim=2,
    coordinates=("position", "velocity"),
    centre=(0.0, 0.0),
    scale=(1.47, 1.46),
    observation_noise=(0.0, 0.0),
    draw=lambda generator, n: in_chunks(_ends, generator, n),
    parameters={"damping": DAMPING, "sigma": SIGMA},
    reference="van der Pol, Phil. Mag. 2 (1926) 978",
)
