"""A numpy energy in JAX, differentiable once, by a callback to the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from lvebm_theory.protocols import Energy


class JaxBridge:
    """U and grad U on JAX arrays (n, d), inside ``jit`` and ``vmap`` too."""

    def __init__(self, energy: Energy) -> None:
        import jax  # an optional extra
        import jax.numpy as jnp

        def host(function: Any, shape: Any, x: Any) -> Any:
            result = jax.ShapeDtypeStruct(shape, x.dtype)

            def called(y: Any) -> Any:
                rows = np.asarray(y, dtype=np.float64).reshape(-1, energy.dim)
                return np.asarray(function(rows), dtype=y.dtype).reshape(
                    y.shape[: y.ndim - 2] + shape
                )

            return jax.pure_callback(called, result, x, vmap_method="expand_dims")

        def gradient(x: Any) -> Any:
            return host(energy.gradient, x.shape, x)

        @jax.custom_vjp  # type: ignore[untyped-decorator, unused-ignore]
        def potential(x: Any) -> Any:
            return host(energy.potential, x.shape[:1], x)

        def forward(x: Any) -> Any:
            return potential(x), x

        def backward(x: Any, outer: Any) -> Any:
            return (jnp.asarray(outer)[:, None] * gradient(x),)

        potential.defvjp(forward, backward)
        self.potential = potential
        self.gradient = gradient
