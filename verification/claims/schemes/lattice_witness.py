"""Laws of ULA against pi on the line, by the transition kernel: KL and W2 at every step.

Shared by the two non-asymptotic bounds. pi is normalised on the same nodes; the trapezoidal rule
is spectrally accurate for both, and a lattice refined by half gives the numerical width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvebm_theory.errors import ArgumentError, AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from ...measurement import Measurement

_FLOOR = 1e-13
_OUTSIDE = 1e-16  # mass of pi beyond its truncation box
_CELLS = 8  # per node, for W2


def lattice_box(energy: Energy, start: InitialLaw) -> tuple[float, float]:
    """A box that holds pi, the start, and some room for the wider law of ULA."""
    from lvebm_theory.certified import truncation_box

    box = truncation_box(energy)
    if box is None:
        raise AssumptionError("ULA on a lattice", ["tails light enough for a lattice"])
    low = min(box[0][0], float((start.means - 9 * start.sds).min()))
    high = max(box[0][1], float((start.means + 9 * start.sds).max()))
    margin = 0.15 * (high - low)
    return low - margin, high + margin


def distances(
    energy: Energy, start: InitialLaw, step_size: float, steps: Sequence[int], quantity: str
) -> list[Measurement]:
    """KL(mu_k|pi) or W2(mu_k, pi) for ULA from this start, at each k >= 1.

    Raises
    ------
    AssumptionError
        When the lattice would be too large for this step.
    """
    from solvers.densities.transition_kernel import ula_kernel
    from solvers.transport.one_dimensional import w2_grids

    box = lattice_box(energy, start)
    rows, spacing = [], 0.0
    for refine in (1.0, 1.5):
        try:
            kernel = ula_kernel(energy, step_size, box, refine=refine)
        except ArgumentError as error:
            raise AssumptionError("ULA on a lattice", [str(error)]) from error
        # KL is as smooth as the densities; W2 sees the cells
        laws = kernel.after(start, steps, finer=1 if quantity == "KL" else _CELLS)
        u = energy.potential(laws[0].nodes[:, None])
        weights = np.exp(-(u - u.min()))
        pi = weights / weights.sum()
        spacing = laws[0].spacing
        if quantity == "KL":
            rows.append([_relative_entropy(law.masses, pi) for law in laws])
        else:
            rows.append([w2_grids(law.masses, law.edges, pi, law.edges) for law in laws])
    # smearing mass over its cell moves it by at most half a cell, in both laws
    smear = 0.0 if quantity == "KL" else spacing / np.sqrt(3.0)
    return [
        Measurement(
            value=float(fine),
            numerical=2.0 * abs(float(fine - coarse))
            + smear
            + _FLOOR
            + _of_lost(quantity, law.lost, box[1] - box[0], float(np.ptp(u))),
        )
        for coarse, fine, law in zip(*rows, laws, strict=True)
    ]


def _of_lost(quantity: str, lost: float, length: float, height: float) -> float:
    """What mass beyond the lattice can change: it lies within one length, one height of U more."""
    share = lost + _OUTSIDE
    if quantity == "KL":
        return float(share * (1.0 - np.log(share) + height))
    return float(np.sqrt(share) * length)


def _relative_entropy(p: np.ndarray, pi: np.ndarray) -> float:
    kept = p > 0
    # where pi underflows the box was meant to leave out; clipped jointly with p
    kept &= pi > 0
    ratio = p[kept] / pi[kept]
    return float((pi[kept] * (ratio * np.log(ratio) - ratio + 1.0)).sum())


def initial_w2(energy: Energy, start: InitialLaw) -> float:
    """W2(mu_0, pi), from above by at most two cell widths of a fine lattice."""
    from solvers.transport.one_dimensional import w2_grids

    low, high = lattice_box(energy, start)
    edges = np.linspace(low, high, 20_001)
    centres = 0.5 * (edges[1:] + edges[:-1])
    u = energy.potential(centres[:, None])
    weights = np.exp(-(u - u.min()))
    masses = start.cell_masses((edges,))
    w2 = w2_grids(masses / masses.sum(), edges, weights / weights.sum(), edges)
    beyond = _of_lost("W2", 0.0, high - low, 0.0)
    return float(w2) + 2.0 * float(edges[1] - edges[0]) + beyond
