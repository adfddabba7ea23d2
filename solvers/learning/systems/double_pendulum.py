"""Angles of a double pendulum released from rest at one energy, observed with error.

Two unit masses on massless unit rods, angles a, b from the vertical, g = 9.81:

    2 a'' + cos(a-b) b'' = -sin(a-b) b'^2 - 2 g sin a
    cos(a-b) a'' +   b'' =  sin(a-b) a'^2 -   g sin b

Releases from rest lie on the curve -g (2 cos a + cos b) = ENERGY, with b uniform among the angles
that the curve reaches. At ENERGY = 0 the outer arm goes over the top, the inner one (which would
need g) cannot. Each observation is the pair of angles of its own release after a uniform random
time in [10, 15] s (Runge-Kutta 4, step 0.01), cut to the chart (-pi, pi]^2, with a Gaussian
error of 0.1 rad added after the cut: a smooth density on the plane, with an edge at |b| = pi.

Source: Landau and Lifshitz, Mechanics, section 5, problem 1; chaos: Shinbrot, Grebogi, Wisdom and
Yorke, Am. J. Phys. 60 (1992) 491-499.
"""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import FloatArray

from .system import System, at_random_ends, in_chunks, runge_kutta

GRAVITY, ENERGY = 9.81, 0.0
STEP, EARLIEST, LATEST = 0.01, 10.0, 15.0
NOISE = 0.1


def slope(state: FloatArray) -> FloatArray:
    """Time derivatives at states (4, n): the angles a, b and their velocities."""
    a, b, u, v = state
    sine, cosine = np.sin(a - b), np.cos(a - b)
    first = -sine * v * v - 2 * GRAVITY * np.sin(a)
    second = sine * u * u - GRAVITY * np.sin(b)
    determinant = 2 - cosine * cosine
    return np.stack(
        [u, v, (first - cosine * second) / determinant, (2 * second - cosine * first) / determinant]
    )


def energy(state: FloatArray) -> FloatArray:
    """Kinetic plus potential energy at states (4, n); conserved."""
    a, b, u, v = state
    kinetic = u * u + v * v / 2 + np.cos(a - b) * u * v
    return np.asarray(kinetic - GRAVITY * (2 * np.cos(a) + np.cos(b)))


def released(generator: np.random.Generator, n: int) -> FloatArray:
    """States (4, n) at rest on the energy level, on both sides of the vertical."""
    # |cos a| <= 1 always leaves an a for every b at ENERGY = 0
    b = np.pi * (2 * generator.random(n) - 1)
    side = np.where(generator.random(n) < 0.5, -1.0, 1.0)
    a = side * np.arccos((-ENERGY / GRAVITY - np.cos(b)) / 2)
    return np.stack([a, b, np.zeros(n), np.zeros(n)])


def _ends(generator: np.random.Generator, n: int) -> FloatArray:
    state = at_random_ends(
        lambda now: runge_kutta(slope, now, STEP),
        released(generator, n),
        generator,
        round(EARLIEST / STEP),
        round(LATEST / STEP),
    )
    angles = np.pi - (np.pi - state[:2]) % (2 * np.pi)
    return np.asarray(angles.T + NOISE * generator.standard_normal((n, 2)))


system = System(
    name="double_pendulum",
    title="Double pendulum angles at one energy, observed with error",
    dim=2,
    coordinates=("inner angle / rad", "outer angle / rad"),
    centre=(0.0, 0.0),
    scale=(0.99, 1.59),
    observation_noise=(NOISE, NOISE),
    draw=lambda generator, n: in_chunks(_ends, generator, n),
    parameters={"gravity": GRAVITY, "energy": ENERGY},
    reference="Landau and Lifshitz, Mechanics, section 5",
)
