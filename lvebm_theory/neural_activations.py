"""Smooth activations phi with bounded first and second derivatives, and the bounds.

With s the logistic function and t = a/2:

    silu      phi = a s(a);   phi' = s + a s (1 - s);   phi'' = (1 - t tanh t) / (2 cosh^2 t)
    tanh      phi' = 1 - tanh^2,   phi'' = -2 tanh (1 - tanh^2)
    softplus  phi = log(1 + e^a),  phi' = s,   phi'' = s (1 - s)

Suprema. silu: phi'' vanishes where t tanh t = 1, t* = 1.19967864025773...; there phi' =
(1 + t*)/2, the maximum, and by symmetry the minimum is (1 - t*)/2; |phi''| <= 1/2, at 0: from
above by 1/cosh^2 <= 1 and 1 - t tanh t <= 1, from below by t tanh t <= cosh^2 t (since t <= cosh
t). tanh: phi' <= 1 and |phi''| = 2 y (1 - y^2) <= 4 / (3 sqrt 3) at y = 1/sqrt 3. softplus:
phi' < 1, phi'' <= 1/4. Decimals below are rounded up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from .arrays import FloatArray

Map = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, kw_only=True)
class Activation:
    """phi with phi', phi'' on arrays, upper bounds of |phi'|, |phi''|, and phi on torch tensors."""

    value: Map
    slope: Map
    curvature: Map
    greatest_slope: float
    greatest_curvature: float
    on_tensor: Callable[[Any], Any]


def _silu_slope(a: FloatArray) -> FloatArray:
    s = expit(a)
    return np.asarray(s + a * s * expit(-a))


def _silu_curvature(a: FloatArray) -> FloatArray:
    return np.asarray(expit(a) * expit(-a) * (2 - a * np.tanh(a / 2)))


def _tanh_slope(a: FloatArray) -> FloatArray:
    # 1 - tanh^2 without the cancellation
    return np.asarray(4 * expit(2 * a) * expit(-2 * a))


ACTIVATIONS: dict[str, Activation] = {
    "silu": Activation(
        value=lambda a: np.asarray(a * expit(a)),
        slope=_silu_slope,
        curvature=_silu_curvature,
        greatest_slope=1.09983932013,
        greatest_curvature=0.5,
        on_tensor=lambda a: a * a.sigmoid(),
    ),
    "tanh": Activation(
        value=np.tanh,
        slope=_tanh_slope,
        curvature=lambda a: np.asarray(-2 * np.tanh(a) * _tanh_slope(a)),
        greatest_slope=1.0,
        greatest_curvature=0.76980035892,
        on_tensor=lambda a: a.tanh(),
    ),
    "softplus": Activation(
        value=lambda a: np.logaddexp(0.0, a),
        slope=lambda a: np.asarray(expit(a)),
        curvature=lambda a: np.asarray(expit(a) * expit(-a)),
        greatest_slope=1.0,
        greatest_curvature=0.25,
        on_tensor=lambda a: a.logaddexp(a.new_zeros(())),
    ),
}
