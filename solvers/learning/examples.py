"""How each of the five systems is learned: energy, particles, step sizes and length of a run.

The standardised data have scale 1, their finest structure is an error of about 0.1. Hence:

h_p       0.003: a curvature of 1/0.1^2 is stable below 0.02, and ULA widens it by a twelfth. What
          the pool is too wide by, the learner makes up for by a sharper energy, which widens it
          more: at 0.004 and twice the updates that ends in a burst;
K_in      20, so that the pool moves by 0.06 time units per update while theta moves little;
D         0.1, a bowl of standard deviation 3: weak beside the data;
caps      twice what training reaches, so that they bind only when it runs away;
rate      Adam from 2e-3, halved six times: persistent chains follow theta only while it moves
          slowly (at a constant 4e-3 they are left behind, and learning oscillates and bursts);
averaging of theta over the last fifth, which averages over what the pool's fluctuations do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvebm_theory.errors import ArgumentError
from lvebm_theory.neural import NeuralJointEnergy

from ..noise.backends import Real
from .rates import TorchOptimizer
from .settings import LearningSettings
from .systems import System, system_named, systems


@dataclass(frozen=True, kw_only=True)
class Example:
    """A system and everything that a run on it needs.

    Parameters
    ----------
    system : str
        Name in ``solvers.learning.systems``.
    data : int
        Training points.
    dim_z, widths, activation, confinement, spectral_caps
        Of the ``NeuralJointEnergy``.
    latents, pool, batch, inner_steps, latent_step, pool_step
        As in ``LearningSettings``.
    learning_rate, halving
        Of Adam: rate at the start, and updates after which it is halved.
    updates : int
    averaging : float
        Share of the updates, at the end, over which theta is averaged.
    dtype : {"float32", "float64"}
        Of the particles.
    fresh_steps : int
        Langevin steps of size ``pool_step`` after which chains from N(0, 2.25 I) have forgotten
        where they began.
    """

    system: str
    data: int = 20_000
    dim_z: int = 1
    widths: tuple[int, ...] = (64, 64)
    activation: str = "silu"
    confinement: float = 0.1
    spectral_caps: tuple[float, ...] = (12.0, 16.0, 6.0)
    latents: int = 1
    pool: int = 3000
    batch: int = 750
    inner_steps: int = 20
    latent_step: float = 0.02
    pool_step: float = 0.003
    learning_rate: float = 2e-3
    halving: float = 330.0
    updates: int = 2000
    averaging: float = 0.2
    dtype: Real = "float32"
    fresh_steps: int = 5000

    @property
    def source(self) -> System:
        """The system itself."""
        return system_named(self.system)

    def energy(self, seed: int = 0) -> NeuralJointEnergy:
        """The energy with its initial weights."""
        return NeuralJointEnergy(
            dim_x=self.source.dim,
            dim_z=self.dim_z,
            widths=self.widths,
            activation=self.activation,
            confinement=self.confinement,
            spectral_caps=self.spectral_caps,
            seed=seed,
        )

    def settings(self) -> LearningSettings:
        """The learner's settings."""
        return LearningSettings(
            latents=self.latents,
            pool=self.pool,
            batch=self.batch,
            inner_steps=self.inner_steps,
            latent_step=self.latent_step,
            pool_step=self.pool_step,
            rate=TorchOptimizer("Adam", {"lr": self.learning_rate}, halving=self.halving),
            averaging_after=round((1 - self.averaging) * self.updates),
        )


_EXAMPLES = {
    example.system: example
    for example in (
        Example(system="double_pendulum"),
        Example(system="lorenz"),
        Example(system="mueller_brown"),
        Example(system="ring_mixture"),
        Example(system="van_der_pol"),
    )
}


def examples() -> dict[str, Example]:
    """Every example, by the name of its system."""
    missing = sorted(set(systems()) - set(_EXAMPLES))
    return {**_EXAMPLES, **{name: Example(system=name) for name in missing}}


def example_named(name: str) -> Example:
    """The example of a system; hyphens count as underscores.

    Raises
    ------
    ArgumentError
        When there is no such system.
    """
    index = examples()
    if (key := name.replace("-", "_")) not in index:
        raise ArgumentError(f"an example is one of {', '.join(index)}; got {name!r}")
    return index[key]


def fresh_samples(
    example: Example, energy: NeuralJointEnergy, n: int, *, seed: int, threads: int | None = None
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """n draws of (x, z) from fresh ULA chains at temperature 1, shape (n, dim_x + dim_z).

    The chains start from N(0, 2.25 I), with noise that training never saw, and make
    ``fresh_steps`` steps of the size that the pool was trained with.
    """
    from ..noise import Noise
    from .neural_particles import NeuralParticles, Task

    noise = Noise(seed).derive("fresh chains")
    joint = energy.joint()
    start = 1.5 * noise.derive("start").normals(n, 0, joint.dim, backend="numba")
    particles = NeuralParticles(joint, dtype=example.dtype, threads=threads)
    try:
        cloud = particles.cloud(start, step_size=example.pool_step, noise=noise)
        particles.work([Task(cloud=cloud, steps=example.fresh_steps)])
        return np.asarray(particles.positions(cloud), dtype=np.float64)
    finally:
        particles.close()
