"""Calling a step of JAX: compiled where it can be, one chain mapped over many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from .callers import Caller, Noise

#: a shape is compiled once, so batches are cut into blocks of one size
BLOCK = 1024


@dataclass
class JaxCaller(Caller):
    """A step of JAX for a batch of chains; arguments as for ``Caller``."""

    _compiled: dict[int, Callable[..., Any]] = field(default_factory=dict)
    _plain: bool = False

    def _batch(
        self, state: FloatArray, energy: Energy, h: float, rng: np.random.Generator, noise: Noise
    ) -> FloatArray:
        n = len(state)
        size = BLOCK if n > 16 else n
        pieces = []
        for start in range(0, n, size):
            # the last block is filled up with copies of its first chain
            index = np.arange(start, start + size)
            index[index >= n] = start
            own = {name: value[index] for name, value in noise.items()}
            after = self._block(state[index], energy, h, rng, own)
            pieces.append(after[: n - start])
        return np.concatenate(pieces, axis=0)

    def _block(
        self, rows: FloatArray, energy: Energy, h: float, rng: np.random.Generator, noise: Noise
    ) -> FloatArray:
        import jax

        n, d = len(rows), energy.dim
        x = jax.numpy.asarray(rows)
        given: dict[str, Any] = {"x": x[:, :d], "v": x[:, d:]}
        given |= {name: jax.numpy.asarray(value) for name, value in noise.items()}
        key = jax.random.PRNGKey(int(rng.integers(2**32)))
        given["key"] = given["rng"] = key if self.layout == "whole" else jax.random.split(key, n)
        arrays = [given[name] for name in self.names if name in given]
        return self.state_after(self._function(energy)(h, *arrays), rows.shape)

    def _function(self, energy: Energy) -> Callable[..., Any]:
        if id(energy) in self._compiled:
            return self._compiled[id(energy)]
        import jax

        view = self.view(energy)
        fixed = {"energy": view, "potential": view.potential, "gradient": view.gradient}

        def applied(h: Any, *arrays: Any) -> Any:
            rest = iter(arrays)
            arguments = [
                fixed[name] if name in fixed else h if name == "step_size" else next(rest)
                for name in self.names
            ]
            return self.step(*arguments)

        mapped = applied
        if self.layout == "one":
            count = sum(name not in fixed and name != "step_size" for name in self.names)
            mapped = jax.vmap(applied, in_axes=(None,) + (0,) * count)
        compiled = jax.jit(mapped)

        def first_compiled(h: Any, *arrays: Any) -> Any:
            # control flow on values cannot be compiled: such steps run as they are
            if not self._plain:
                try:
                    return compiled(h, *arrays)
                except jax.errors.JAXTypeError:
                    self._plain = True
            if self.layout == "whole":
                return applied(float(h), *arrays)
            outcomes = [applied(float(h), *parts) for parts in zip(*arrays, strict=True)]
            return jax.tree_util.tree_map(lambda *values: jax.numpy.stack(values), *outcomes)

        self._compiled[id(energy)] = first_compiled
        return first_compiled

    def state_after(self, result: Any, shape: tuple[int, ...]) -> FloatArray:
        """The state (n, k): chains that were mapped come back with a leading axis."""
        if self.layout == "whole":
            return super().state_after(result, shape)
        n = shape[0]
        parts = result if isinstance(result, tuple) else (result,)
        parts = parts[: 2 if "v" in self.names else 1]
        rows = [np.asarray(part) for part in parts]
        for part in rows:
            self.heed(part)
        after = np.concatenate([r.reshape(n, -1).astype(np.float64) for r in rows], axis=1)
        if after.shape != shape:
            raise ArgumentError(f"the step took positions {shape} and returned {after.shape}")
        return after
