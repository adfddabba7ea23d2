r"""The Fokker-Planck flow in a planar spectral basis: e^{-t L} of an initial law, at any times.

With y = sqrt(pi) (p_t / pi) the flow is y' = -S y. A shift-inverted Lanczos basis started at
y_0 reduces S to a small symmetric matrix whose exponential gives every time at once; it is a
spectral expansion in Ritz pairs, which settles on the true modes from the slow end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray
from ..initial import InitialLaw
from .modes import Elements


@dataclass(frozen=True, kw_only=True)
class ReducedFlow:
    """y_t = basis exp(-t diag(rates)) amplitudes, in scaled variables; ``norm`` is |y_0|."""

    basis: FloatArray
    rates: FloatArray
    amplitudes: FloatArray
    ground: FloatArray
    norm: float

    def ratio(self, time: float) -> FloatArray:
        """p_t / pi at the nodes, shape (n,); its pi-mean is one."""
        decaying = self.basis @ (np.exp(-self.rates * time) * self.amplitudes)
        return np.asarray(1.0 + decaying / self.ground)


def reduced_flow(elements: Elements, start: InitialLaw, shift: float, size: int) -> ReducedFlow:
    """Lanczos with full reorthogonalisation on (S + shift)^{-1} from the start's ratio.

    Parameters
    ----------
    elements : Elements
    start : InitialLaw
    shift : float
        About 10 / t for the smallest time asked: modes much faster than that are gone by then.
    size : int
        Dimension of the basis.
    """
    ground = np.sqrt(elements.masses)
    vector = elements.load(start) / ground
    vector = vector - ground * (ground @ vector)
    vector = vector - ground * (ground @ vector)
    norm = float(np.linalg.norm(vector))
    solve = elements.shift_inverse(shift)
    size = min(size, len(ground) - 1)
    basis = np.zeros((size, len(ground)))
    small = np.zeros((size, size))
    basis[0] = vector / norm
    used = size
    for j in range(size):
        image = solve(basis[j])
        image = image - ground * (ground @ image)
        for _ in range(2):
            overlap = basis[: j + 1] @ image
            image = image - overlap @ basis[: j + 1]
            small[: j + 1, j] += overlap
        length = float(np.linalg.norm(image))
        if j + 1 == size or length < 1e-14 * abs(small[0, 0]):
            used = j + 1
            break
        small[j + 1, j] = length
        basis[j + 1] = image / length
    small = small[:used, :used]
    inverse_rates, vectors = np.linalg.eigh((small + small.T) / 2)
    positive = inverse_rates > 1e-15 * inverse_rates[-1]
    inverse_rates, vectors = inverse_rates[positive], vectors[:, positive]
    return ReducedFlow(
        basis=basis[:used].T @ vectors,
        rates=np.maximum(1 / inverse_rates - shift, 0.0),
        amplitudes=norm * vectors[0],
        ground=ground,
        norm=norm,
    )
