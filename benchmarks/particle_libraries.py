"""ULA by the libraries that have Langevin samplers or solvers, each in its fastest honest form.

They get the gradient in closed form or by JAX, whichever their users would write, and the whole
ensemble as one state where that is faster than one chain per particle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .particle_peers import Advance, Problem, Real, array_gradient

DISTRIBUTIONS = ("torchsde", "torchebm", "blackjax", "diffrax")


def torchsde_euler(problem: Problem, dtype: Real) -> Advance | None:
    """torchsde's Euler scheme on its Brownian interval; P1 only, it is slow."""
    if problem.kind != "double well":
        return None
    import torch
    import torchsde

    real = getattr(torch, dtype)
    gradient = array_gradient(problem, torch, lambda a: torch.as_tensor(a, dtype=real))

    class Langevin(torch.nn.Module):  # type: ignore[misc]
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: Any, y: Any) -> Any:
            return -gradient(y)

        def g(self, t: Any, y: Any) -> Any:
            return torch.full_like(y, math.sqrt(2))

    x, sde = torch.as_tensor(problem.start, dtype=real), Langevin()

    def advance(steps: int) -> Any:
        ts = torch.tensor([0.0, steps * problem.step_size], dtype=real)
        with torch.no_grad():
            return torchsde.sdeint(sde, x, ts, dt=problem.step_size, method="euler")

    return advance


def torchebm_langevin(problem: Problem, dtype: Real) -> Advance | None:
    """torchebm's LangevinDynamics on a model that knows its gradient."""
    if problem.kind not in ("double well", "mixture"):
        return None
    import torch
    from torchebm.core import BaseModel
    from torchebm.samplers import LangevinDynamics

    real = getattr(torch, dtype)
    closed = array_gradient(problem, torch, lambda a: torch.as_tensor(a, dtype=real))

    class Model(BaseModel):  # type: ignore[misc]
        def forward(self, x: Any, *args: Any, **options: Any) -> Any:
            raise NotImplementedError("only the gradient is asked for")

        def gradient(self, x: Any, *args: Any, **options: Any) -> Any:
            return closed(x)

    sampler = LangevinDynamics(model=Model(dtype=real), step_size=problem.step_size, dtype=real)
    x = torch.as_tensor(problem.start, dtype=real).clone()

    def advance(steps: int) -> Any:
        nonlocal x
        x = sampler.sample(x=x, n_steps=steps)
        return x

    return advance


def _well_in_jax(problem: Problem, dtype: Real) -> tuple[Any, Any]:
    """The ensemble (n, 1) and -grad U of the double well on it."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    four_b = jnp.asarray(4 * problem.constants["b"], dtype=dtype)
    return jnp.asarray(problem.start, dtype=dtype), lambda x: -four_b * x * (x * x - 1)


def blackjax_sgld(problem: Problem, dtype: Real) -> Advance | None:
    """BlackJAX's overdamped Langevin kernel (its SGLD, all data in one batch), compiled scan."""
    if problem.kind != "double well":
        return None
    import blackjax
    import jax

    start, force = _well_in_jax(problem, dtype)
    kernel = blackjax.sgld.build_kernel()
    h = np.asarray(problem.step_size, dtype=dtype)

    def step(carry: Any, _: Any) -> Any:
        x, key = carry
        key, own = jax.random.split(key)
        return (kernel(own, x, lambda y, _: force(y), None, h).astype(x.dtype), key), None

    run = jax.jit(
        lambda carry, steps: jax.lax.scan(step, carry, None, length=steps)[0], static_argnums=1
    )
    carry = (start, jax.random.PRNGKey(0))

    def advance(steps: int) -> Any:
        nonlocal carry
        carry = run(carry, steps)
        return carry[0].block_until_ready()

    return advance


def diffrax_euler(problem: Problem, dtype: Real) -> Advance | None:
    """diffrax's Euler on its fast Brownian path for fixed steps."""
    if problem.kind != "double well":
        return None
    import diffrax
    import jax
    import jax.numpy as jnp
    import lineax

    start, force = _well_in_jax(problem, dtype)
    h = problem.step_size
    size = jnp.full(start.shape, math.sqrt(2), dtype=dtype)
    like = jax.ShapeDtypeStruct(start.shape, start.dtype)

    def solve(x: Any, key: Any, steps: int) -> Any:
        path = diffrax.UnsafeBrownianPath(shape=like, key=key)
        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, y, args: force(y)),
            diffrax.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(size), path),
        )
        found = diffrax.diffeqsolve(
            terms,
            diffrax.Euler(),
            t0=0.0,
            t1=steps * h,
            dt0=h,
            y0=x,
            adjoint=diffrax.DirectAdjoint(),
            max_steps=steps + 1,
            saveat=diffrax.SaveAt(t1=True),
        )
        return found.ys[0].astype(x.dtype)

    run = jax.jit(solve, static_argnums=2)
    x, key = start, jax.random.PRNGKey(0)

    def advance(steps: int) -> Any:
        nonlocal x, key
        key, own = jax.random.split(key)
        x = run(x, own, steps)
        return x.block_until_ready()

    return advance


LIBRARIES: dict[str, Callable[[Problem, Real], Advance | None]] = {
    "torchsde": torchsde_euler,
    "torchebm": torchebm_langevin,
    "BlackJAX": blackjax_sgld,
    "diffrax": diffrax_euler,
}
