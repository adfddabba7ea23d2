"""A multilayer perceptron f_theta: R^d -> R with all its derivatives, in numpy.

    a_1 = W_1 w + b_1,   h_l = phi(a_l),   a_{l+1} = W_{l+1} h_l + b_{l+1},   f = <v, h_L>

No additive constant: it would cancel against log Z. theta holds W_1 (row by row), b_1, ..., W_L,
b_L, v in this order. With u_L = v, u_{l-1} = W_l' (phi'(a_l) u_l) and P_l = d a_l / d w,

    grad f = W_1' (phi'(a_1) u_1),     Hess f = sum_l P_l' diag(phi''(a_l) u_l) P_l,

    df/dW_l = (phi'(a_l) u_l) h_{l-1}',   df/db_l = phi'(a_l) u_l,   df/dv = h_L.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .arrays import FloatArray
from .errors import ArgumentError
from .neural_activations import ACTIVATIONS, Activation


@dataclass(frozen=True)
class Layers:
    """theta taken apart: W_l (widths[l], inputs of l), b_l (widths[l],), v (widths[-1],)."""

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    readout: FloatArray


@dataclass(frozen=True, kw_only=True)
class Network:
    """The shape of f_theta: inputs d, hidden widths, activation by name.

    Raises
    ------
    ArgumentError
        For no layers, a width below 1, or an activation that is not in ``ACTIVATIONS``.
    """

    inputs: int
    widths: tuple[int, ...]
    activation: str = "silu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        sizes = (self.inputs, *self.widths)
        if not self.widths or any(isinstance(k, bool) or int(k) != k or k < 1 for k in sizes):
            raise ArgumentError(f"a network needs inputs and widths 1, 2, 3, ..., got {sizes}")
        if self.activation not in ACTIVATIONS:
            raise ArgumentError(
                f"an activation is one of {', '.join(ACTIVATIONS)}; got {self.activation!r}"
            )

    @property
    def phi(self) -> Activation:
        """The activation with its derivatives."""
        return ACTIVATIONS[self.activation]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts of theta, in order, by name."""
        parts: dict[str, tuple[int, ...]] = {}
        before = self.inputs
        for index, width in enumerate(self.widths, start=1):
            parts[f"weight_{index}"] = (width, before)
            parts[f"bias_{index}"] = (width,)
            before = width
        return {**parts, "readout": (before,)}

    @cached_property
    def size(self) -> int:
        """Number of entries of theta."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def parts(self, theta: FloatArray) -> dict[str, FloatArray]:
        """The named parts of theta (size,), as views."""
        views, first = {}, 0
        for name, shape in self.shapes.items():
            count = math.prod(shape)
            views[name] = theta[first : first + count].reshape(shape)
            first += count
        return views

    def layers(self, theta: FloatArray) -> Layers:
        """W_l, b_l and v as views of theta."""
        parts = self.parts(theta)
        depth = range(1, len(self.widths) + 1)
        return Layers(
            tuple(parts[f"weight_{k}"] for k in depth),
            tuple(parts[f"bias_{k}"] for k in depth),
            parts["readout"],
        )

    def joined(self, parts: Sequence[FloatArray]) -> FloatArray:
        """theta (size,) from its parts in order."""
        return np.concatenate([np.ravel(part) for part in parts])

    def initial(self, seed: int) -> FloatArray:
        """theta with weights N(0, 1/fan-in), biases N(0, 1/4) in the first layer and 0 beyond.

        A function of ``seed`` alone (numpy's PCG64).
        """
        generator = np.random.default_rng(seed)
        parts = []
        for name, shape in self.shapes.items():
            draws = generator.standard_normal(shape)
            if name.startswith("bias"):
                draws *= 0.5 if name == "bias_1" else 0.0
            else:
                draws /= math.sqrt(shape[-1])
            parts.append(draws)
        return self.joined(parts)

    def _forward(self, layers: Layers, w: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """Pre-activations a_1.. a_L, and h_0 = w, h_1 .. h_L."""
        before, after = [], [w]
        for weight, bias in zip(layers.weights, layers.biases, strict=True):
            before.append(after[-1] @ weight.T + bias)
            after.append(self.phi.value(before[-1]))
        return before, after

    def _backward(
        self, layers: Layers, before: Sequence[FloatArray]
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """u_1 .. u_L and phi'(a_l) u_l, each (n, widths[l])."""
        u = np.broadcast_to(layers.readout, before[-1].shape)
        us, slopes = [u], [self.phi.slope(before[-1]) * u]
        for weight, a in zip(layers.weights[:0:-1], before[-2::-1], strict=True):
            u = slopes[0] @ weight
            us.insert(0, u)
            slopes.insert(0, self.phi.slope(a) * u)
        return us, slopes

    def value(self, theta: FloatArray, w: FloatArray) -> FloatArray:
        """f at w (n, d); shape (n,)."""
        layers = self.layers(theta)
        return np.asarray(self._forward(layers, w)[1][-1] @ layers.readout)

    def gradient(self, theta: FloatArray, w: FloatArray) -> FloatArray:
        """grad f at w (n, d); shape (n, d)."""
        layers = self.layers(theta)
        before, _ = self._forward(layers, w)
        return np.asarray(self._backward(layers, before)[1][0] @ layers.weights[0])

    def hessian(self, theta: FloatArray, w: FloatArray) -> FloatArray:
        """Hess f at w (n, d); shape (n, d, d)."""
        layers = self.layers(theta)
        before, _ = self._forward(layers, w)
        us, _ = self._backward(layers, before)
        jacobian = np.broadcast_to(layers.weights[0], (len(w), *layers.weights[0].shape))
        total = np.zeros((len(w), self.inputs, self.inputs))
        for index, (a, u) in enumerate(zip(before, us, strict=True)):
            bent = jacobian * (self.phi.curvature(a) * u)[:, :, None]
            total += np.swapaxes(jacobian, 1, 2) @ bent
            if index + 1 < len(before):
                jacobian = layers.weights[index + 1] @ (jacobian * self.phi.slope(a)[:, :, None])
        return total

    def parameter_gradient(self, theta: FloatArray, w: FloatArray) -> FloatArray:
        """grad_theta f at w (n, d); shape (n, size)."""
        layers = self.layers(theta)
        before, after = self._forward(layers, w)
        _, slopes = self._backward(layers, before)
        parts: list[FloatArray] = []
        for h, slope in zip(after, slopes, strict=False):
            parts += [(slope[:, :, None] * h[:, None, :]).reshape(len(w), -1), slope]
        return np.concatenate([*parts, after[-1]], axis=1)

    def mean_parameter_gradient(self, theta: FloatArray, w: FloatArray) -> FloatArray:
        """The mean over particles of grad_theta f, shape (size,), without storing each."""
        layers = self.layers(theta)
        before, after = self._forward(layers, w)
        _, slopes = self._backward(layers, before)
        parts: list[FloatArray] = []
        for h, slope in zip(after, slopes, strict=False):
            parts += [slope.T @ h / len(w), slope.mean(0)]
        return self.joined([*parts, after[-1].mean(0)])

    def on_tensors(self, theta: Any, w: Any) -> Any:
        """f at a torch tensor w (..., d) with a torch tensor theta (size,); shape (...).

        Differentiable by torch in both. Nothing is imported: tensors bring their own methods.
        """
        parts, h = self.parts(theta), w
        for index in range(1, len(self.widths) + 1):
            h = self.phi.on_tensor(h @ parts[f"weight_{index}"].T + parts[f"bias_{index}"])
        return h @ parts["readout"]
