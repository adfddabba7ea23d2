"""The update of a latent-variable EBM with a neural energy, as users of torch and JAX write it.

Every peer is a function of a ``Problem`` that returns a callable making so many updates; each
update is K_in Langevin steps of the latents (data clamped), K_in of the pool, the two averages of
d_theta E, and a step of Adam. All in float32 with the library's own random numbers, gradients by
automatic differentiation, the weights constants of the Langevin steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lvebm_theory.neural import NeuralJointEnergy

Advance = Callable[[int], Any]
_ADAM = (0.9, 0.999, 1e-8)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One learner.

    Parameters
    ----------
    data : int
        Training points, one latent particle each, all in every update.
    pool : int
    inner_steps : int
    dim_x, dim_z : int
    widths : tuple of int
    """

    data: int
    pool: int
    inner_steps: int
    dim_x: int = 3
    dim_z: int = 1
    widths: tuple[int, ...] = (64, 64)
    latent_step: float = 0.01
    pool_step: float = 0.004
    learning_rate: float = 1e-4

    @cached_property
    def energy(self) -> NeuralJointEnergy:
        """The energy at its first weights."""
        return NeuralJointEnergy(dim_x=self.dim_x, dim_z=self.dim_z, widths=self.widths)

    @cached_property
    def points(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Data (n, dim_x)."""
        return np.random.default_rng(0).standard_normal((self.data, self.dim_x))

    @cached_property
    def start(self) -> tuple[Any, Any]:
        """Latents (n, dim_z) and pool (M, d) as float32."""
        generator = np.random.default_rng(1)
        shapes = (self.data, self.dim_z), (self.pool, self.dim_x + self.dim_z)
        return tuple(generator.standard_normal(s).astype(np.float32) for s in shapes)  # type: ignore[return-value]

    @property
    def parts(self) -> list[Any]:
        """W_1, b_1, ..., v as float32."""
        named = self.energy.network.parts(self.energy.parameter_vector())
        return [part.astype(np.float32) for part in named.values()]


def _torch_energy(problem: Problem, torch: Any, theta: list[Any]) -> Callable[[Any], Any]:
    confinement = torch.as_tensor(problem.energy.confinement, dtype=torch.float32)
    silu = torch.nn.functional.silu

    def energy(w: Any) -> Any:
        h = w
        for k in range(len(problem.widths)):
            h = silu(torch.nn.functional.linear(h, theta[2 * k], theta[2 * k + 1]))
        return h @ theta[-1] + 0.5 * (w * w) @ confinement

    return energy


def _torch(problem: Problem, compiled: bool) -> Advance:
    import torch

    theta = [torch.nn.Parameter(torch.as_tensor(p)) for p in problem.parts]
    constants = [p.detach() for p in theta]  # the same memory: no graph through the weights
    still, learned = (_torch_energy(problem, torch, t) for t in (constants, theta))
    optimiser = torch.optim.Adam(theta, lr=problem.learning_rate, fused=True)
    x = torch.as_tensor(problem.points, dtype=torch.float32)
    z, w = (torch.as_tensor(a).clone() for a in problem.start)
    h_q, h_p = problem.latent_step, problem.pool_step

    def latent_step(z: Any) -> Any:
        z = z.detach().requires_grad_(True)
        (g,) = torch.autograd.grad(still(torch.cat([x, z], 1)).sum(), z)
        return z.detach() - h_q * g + math.sqrt(2 * h_q) * torch.randn_like(z)

    def pool_step(w: Any) -> Any:
        w = w.detach().requires_grad_(True)
        (g,) = torch.autograd.grad(still(w).sum(), w)
        return w.detach() - h_p * g + math.sqrt(2 * h_p) * torch.randn_like(w)

    def loss(z: Any, w: Any) -> Any:
        return learned(torch.cat([x, z], 1)).mean() - learned(w).mean()

    if compiled:
        slope = torch.func.grad(lambda w: still(w).sum())
        latent_slope = torch.func.grad(lambda z: still(torch.cat([x, z], 1)).sum())

        def latent_steps(z: Any) -> Any:
            return z - h_q * latent_slope(z) + math.sqrt(2 * h_q) * torch.randn_like(z)

        def pool_steps(w: Any) -> Any:
            return w - h_p * slope(w) + math.sqrt(2 * h_p) * torch.randn_like(w)

        latent_step, pool_step = torch.compile(latent_steps), torch.compile(pool_steps)
        loss = torch.compile(loss)

    def advance(updates: int) -> Any:
        nonlocal z, w
        for _ in range(updates):
            for _ in range(problem.inner_steps):
                z = latent_step(z)
            for _ in range(problem.inner_steps):
                w = pool_step(w)
            optimiser.zero_grad(set_to_none=True)
            loss(z.detach(), w.detach()).backward()
            optimiser.step()
        return w

    return advance


def torch_eager(problem: Problem) -> Advance:
    """Torch as it runs line by line."""
    return _torch(problem, compiled=False)


def torch_compiled(problem: Problem) -> Advance:
    """The steps and the loss through torch.compile."""
    return _torch(problem, compiled=True)


def _jax(problem: Problem, generator: str) -> Advance:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", False)
    confinement = jnp.asarray(problem.energy.confinement, dtype=jnp.float32)
    x = jnp.asarray(problem.points, dtype=jnp.float32)
    h_q, h_p, k_in = problem.latent_step, problem.pool_step, problem.inner_steps
    beta_1, beta_2, epsilon = _ADAM

    def energy(theta: Any, w: Any) -> Any:
        h = w
        for k in range(len(problem.widths)):
            h = jax.nn.silu(h @ theta[2 * k].T + theta[2 * k + 1])
        return h @ theta[-1] + 0.5 * (w * w) @ confinement

    def with_data(theta: Any, z: Any) -> Any:
        return energy(theta, jnp.concatenate([x, z], 1))

    def langevin(slope: Any, h: float, start: Any, key: Any) -> Any:
        def step(w: Any, own: Any) -> Any:
            noise = jax.random.normal(own, w.shape, jnp.float32)
            return w - h * slope(w) + math.sqrt(2 * h) * noise, None

        return jax.lax.scan(step, start, jax.random.split(key, k_in))[0]

    def loss(theta: Any, z: Any, w: Any) -> Any:
        return with_data(theta, z).mean() - energy(theta, w).mean()

    def update(carry: Any, _: Any) -> Any:
        theta, m, v, count, z, w, key = carry
        key, first, second = jax.random.split(key, 3)
        z = langevin(jax.grad(lambda z: with_data(theta, z).sum()), h_q, z, first)
        w = langevin(jax.grad(lambda w: energy(theta, w).sum()), h_p, w, second)
        g = jax.grad(loss)(theta, z, w)
        count = count + 1
        m = jax.tree.map(lambda a, b: beta_1 * a + (1 - beta_1) * b, m, g)
        v = jax.tree.map(lambda a, b: beta_2 * a + (1 - beta_2) * b * b, v, g)
        rate = problem.learning_rate * jnp.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        theta = jax.tree.map(lambda t, a, b: t - rate * a / (jnp.sqrt(b) + epsilon), theta, m, v)
        return (theta, m, v, count, z, w, key), None

    run = jax.jit(
        lambda carry, updates: jax.lax.scan(update, carry, None, length=updates)[0],
        static_argnums=1,
        donate_argnums=0,
    )
    theta = [jnp.asarray(p) for p in problem.parts]
    zeros = [jnp.zeros_like(p) for p in theta]
    carry = (
        theta, zeros, [z.copy() for z in zeros], jnp.float32(0), *map(jnp.asarray, problem.start),
        jax.random.key(0, impl=generator),
    )  # fmt: skip

    def advance(updates: int) -> Any:
        nonlocal carry
        carry = run(carry, updates)
        return carry[5].block_until_ready()

    return advance


def jax_threefry(problem: Problem) -> Advance:
    """JAX with its default generator."""
    return _jax(problem, "threefry2x32")


def jax_rbg(problem: Problem) -> Advance:
    """JAX with the generator it calls unsafe_rbg, the fastest it has."""
    return _jax(problem, "unsafe_rbg")


TRAINERS: dict[str, Callable[[Problem], Advance]] = {
    "torch eager": torch_eager,
    "torch.compile": torch_compiled,
    "JAX": jax_threefry,
    "JAX, unsafe_rbg": jax_rbg,
}
