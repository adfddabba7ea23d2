r"""What the mesh of the plane leaves out: a proof that no slow mode hides outside it.

With g an eigenfunction of -L of eigenvalue at most c - d, normalised, and Phi = F(U - min U),
multiplying -L g = lambda g by Phi^2 g and writing psi = g e^{-U/2} gives (Agmon 1982)

    int (V - lambda) Phi^2 psi^2 dx <= int F'(U)^2 |grad U|^2 psi^2 dx,   V = |grad U|^2/4 - Lap U/2.

Let V - a^2 |grad U|^2 >= c at heights above h (``certified.drift``) and |grad U|^2 <= G on the
shell from h to h + 1/a. F = 0 below h, linear on the shell, then growing like e^{a U} leaves
d int Phi^2 psi^2 <= G, so that with all of {height <= H} in the mesh D

    int_{outside D} g^2 d pi <= loss := (G a^2 e^2 / d) e^{-2 a (H - h)}.

The span of 1 and the slowest g, restricted to D, is a trial space for the reflecting problem on D:

    gap >= min(c - d, (1 - 2 loss) gap of D).

Small mass outside proves nothing of the kind: a mode of mass 1e-30 still closes the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import LvebmError
from .modes import natural_shift
from .plane_elements import PlaneElements

if TYPE_CHECKING:
    from ..certified.subject import Potential
    from ..protocols import Energy

FloatArray = npt.NDArray[np.float64]

_SHARES = (0.4, 0.3, 0.2, 0.12)
# the mesh ends a little below its level, where cells stop between nodes
_RIM = 2.0
_ROOM = 0.5
_LARGEST_LOSS = 1e-4
_TRIES = 4


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """gap >= min(floor, (1 - 2 loss) gap of the mesh), proved if ``reason`` is empty.

    ``places`` (k, 2) are points where the condition fails or may fail.
    """

    loss: float
    floor: float
    reason: str
    places: FloatArray


def unproved(reason: str) -> Confinement:
    """Nothing was proved."""
    return Confinement(loss=np.inf, floor=0.0, reason=reason, places=np.zeros((0, 2)))


def confinement(
    energy: Energy, potential: Potential, elements: PlaneElements, gap: float, bottom: float
) -> Confinement:
    """Proves that the mesh holds every mode slower than about twice its own gap.

    Parameters
    ----------
    energy : Energy
        For floats that choose a, h and G.
    potential : Potential
        The same function, for the proof.
    elements : PlaneElements
    gap : float
        The gap of the mesh.
    bottom : float
        Where essential spectrum is expected, or infinity.
    """
    from ..certified.drift import Drift, prove_drift

    margin = min(max(gap, 0.05 * natural_shift(elements)), (bottom - gap) / 2)
    if not margin > 1e-3 * gap:
        return unproved("the gap is the bottom of the essential spectrum")
    rate = gap + margin
    outer = elements.level - _RIM
    chosen = _chosen(energy, elements, rate, margin / 2, outer)
    if chosen is None:
        return unproved("|grad U|^2/4 - Lap U/2 is not above the gap near the edge of the mesh")
    share, inner, steepest = chosen
    radius = float(np.ceil(np.abs(elements.points).max() * 1.02))
    reason, places = "", np.zeros((0, 2))
    for _ in range(_TRIES):
        loss = _loss(share, inner, steepest, margin / 2, outer)
        if not loss <= _LARGEST_LOSS:
            return unproved(reason or "the mesh ends too close to where modes live")
        drift = Drift(
            share=share,
            rate=rate,
            minimum=elements.floor,
            inner=inner,
            outer=outer,
            steepest=steepest,
        )
        try:
            outcome = prove_drift(potential, drift, elements.covers, radius)
        except (LvebmError, ArithmeticError, OverflowError) as failure:
            return unproved(f"no proof: {failure}")
        if outcome.proved:
            return Confinement(loss=loss, floor=rate - margin / 2, reason="", places=places)
        reason, places = outcome.reason, outcome.places
        # floats saw the nodes only: the condition may fail a little higher up, inside the mesh
        held = elements.covers(places, places) if len(places) else np.zeros(0, dtype=bool)
        if not len(places) or not held.all():
            break
        inner = float(elements.height_at(places).max()) + _ROOM
    return Confinement(loss=np.inf, floor=0.0, reason=reason, places=places)


def _chosen(
    energy: Energy, elements: PlaneElements, rate: float, excess: float, outer: float
) -> tuple[float, float, float] | None:
    """(a, h, G) of the least loss as far as the nodes of the mesh tell."""
    height, points = elements.height_at(elements.points), list(elements.points.T)
    with np.errstate(all="ignore"):
        square = (energy.on_coordinates("gradient", points) ** 2).sum(axis=0)
        laplacian = energy.on_coordinates("laplacian", points)
    inside = height <= outer
    best: tuple[float, tuple[float, float, float] | None] = (np.inf, None)
    for share in _SHARES:
        with np.errstate(all="ignore"):
            low = inside & ~((0.25 - share**2) * square - laplacian / 2 >= 1.05 * rate)
        inner = max(1.0, float(height[low].max(initial=0.0)) + _ROOM)
        shell = (height >= inner - _ROOM) & (height <= inner + 1 / share + _ROOM)
        if not shell.any():
            continue
        steepest = 4 * float(square[shell].max()) + rate
        loss = _loss(share, inner, steepest, excess, outer)
        if loss < best[0]:
            best = (loss, (share, inner, steepest))
    return best[1]


def _loss(share: float, inner: float, steepest: float, excess: float, outer: float) -> float:
    return float(
        steepest * share**2 / excess * np.exp(min(2 - 2 * share * (outer - inner), 700.0))
    )

