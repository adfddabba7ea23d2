"""Whether chains that started apart describe the same law: the split R-hat.

    R-hat^2 = 1 + (variance of the half-chain means) / (mean variance within half-chains) - 1/L

Source: Gelman and Rubin 1992; split chains: Gelman et al., Bayesian Data Analysis, section 11.4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray


class Agreement:
    """Running moments of every half-chain.

    Parameters
    ----------
    shape : (n, K, d)
    length : int
        How many states will be added.
    """

    def __init__(self, shape: tuple[int, ...], length: int) -> None:
        self._half = max(length // 2, 1)
        self._added = 0
        self._sums = np.zeros((2, 2, *shape))

    def add(self, x: FloatArray) -> None:
        """The next state of every chain, (n, K, d)."""
        half = self._added // self._half
        if half < 2:
            self._sums[0, half] += x
            self._sums[1, half] += x * x
        self._added += 1

    def disagreement(self, free: npt.NDArray[np.bool_]) -> dict[str, float] | None:
        """Median and largest R-hat over the free coordinates, mask (n, d).

        None while a half-chain has fewer than four states.
        """
        count = self._half
        if self._added < 2 * count or count < 4:
            return None
        means = self._sums[0] / count
        within = (self._sums[1] / count - means**2).mean((0, 2)) * count / (count - 1)
        n, dim = within.shape
        between = np.moveaxis(means, 0, 1).reshape(n, -1, dim).var(1, ddof=1)
        square = 1 - 1 / count + between / np.maximum(within, 1e-300)
        values = np.sqrt(square[free])
        return {"median": float(np.median(values)), "largest": float(values.max())}
