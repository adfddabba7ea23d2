"""Lorenz's convection model on its attractor, observed with error.

    x' = 10 (y - x),   y' = x (28 - z) - y,   z' = x y - 8/3 z

The invariant law sits on a fractal of dimension 2.06 and has no density; Gaussian errors of
``NOISE`` (a tenth of a standard deviation) per coordinate give the observations one. Every
observation ends a trajectory of its own, from a Gaussian cloud of the attractor's size, after a
uniform random time in [20, 25] by Runge-Kutta 4 at step 0.01 (some 30 times around, the cloud
stretched by exp(0.9 20) = 7e7), so observations are independent.

Source: Lorenz, Deterministic nonperiodic flow, J. Atmos. Sci. 20 (1963) 130-141, equations 25-27.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from .system import System, at_random_ends, in_chunks, runge_kutta

PRANDTL, RAYLEIGH, ASPECT = 10.0, 28.0, 8.0 / 3.0
STEP, EARLIEST, LATEST = 0.01, 20.0, 25.0
CENTRE, SCALE = (0.0, 0.0, 23.55), (7.93, 9.01, 8.62)
NOISE = (0.793, 0.901, 0.862)


def slope(state: FloatArray) -> FloatArray:
    """The right hand side at states (3, n)."""
    x, y, z = state
    return np.stack([PRANDTL * (y - x), x * (RAYLEIGH - z) - y, x * y - ASPECT * z])


def _ends(generator: np.random.Generator, n: int) -> FloatArray:
    cloud = generator.standard_normal((3, n))
    state = at_random_ends(
        lambda now: runge_kutta(slope, now, STEP),
        np.array(CENTRE)[:, None] + np.array(SCALE)[:, None] * cloud,
        generator,
        round(EARLIEST / STEP),
        round(LATEST / STEP),
    )
    return state.T + np.array(NOISE) * generator.standard_normal((n, 3))


system = System(
    name="lorenz",
    title="Lorenz-63 attractor, observed with error",
    dim=3,
    coordinates=("x", "y", "z"),
    centre=CENTRE,
    scale=SCALE,
    observation_noise=NOISE,
    draw=lambda generator, n: in_chunks(_ends, generator, n),
    parameters={"prandtl": PRANDTL, "rayleigh": RAYLEIGH, "aspect": ASPECT},
    reference="Lorenz, J. Atmos. Sci. 20 (1963) 130",
)
