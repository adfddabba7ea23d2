r"""Invariance: one or a few steps from exact draws leave pi as it is.

X ~ pi, X' = K^k(X)  ==>  E[f(X') - f(X)] = 0 for every bounded f.

No burn-in and no autocorrelation: draws are independent. Blind spots: a kernel that maps pi to
itself wrongly (x -> -x on a symmetric target, the identity), and whatever the test functions do not
see.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..dictionary import Dictionary
from ..kernel import Kernel
from ..targets import ExactTarget

FloatArray = npt.NDArray[np.float64]

NAME = "invariance"


def payoffs(
    kernel: Kernel,
    target: ExactTarget,
    dictionary: Dictionary,
    step_size: float,
    rng: np.random.Generator,
    count: int,
    steps: int = 1,
) -> tuple[FloatArray, float]:
    """Paired differences (count, m) in [-1, 1], and the share of chains that moved."""
    x = target.draw(rng, count)
    after = kernel.advance(x, target.energy, step_size, rng, steps)
    moved = float(np.mean(np.any(after != x, axis=1)))
    return dictionary(after) - dictionary(x), moved
