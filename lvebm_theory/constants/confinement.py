r"""What the mesh of the plane leaves out: a proof that no slow mode hides outside it.

With g an eigenfunction of -L of eigenvalue lambda <= c - d, normalised, heights u = U - min U and
Phi = F(u), multiplying -L g = lambda g by Phi^2 g and writing psi = g e^{-U/2} gives (Agmon 1982)

    int (V - lambda) Phi^2 psi^2 dx <= int F'(u)^2 |grad U|^2 psi^2 dx,  V = |grad U|^2/4 - Lap U/2.

Let V >= c + a(u)^2 |grad U|^2 at heights above h (``certified.drift``), |grad U|^2 <= G on the
ramp from h to h + t, and {u <= H} be in the mesh D. With F = 0 below h, u - h on the ramp, then
F' = a(u) F, and F constant above H,  d int Phi^2 psi^2 <= G, so that

    int_{outside D} g^2 d pi <= loss := G/(d t^2) exp(-2 int_{h + t}^H a(u) du).

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

# the mesh ends a little below its level, where cells stop between nodes
_RIM = 2.0
_ROOM = 0.5
_RAMP = 2.0
_BAND = 1.5
_LARGEST_LOSS = 1e-4
_TRIES = 5


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

    margin = min(max(0.3 * gap, 0.05 * natural_shift(elements)), (bottom - gap) / 2)
    if not margin > 1e-3 * gap:
        return unproved("the gap is the bottom of the essential spectrum")
    rate = gap + margin
    outer = elements.level - _RIM
    height, square, excess = _on(energy, elements, elements.points, rate)
    radius = float(np.ceil(np.abs(elements.points).max() * 1.02))
    reason, places = "", np.zeros((0, 2))
    for _ in range(_TRIES):
        chosen = _chosen(height, square, excess, outer)
        if chosen is None:
            break
        inner, shares, steepest = chosen
        width = (outer - inner) / len(shares)
        covered = np.clip(inner + width * np.arange(1, len(shares) + 1) - inner - _RAMP, 0.0, width)
        loss = float(steepest / (margin / 2) / _RAMP**2 * np.exp(-2 * (shares * covered).sum()))
        if not loss <= _LARGEST_LOSS:
            reason = reason or "the mesh ends too close to where modes live"
            break
        drift = Drift(
            rate=rate,
            minimum=elements.floor,
            inner=inner,
            outer=outer,
            ramp=_RAMP,
            shares=shares,
            steepest=steepest,
        )
        try:
            outcome = prove_drift(potential, drift, elements.covers, radius)
        except (LvebmError, ArithmeticError) as failure:
            return unproved(f"no proof: {failure}")
        if outcome.proved:
            return Confinement(loss=loss, floor=rate - margin / 2, reason="", places=places)
        reason, places = outcome.reason, outcome.places
        if not len(places) or not elements.covers(places, places).all():
            break
        # floats saw the nodes only: these points count from now on
        more = _on(energy, elements, places, rate)
        height, square, excess = (
            np.concatenate(pair) for pair in zip((height, square, excess), more, strict=True)
        )
    reason = reason or "|grad U|^2/4 - Lap U/2 is not above the gap near the edge of the mesh"
    return Confinement(loss=np.inf, floor=0.0, reason=reason, places=places)


def _on(
    energy: Energy, elements: PlaneElements, points: FloatArray, rate: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Heights, |grad U|^2 and V - c at points, with some room."""
    with np.errstate(all="ignore"):
        square = (energy.on_coordinates("gradient", list(points.T)) ** 2).sum(axis=0)
        laplacian = energy.on_coordinates("laplacian", list(points.T))
        excess = square / 4 - laplacian / 2 - 1.05 * rate
    return elements.height_at(points), square, np.nan_to_num(excess, nan=-np.inf)


def _chosen(
    height: FloatArray, square: FloatArray, excess: FloatArray, outer: float
) -> tuple[float, FloatArray, float] | None:
    """(h, a on bands, G) as far as points tell: h just above the last place without a drift."""
    inside = height <= outer
    inner = max(1.0, float(height[inside & (excess < 0)].max(initial=0.0)) + _ROOM)
    count = int((outer - inner) // _BAND)
    if count < 1:
        return None
    shares = np.full(count, 0.45)
    band = np.floor((height - inner) / ((outer - inner) / count)).astype(int, copy=False)
    ratio = 0.85 * np.maximum(excess, 0.0) / np.maximum(square, 1e-300)
    for k in range(count):
        here = inside & (np.abs(band - k) <= 1) & (height > inner)
        shares[k] = min(0.49, float(np.sqrt(ratio[here].min(initial=0.24))))
    ramp = (height >= inner - _ROOM) & (height <= inner + _RAMP + _ROOM)
    return inner, shares, 2 * float(square[ramp].max(initial=0.0)) + 1e-300
