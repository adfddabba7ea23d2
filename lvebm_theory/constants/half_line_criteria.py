r"""Muckenhoupt's and Barthe-Roberto's criteria on the line, by quadrature.

With the median m, T(x) = pi([x, inf)), G(x) = int_m^x 1/pi (and mirrored to the left):

    Muckenhoupt (1972):      B = sup_{x>m} T G,                    1/(4 B) <= gap <= 2/B,
    Barthe and Roberto 2003: b = sup_{x>m} T log(1 + 1/(2T)) G,
                             B = sup_{x>m} T log(1 + e^2/T) G,
                             max(b-, b+) <= 2/rho <= 4 max(B-, B+),

with B the larger of the two sides; on the left-right symmetric case gap <= 1/B holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.optimize import brentq

from ..arrays import FloatArray
from ..constant import How
from .line_elements import LineElements
from .lobatto import Lobatto, lobatto

if TYPE_CHECKING:
    from .energy_constants import EnergyConstants
    from .line_proof import LineProof
    from .log_sobolev import Candidate


# U'' / U'^2 beyond the nodes
_CURVED = 0.05


@dataclass(frozen=True, kw_only=True)
class HalfLineConstants:
    """Larger of the two sides of each functional.

    ``muckenhoupt`` B, ``lower_functional`` b and ``upper_functional`` B of Barthe-Roberto;
    ``at_edge`` is True when a supremum sits at the end of the box and may grow beyond it.
    ``edges``: (last node x used, G pi there) on the left and on the right.
    """

    muckenhoupt: float
    lower_functional: float
    upper_functional: float
    at_edge: bool
    edges: tuple[tuple[float, float], tuple[float, float]]


def half_line_constants(elements: LineElements) -> HalfLineConstants:
    """The suprema over the nodes of a mesh that resolves pi."""
    density, width, x = elements.nodal_density()
    order = lobatto(elements.degree)
    # integral from the left end of a panel to each node, exact for its polynomial
    antiderivative = legendre.legvander(order.nodes, elements.degree + 1) @ _integration(order)
    p_left = (density @ antiderivative.T) * width[:, None]
    inverse_left = ((1 / density) @ antiderivative.T) * width[:, None]
    before = np.concatenate([[0.0], np.cumsum(p_left[:, -1])])
    after = np.concatenate([np.cumsum(p_left[::-1, -1])[::-1], [0.0]])
    right_of = after[1:, None] + (p_left[:, -1:] - p_left)
    left_of = before[:-1, None] + p_left
    centre = int(np.searchsorted(before, before[-1] / 2)) - 1
    median = _median(order, density[centre] * width[centre], before[-1] / 2 - before[centre])
    to_median = float(legendre.legval(median, _integration(order) @ (1 / density[centre])))
    to_median *= width[centre]
    node = int(np.searchsorted(order.nodes, median))
    sides: list[_Side] = []
    mirrored = (inverse_left[:, -1:] - inverse_left)[::-1, ::-1]
    for places, tail, inverse, law, flip in (
        (x, right_of, inverse_left, density, False),
        (-x[::-1, ::-1], left_of[::-1, ::-1], mirrored, density[::-1, ::-1], True),
    ):
        start = len(density) - 1 - centre if flip else centre
        first = elements.degree + 1 - node if flip else node
        behind = float(inverse_left[centre, -1]) - to_median if flip else to_median
        sides.append(
            _suprema(places[start:], tail[start:], inverse[start:], law[start:], first, behind)
        )
    right, left = sides
    return HalfLineConstants(
        muckenhoupt=max(s.suprema[0] for s in sides),
        lower_functional=max(s.suprema[1] for s in sides),
        upper_functional=max(s.suprema[2] for s in sides),
        at_edge=any(s.at_edge for s in sides),
        edges=((-left.last, left.ratio), (right.last, right.ratio)),
    )


class _Side(NamedTuple):
    """The three functionals on one side, and where and how (G pi) the nodes end."""

    suprema: tuple[float, ...]
    at_edge: bool
    last: float
    ratio: float


def _median(order: Lobatto, density: FloatArray, mass: float) -> float:
    """Where in [-1, 1] the integral of the density from -1 reaches ``mass``."""
    distribution = _integration(order) @ density
    # rounding may leave either end of the panel short of the median, by the processor's arithmetic
    low, high = (float(legendre.legval(end, distribution)) for end in (-1.0, 1.0))
    mass = min(max(mass, low), high)
    return float(brentq(lambda t: float(legendre.legval(t, distribution)) - mass, -1.0, 1.0))


def _integration(order: Lobatto) -> FloatArray:
    """Nodal values to Legendre coefficients of the antiderivative that vanishes at -1."""
    return np.asarray(legendre.legint(order.coefficients, lbnd=-1, axis=0))


def _suprema(
    x: FloatArray,
    tail: FloatArray,
    inverse: FloatArray,
    density: FloatArray,
    first: int,
    behind: float,
) -> _Side:
    offsets = np.concatenate([[0.0], np.cumsum(inverse[:, -1])])[:-1]
    growth = (offsets[:, None] + inverse).ravel() - behind
    t = tail.ravel()
    # T is short of the mass beyond the box: stop where that could matter
    keep = (np.arange(len(t)) >= first) & (t > t[t > 0].min() * 1e6)
    keep[1:] &= np.diff(x.ravel()) > 0  # panels share their ends
    t, growth = t[keep], growth[keep]
    functionals = (
        t * growth,
        t * np.log1p(1 / (2 * t)) * growth,
        t * np.log1p(np.e**2 / t) * growth,
    )
    edge = any(int(np.argmax(f)) >= len(f) - 3 for f in functionals)
    places = x.ravel()[keep]
    return _Side(
        suprema=tuple(_peak(places, f) for f in functionals),
        at_edge=edge,
        last=float(places[-1]),
        ratio=float(growth[-1] * density.ravel()[keep][-1]),
    )


def _peak(x: FloatArray, f: FloatArray) -> float:
    """Maximum of a smooth function from its nodes: of the quartic through five of them."""
    i = int(np.argmax(f))
    if not 2 <= i < len(f) - 2:
        return float(f[i])
    near = slice(i - 2, i + 3)
    scale = x[i + 2] - x[i - 2]
    quartic = np.polyfit((x[near] - x[i]) / scale, f[near] / f[i], 4)
    between = np.linspace((x[i - 1] - x[i]) / scale, (x[i + 1] - x[i]) / scale, 2001)
    return float(f[i] * max(1.0, np.polyval(quartic, between).max()))


def _falls_outside(proof: LineProof, found: HalfLineConstants) -> bool:
    r"""Whether T log(1 + e^2/T) G <= B was proved beyond the nodes, on both sides.

    With D the slope of U outwards and 0 <= U'' <= e D^2 beyond a node where G pi D <= k and
    1/(1 - e) <= k, derivatives of e^-U/D and k e^U/D give

        e^-U / ((1 + e) D) <= Z T <= e^-U / D,      G <= k Z e^U / D,

    so that T G <= k/D^2 and log(1 + e^2/T) <= U + log Z + log D + 3.7. Then D^2 B above k times
    that, with log D <= log D_0 + D/D_0 - 1, is a statement about U alone.
    """
    from ..certified.subject import exact_number

    (slope,) = proof.potential.gradient
    log_z = proof.elements.log_normaliser
    for sign, (place, ratio) in zip((-1, 1), found.edges, strict=True):
        outward = sign * slope
        start = float(proof.potential.on_floats(outward)([np.array([place])])[0][0])
        if not start > 0:
            return False
        k = exact_number(max(ratio * start, 1 / (1 - _CURVED)) * (1 + 1e-9))
        first = exact_number(start)
        remainder = exact_number(log_z + math.log(start) + 2.7)
        logarithm = proof.potential.expression + remainder + outward / first
        bound = exact_number(found.upper_functional) * slope**2 - k * logarithm
        statements = (proof.curvature, exact_number(_CURVED) * slope**2 - proof.curvature, bound)
        if not all(proof.at_least_beyond(e, 0.0, sign, place) for e in statements):
            return False
    return True


def barthe_roberto(constants: EnergyConstants) -> Candidate | None:
    """rho >= 1/(2 max(B-, B+)), by quadrature."""
    from .log_sobolev import Candidate

    if constants.energy.dim != 1 or not isinstance(constants.spectrum.elements, LineElements):
        return None
    found = half_line_constants(constants.spectrum.elements)
    if found.at_edge:
        return None
    proof = constants.line_proof
    proved = proof is not None and proof.resolved and _falls_outside(proof, found)
    return Candidate(
        name="barthe-roberto",
        lower=(1 - 1e-6) / (2 * found.upper_functional),
        how=How.COMPUTED if proved else How.ESTIMATED,
        source=f"Barthe-Roberto with B = {found.upper_functional:.6g} by quadrature",
    )
