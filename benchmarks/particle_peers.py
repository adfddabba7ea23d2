"""ULA as users of other tools would write it, on the energies of the particle benchmarks.

Every peer is a function of (problem, dtype) that returns a callable advancing its ensemble by so
many steps, or None where it is not measured on this problem; ImportError where its package is not
installed. None stores a trajectory. Here numpy, numba, torch and JAX by hand; libraries with
Langevin samplers of their own are in ``particle_libraries``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

Real = Literal["float32", "float64"]
Advance = Callable[[int], Any]


@dataclass(frozen=True)
class Problem:
    """An energy of the library, and what peers need to write its gradient by hand."""

    name: str
    energy: Any
    kind: Literal["double well", "mixture", "diagonal", "dense"]
    particles: int
    step_size: float = 0.01

    @cached_property
    def start(self) -> Any:
        """Particles (n, d), normal."""
        return np.random.default_rng(0).normal(size=(self.particles, self.energy.dim))

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Parameters as arrays."""
        p = self.energy.parameter_vector()
        d = self.energy.dim
        if self.kind == "double well":
            return {"b": float(p[0])}
        if self.kind == "mixture":
            modes = len(p) // (d + 2)
            return {
                "means": p[: modes * d].reshape(modes, d),
                "sds": p[modes * d : modes * (d + 1)],
                "weights": p[modes * (d + 1) :],
            }
        return {"precision": p[: d * d].reshape(d, d), "mean": p[d * d :]}


def array_gradient(problem: Problem, space: Any, as_array: Callable[[Any], Any]) -> Any:
    """grad U on particles (n, d), in operations that numpy and torch share."""
    c = {k: as_array(v) for k, v in problem.constants.items()}
    if problem.kind == "double well":
        return lambda x: 4 * problem.constants["b"] * x * (x * x - 1)
    if problem.kind == "diagonal":
        diagonal = as_array(np.diag(problem.constants["precision"]).copy())
        return lambda x: (x - c["mean"]) * diagonal
    if problem.kind == "dense":
        return lambda x: (x - c["mean"]) @ c["precision"]
    d = problem.energy.dim
    offset = as_array(np.log(problem.constants["weights"]) - d * np.log(problem.constants["sds"]))
    inverse = as_array(1 / problem.constants["sds"] ** 2)

    def mixture(x: Any) -> Any:
        difference = x[:, None, :] - c["means"]
        exponents = offset - 0.5 * (difference * difference).sum(-1) * inverse
        top = exponents.max(-1, keepdims=True)
        parts = space.exp(exponents - (top if space is np else top.values))
        weights = parts / parts.sum(-1)[:, None] * inverse
        return (weights[:, :, None] * difference).sum(1)

    return mixture


def numpy_blocked(problem: Problem, dtype: Real) -> Advance | None:
    """Numpy's generator and vector operations, in blocks that stay in the caches."""
    rng = np.random.default_rng(1)
    gradient = array_gradient(problem, np, lambda a: np.asarray(a, dtype=dtype))
    d = problem.energy.dim
    x = problem.start.astype(dtype)
    block = max(64, 16384 // (d * (8 if problem.kind == "mixture" else 1)))
    h, scale = dtype_of(dtype)(problem.step_size), dtype_of(dtype)(math.sqrt(2 * problem.step_size))

    def advance(steps: int) -> Any:
        for first in range(0, len(x), block):
            y = x[first : first + block]
            for _ in range(steps):
                xi = rng.standard_normal(y.shape, dtype=dtype_of(dtype))
                y -= h * gradient(y)
                xi *= scale
                y += xi
        return x

    return advance


def dtype_of(dtype: Real) -> Any:
    """The numpy type."""
    return np.float32 if dtype == "float32" else np.float64


def torch_eager(problem: Problem, dtype: Real) -> Advance | None:
    """Torch operations on the whole ensemble, in place where that helps."""
    import torch

    real = getattr(torch, dtype)
    gradient = array_gradient(problem, torch, lambda a: torch.as_tensor(a, dtype=real))
    x = torch.as_tensor(problem.start, dtype=real).clone()
    scale = math.sqrt(2 * problem.step_size)

    def advance(steps: int) -> Any:
        with torch.no_grad():
            for _ in range(steps):
                xi = torch.randn_like(x)
                x.sub_(gradient(x), alpha=problem.step_size).add_(xi, alpha=scale)
        return x

    return advance


def torch_compiled(problem: Problem, dtype: Real) -> Advance | None:
    """The same step as one function for torch.compile, its noise inside."""
    import torch

    real = getattr(torch, dtype)
    gradient = array_gradient(problem, torch, lambda a: torch.as_tensor(a, dtype=real))
    h, scale = problem.step_size, math.sqrt(2 * problem.step_size)
    step = torch.compile(lambda x: x - h * gradient(x) + scale * torch.randn_like(x))
    x = torch.as_tensor(problem.start, dtype=real).clone()

    def advance(steps: int) -> Any:
        nonlocal x
        with torch.no_grad():
            for _ in range(steps):
                x = step(x)
        return x

    advance(2)  # what cannot be compiled here fails here
    return advance


def numba_naive(problem: Problem, dtype: Real) -> Advance | None:
    """One prange over particles with np.random.normal inside; quadratics are left to the others."""
    from numba import njit, prange

    h, scale = problem.step_size, math.sqrt(2 * problem.step_size)
    real = dtype_of(dtype)
    if problem.kind == "double well":
        b = problem.constants["b"]

        @njit(parallel=True, fastmath=True)
        def well(x: Any, steps: int, h: float, scale: float, four_b: float) -> None:
            for i in prange(x.shape[0]):
                y = x[i, 0]
                for _ in range(steps):
                    xi = np.random.normal()  # noqa: NPY002
                    y = y - h * (four_b * y * (y * y - 1.0)) + scale * xi
                x[i, 0] = y

        x = problem.start.astype(real)
        return lambda steps: well(x, steps, h, scale, 4 * b)
    if problem.kind != "mixture":
        return None
    c = problem.constants
    offset = np.log(c["weights"]) - problem.energy.dim * np.log(c["sds"])
    inverse, means = 1 / c["sds"] ** 2, c["means"]

    @njit(parallel=True, fastmath=True)
    def mixture(x: Any, steps: int, h: float, scale: float) -> None:
        modes, d = means.shape
        for i in prange(x.shape[0]):
            e = np.empty(modes)
            g = np.empty(d)
            for _ in range(steps):
                top = -np.inf
                for k in range(modes):
                    s = 0.0
                    for j in range(d):
                        s += (x[i, j] - means[k, j]) ** 2
                    e[k] = offset[k] - 0.5 * s * inverse[k]
                    top = max(top, e[k])
                total = 0.0
                for k in range(modes):
                    e[k] = np.exp(e[k] - top)
                    total += e[k]
                g[:] = 0.0
                for k in range(modes):
                    w = e[k] / total * inverse[k]
                    for j in range(d):
                        g[j] += w * (x[i, j] - means[k, j])
                for j in range(d):
                    xi = np.random.normal()  # noqa: NPY002
                    x[i, j] += scale * xi - h * g[j]

    x = problem.start.astype(real)
    return lambda steps: mixture(x, steps, h, scale)


def jax_scan(problem: Problem, dtype: Real) -> Advance | None:
    """JAX: scan over steps of vmap(grad(U)) and jax.random.normal, compiled."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    c = {k: jnp.asarray(v, dtype=dtype) for k, v in problem.constants.items()}
    d = problem.energy.dim

    def potential(x: Any) -> Any:
        match problem.kind:
            case "double well":
                return (c["b"] * (x * x - 1) ** 2)[0]
            case "mixture":
                e = ((x - c["means"]) ** 2).sum(-1) / (2 * c["sds"] ** 2)
                return -jax.scipy.special.logsumexp(
                    jnp.log(c["weights"]) - d * jnp.log(c["sds"]) - e
                )
            case "diagonal":
                return 0.5 * (jnp.diag(c["precision"]) * (x - c["mean"]) ** 2).sum()
        return 0.5 * (x - c["mean"]) @ c["precision"] @ (x - c["mean"])

    gradient = jax.vmap(jax.grad(potential))
    h = jnp.asarray(problem.step_size, dtype=dtype)
    scale = jnp.asarray(math.sqrt(2 * problem.step_size), dtype=dtype)

    def step(carry: Any, _: Any) -> Any:
        x, key = carry
        key, own = jax.random.split(key)
        return (x - h * gradient(x) + scale * jax.random.normal(own, x.shape, dtype), key), None

    run = jax.jit(
        lambda carry, steps: jax.lax.scan(step, carry, None, length=steps)[0], static_argnums=1
    )
    carry = (jnp.asarray(problem.start, dtype=dtype), jax.random.PRNGKey(0))

    def advance(steps: int) -> Any:
        nonlocal carry
        carry = run(carry, steps)
        return carry[0].block_until_ready()

    return advance


ULA_PEERS: dict[str, Callable[[Problem, Real], Advance | None]] = {
    "numpy, cache-blocked": numpy_blocked,
    "numba, naive": numba_naive,
    "torch eager": torch_eager,
    "torch compiled": torch_compiled,
    "JAX scan": jax_scan,
}
