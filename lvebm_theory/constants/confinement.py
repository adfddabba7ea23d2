r"""What the mesh of the plane leaves out: a proof that no slow mode hides outside it.

With g an eigenfunction of -L of eigenvalue lambda <= c - d, normalised, heights u = U - min U and
Phi = F(u), multiplying -L g = lambda g by Phi^2 g, and int f^2 V d pi <= E(f, f) with f = Phi g,
V = -L W/W and W = e^{q U}, give (Agmon 1982, who has q = 1/2)

    int (V - lambda) Phi^2 g^2 d pi <= int F'(u)^2 |grad U|^2 g^2 d pi,
    V = q (1 - q) |grad U|^2 - q Lap U.

Let V >= c + a(u)^2 |grad U|^2 at heights above h (``certified.drift``), |grad U|^2 <= G on the
ramp from h to h + t, and {u <= H} be in the mesh D. With F = 0 below h, u - h on the ramp, then
F' = a(u) F, and F constant above H,  d int Phi^2 g^2 d pi <= G, so that

    int_{outside D} g^2 d pi <= loss := G/(d t^2) exp(-2 int_{h + t}^H a(u) du).

The span of 1 and the slowest g, restricted to D, is a trial space for the reflecting problem on D:

    gap >= min(c - d, (1 - 2 loss) gap of D).

Small mass outside proves nothing of the kind: a mode of mass 1e-30 still closes the gap.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import FloatArray
from ..errors import LvebmError
from .modes import natural_shift
from .plane_elements import PlaneElements

if TYPE_CHECKING:
    from ..certified.drift import Drift
    from ..certified.subject import Potential
    from ..protocols import Energy


_TOO_CLOSE = "the mesh ends too close to where modes may live"
# the mesh ends a little below its level, where cells stop between nodes
_RIM = 2.0
_ROOM = 0.5
_RAMPS = (2.0, 4.0)
_BAND = 1.5
_LARGEST_LOSS, _GOOD_LOSS = 1e-4, 1e-7
_FURTHER = 30.0  # heights by which a mesh is raised at most
_TRIES = 5
_POWERS = (0.5, 0.25, 0.125)
_MARGINS = (0.3, 1.0)  # of c over the gap, in gaps


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """gap >= min(floor, (1 - 2 loss) gap of the mesh), proved if ``reason`` is empty.

    ``places`` (k, 2) are points where the condition fails or may fail; ``level`` is one at which
    a mesh would do, or do better, infinite where none is known.
    """

    loss: float
    floor: float
    reason: str
    places: FloatArray
    level: float = np.inf


def unproved(reason: str, level: float = np.inf) -> Confinement:
    """Nothing was proved."""
    return Confinement(loss=np.inf, floor=0.0, reason=reason, places=np.zeros((0, 2)), level=level)


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
    from ..certified.drift import prove_drift

    most = (bottom - gap) / 2
    margins = {min(max(share * gap, 0.05 * natural_shift(elements)), most) for share in _MARGINS}
    if not max(margins) > 1e-3 * gap:
        return unproved("the gap is the bottom of the essential spectrum")
    outer = elements.level - _RIM
    height, square, laplacian = _on(energy, elements, elements.points)
    radius = float(np.ceil(np.abs(elements.points).max() * 1.02))
    reason, places = "", np.zeros((0, 2))
    for _ in range(_TRIES):
        drifts = [
            _drift(elements, gap, margin, ramp, q, chosen)
            for margin, ramp, q in itertools.product(sorted(margins), _RAMPS, _POWERS)
            if (chosen := _chosen(height, square, laplacian, q, 1.05 * (gap + margin), outer, ramp))
            is not None
        ]
        if not drifts:
            return unproved(reason or _TOO_CLOSE, elements.level + _FURTHER)
        loss, drift = min(((_loss(d, d.rate - gap), d) for d in drifts), key=lambda p: p[0])
        short = float(np.log(loss / _GOOD_LOSS) / (2 * max(drift.shares[-1], 0.1))) + _RIM
        level = elements.level + min(_FURTHER, short) if loss > 10 * _GOOD_LOSS else np.inf
        if not loss <= _LARGEST_LOSS:
            return unproved(reason or _TOO_CLOSE, level)
        try:
            outcome = prove_drift(potential, drift, elements.covers, radius)
        except (LvebmError, ArithmeticError) as failure:
            return unproved(f"no proof: {failure}")
        if outcome.proved:
            return Confinement(
                loss=loss, floor=(drift.rate + gap) / 2, reason="", places=places, level=level
            )
        reason, places = outcome.reason, outcome.places
        if not len(places) or not elements.covers(places, places).all():
            break
        # floats saw the nodes only: these points count from now on
        more = _on(energy, elements, places)
        height, square, laplacian = (
            np.concatenate(pair) for pair in zip((height, square, laplacian), more, strict=True)
        )
    reason = reason or _TOO_CLOSE
    return Confinement(loss=np.inf, floor=0.0, reason=reason, places=places)


def _drift(
    elements: PlaneElements,
    gap: float,
    margin: float,
    ramp: float,
    power: float,
    chosen: tuple[float, FloatArray, float],
) -> Drift:
    from ..certified.drift import Drift

    inner, shares, steepest = chosen
    return Drift(
        rate=gap + margin,
        minimum=elements.floor,
        inner=inner,
        outer=elements.level - _RIM,
        ramp=ramp,
        shares=shares,
        steepest=steepest,
        power=power,
    )


def _loss(drift: Drift, margin: float) -> float:
    """G/(d t^2) exp(-2 int a du), with d half of the margin between c and the gap."""
    width = (drift.outer - drift.inner) / len(drift.shares)
    ends = width * np.arange(1, len(drift.shares) + 1)
    covered = np.clip(ends - drift.ramp, 0.0, width)
    return float(
        drift.steepest / (margin / 2) / drift.ramp**2 * np.exp(-2 * (drift.shares * covered).sum())
    )


def _on(
    energy: Energy, elements: PlaneElements, points: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Heights, |grad U|^2 and the Laplacian at points."""
    with np.errstate(all="ignore"):
        square = (energy.on_coordinates("gradient", list(points.T)) ** 2).sum(axis=0)
        laplacian = np.broadcast_to(
            energy.on_coordinates("laplacian", list(points.T)), square.shape
        )
    return elements.height_at(points), square, np.asarray(laplacian)


def _chosen(
    height: FloatArray,
    square: FloatArray,
    laplacian: FloatArray,
    power: float,
    rate: float,
    outer: float,
    ramp: float,
) -> tuple[float, FloatArray, float] | None:
    """(h, a on bands, G) as far as points tell: h just above the last place without a drift."""
    most = power * (1 - power)
    with np.errstate(all="ignore"):
        excess = np.nan_to_num(most * square - power * laplacian - rate, nan=-np.inf)
    inside = height <= outer
    inner = max(1.0, float(height[inside & (excess < 0)].max(initial=0.0)) + _ROOM)
    count = int((outer - inner) // _BAND)
    if count < 1:
        return None
    shares = np.empty(count)
    band = np.floor((height - inner) / ((outer - inner) / count)).astype(int, copy=False)
    ratio = 0.85 * np.maximum(excess, 0.0) / np.maximum(square, 1e-300)
    for k in range(count):
        here = inside & (np.abs(band - k) <= 1) & (height > inner)
        shares[k] = min(0.98, float(np.sqrt(ratio[here].min(initial=0.96 * most) / most))) * (
            most**0.5
        )
    near = (height >= inner - _ROOM) & (height <= inner + ramp + _ROOM)
    return inner, shares, 2 * float(square[near].max(initial=0.0)) + 1e-300
