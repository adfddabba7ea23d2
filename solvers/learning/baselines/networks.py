"""Multilayer perceptrons of one kind for every baseline, and their parameter counts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lvebm_theory.errors import ArgumentError

if TYPE_CHECKING:
    import torch


def sizes_of(inputs: int, hidden: Sequence[int], outputs: int) -> tuple[int, ...]:
    """Widths of all layers; refuses what is not positive."""
    sizes = (inputs, *hidden, outputs)
    if not hidden or any(int(s) != s or s < 1 for s in sizes):
        raise ArgumentError(f"a network needs positive widths and a hidden layer, got {sizes}")
    return tuple(int(s) for s in sizes)


def parameter_count(inputs: int, hidden: Sequence[int], outputs: int) -> int:
    """Weights and biases."""
    sizes = sizes_of(inputs, hidden, outputs)
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def perceptron(inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator) -> Any:
    """x -> W_L s(... s(W_1 x + b_1) ...) + b_L with s(t) = t / (1 + e^{-t}), in float32.

    Weights N(0, 2 / fan-in), the last layer's variance a tenth of that; biases zero.
    """
    import torch

    sizes = sizes_of(inputs, hidden, outputs)
    layers: list[Any] = []
    for index, (a, b) in enumerate(itertools.pairwise(sizes)):
        last = index == len(sizes) - 2
        layer = torch.nn.Linear(a, b)
        spread = math.sqrt((0.2 if last else 2.0) / a)
        with torch.no_grad():
            layer.weight.copy_(spread * torch.randn(b, a, generator=generator))
            layer.bias.zero_()
        layers += [layer] if last else [layer, torch.nn.SiLU()]
    return torch.nn.Sequential(*layers)
