"""Spectrum of a one-dimensional energy: two meshes, two domains, and the tails' verdict."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from ..arrays import FloatArray
from ..errors import ArgumentError, LvebmError, SolverError
from ..initial import InitialLaw
from ..protocols import Energy
from .interval import LevelInterval, level_interval
from .line_elements import LineElements
from .line_inverse import integrated_modes
from .modes import low_modes
from .panels import adaptive_panels
from .parts import exact_potential, refuse_without_law
from .spectral import Spectrum
from .tails import Threshold, essential_threshold, schroedinger_potential

Potential = Callable[[FloatArray], FloatArray]
Look = tuple[LineElements, FloatArray, FloatArray]

# (level of U above its minimum where the box ends, degree, variation per panel, tolerance)
_COARSE = (80.0, 16, 6.0, 1e-10)
_FINE = (110.0, 20, 4.0, 1e-11)
_FINER = (160.0, 24, 3.0, 1e-12)
_WIDE = (400.0, 16, 6.0, 1e-10)
_WIDER = (440.0, 20, 4.0, 1e-11)
_FLOW_LEVEL, _FLOW_DEGREE, _FLOW_VARIATION = 45.0, 12, 6.0
_REACH = 7.0  # standard deviations of a start: 3e-12 of its mass is moved to the ends
_GOAL = 1e-9
# e^-600 is near the smallest double
_HIGHEST = 600.0
_NEAR = 0.05
_MARKINGS, _MOST_MARKS = 8, 64
# rounding in singular values of a few thousand weighted slopes
_ROUNDING = 1e-12


def potential_on_line(energy: Energy) -> Potential:
    """U as a function of arrays of any shape; non-finite values raise ArgumentError."""

    def potential(x: FloatArray) -> FloatArray:
        return np.asarray(
            np.broadcast_to(energy.on_coordinates("potential", [x]), np.shape(x)), dtype=float
        )

    return potential


class Meshes:
    """Meshes of one energy that hold all of {U <= min U + level}, however narrow its parts.

    Values of U at points cannot tell of a well between them. With a formula the interval is
    bounded by ``certified.sublevel``, and places where ``certified.resolution`` finds U away from
    the polynomial of the mesh become edges of it, until there are none.
    """

    def __init__(self, energy: Energy) -> None:
        self.energy = energy
        self.potential = potential_on_line(energy)
        try:
            self.exact = exact_potential(energy)
        except LvebmError:
            self.exact = None
        self._intervals: dict[float, tuple[float, float]] = {}
        self.marks = np.zeros(0)
        for _ in range(_MARKINGS):
            marks = self._unseen(self.mesh(_WIDE))
            if marks.size == 0:
                break
            self.marks = np.union1d(self.marks, marks)

    def mesh(self, recipe: tuple[float, int, float, float]) -> LineElements:
        """Elements by a recipe (level, degree, variation, tolerance)."""
        level, degree, variation, tolerance = recipe
        edges = adaptive_panels(
            self.potential,
            *self.interval(level),
            degree=degree,
            variation=variation,
            tolerance=tolerance,
            marks=self.marks,
        )
        return LineElements(self.potential, edges, degree)

    def low_beyond(self, elements: LineElements, eigenvalue: float) -> bool:
        """Whether V = U'^2/4 - U''/2 comes down to the eigenvalue outside a mesh.

        A well there closes the gap, however little mass it has.
        """
        ((lower, upper),) = elements.box
        x = self.mesh(_WIDE).points[:, 0]
        x = x[(x < lower) | (x > upper)]
        return bool(np.any(schroedinger_potential(self.energy, x) < 1.02 * eigenvalue))

    def interval(self, level: float) -> tuple[float, float]:
        """Ends beyond which U > min U + level: proved with a formula, sampled without."""
        if level not in self._intervals:
            self._intervals[level] = self._found(level)
        return self._intervals[level]

    def _found(self, level: float) -> tuple[float, float]:
        seen = level_interval(self.potential, level)
        if self.exact is None or not seen.reached:
            return seen.lower, seen.upper
        from ..certified.sublevel import sublevel_interval

        proved = sublevel_interval(self.exact, seen.minimum + level, seen.argmin, 0.1 * level)
        if proved is None:
            return seen.lower, seen.upper
        # ends of bisection are no better than those seen, unless something lies in between
        near = _NEAR * (seen.upper - seen.lower)
        return (
            proved[0] if proved[0] < seen.lower - near else seen.lower,
            proved[1] if proved[1] > seen.upper + near else seen.upper,
        )

    def _unseen(self, elements: LineElements) -> FloatArray:
        if self.exact is None or not level_interval(self.potential, _WIDE[0]).reached:
            return np.zeros(0)
        from ..certified.resolution import unseen_places

        found = unseen_places(self.exact, elements.edges, elements.polynomial)
        return np.zeros(0) if found is None else _few(found)


def wells_of(energy: Energy) -> tuple[tuple[float, float], FloatArray]:
    """(ends, places): the interval of U - min U = 80 and where its mesh found U lowest."""
    meshes = Meshes(energy)
    elements = meshes.mesh(_COARSE)
    x, height = elements.points[:, 0], elements.height
    least = (height[1:-1] <= height[:-2]) & (height[1:-1] <= height[2:])
    return elements.box[0], x[1:-1][least]


def _few(places: FloatArray) -> FloatArray:
    return places[:: max(1, len(places) // _MOST_MARKS)]


def line_spectrum(energy: Energy, count: int) -> Spectrum:
    """See ``spectral.spectrum``.

    The box ends where U - min U = 80 and, for the second look, 110 and beyond; the error is
    the difference of the two looks. Below an essential spectrum the differences shrink
    exponentially in the box; at its bottom only like its length^(-2), and there the sampled
    limit of V = U'^2/4 - U''/2 takes over.
    """
    refuse_without_law(energy)
    potential = potential_on_line(energy)
    interval = level_interval(potential, _COARSE[0])
    threshold = essential_threshold(energy, interval)
    meshes = Meshes(energy)
    if threshold.bottom == 0 and threshold.settled:
        return _no_gap(meshes.mesh(_COARSE), potential, count, _describe(threshold, interval))
    looks: list[Look] = []
    recipes = [_COARSE, _FINE, _FINER]
    while recipes:
        recipe = recipes.pop(0)
        elements = meshes.mesh(recipe)
        if elements.height.max() > _HIGHEST:
            raise SolverError(
                f"U rises by {elements.height.max():.6g} between its wells: pi underflows there, "
                "and a gap of that order is below the smallest double"
            )
        if count > len(elements.masses) - 2:
            raise ArgumentError(f"count {count} is beyond the basis ({len(elements.masses)})")
        looks.append((elements, *integrated_modes(elements, *low_modes(elements, count))))
        if len(looks) == 1:
            beyond = np.isinf(threshold.bottom) and recipe is _COARSE
            if beyond and meshes.low_beyond(elements, float(looks[0][1][0])):
                looks, recipes = [], [_WIDE, _WIDER]
            continue
        error = np.abs(looks[-1][1] - looks[-2][1])
        if np.all(error <= _GOAL * looks[-1][1]) or not np.isinf(threshold.bottom):
            recipes = []
    elements, eigenvalues, _ = looks[-1]
    error = np.maximum(2 * error, _ROUNDING * eigenvalues)
    if np.isfinite(threshold.bottom):
        if threshold.settled:
            eigenvalues, error = _below_threshold(
                energy, elements, threshold.bottom, eigenvalues, error
            )
        else:
            eigenvalues, spread = _band_edge(looks[0], looks[-1], threshold.bottom)
            error = np.maximum(error, spread)
    describe = _describe(threshold, interval)
    refine = _refiner(potential)

    def slope(x: FloatArray) -> FloatArray:
        return np.asarray(energy.on_coordinates("gradient", [x])[0])

    def as_spectrum(look: Look, coarser: Spectrum | None) -> Spectrum:
        mesh, values, nodal = look
        return Spectrum(
            eigenvalues=eigenvalues,
            error=error,
            essential_bottom=threshold.bottom,
            essential_source=describe,
            domain=mesh.box,
            elements=mesh,
            functions=np.stack(
                [mesh.with_tails(v, f) for v, f in zip(values, nodal.T, strict=True)], axis=1
            ),
            refine=refine,
            slope=slope,
            coarser=coarser,
        )

    return as_spectrum(looks[-1], as_spectrum(looks[-2], None))


def _below_threshold(
    energy: Energy,
    elements: LineElements,
    bottom: float,
    eigenvalues: FloatArray,
    error: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Replace box artefacts above the threshold by the threshold itself.

    Neumann bracketing: -L >= (its Schroedinger form on the box with psi' = 0 at the ends) (+)
    (inf of V outside), so that lambda_k >= min(nu_k, inf V outside), while lambda_k <= the
    box's own eigenvalue and the k-th min-max value is at most the threshold.
    """
    lower = np.minimum(_neumann_bracket(energy, elements, len(eigenvalues)), bottom)
    discrete = eigenvalues + 10 * error < bottom
    values = np.where(discrete, eigenvalues, bottom)
    return values, np.where(discrete, error, np.maximum(values - lower, 1e-9 * bottom))


def _band_edge(first: Look, last: Look, floor: float) -> tuple[FloatArray, FloatArray]:
    """Tails where V oscillates: extrapolate the box values as E + c / length^2.

    The error is the whole extrapolated piece, or down to ``floor`` (the least V far out) if
    the two boxes do not settle at all. A value below ``floor`` is no band's: it stays as it is.
    """
    (small,), (large,) = first[0].box, last[0].box
    ratio = ((large[1] - large[0]) / (small[1] - small[0])) ** 2
    limit = (ratio * last[1] - first[1]) / (ratio - 1)
    wild = (limit <= floor) | (np.abs(limit - last[1]) > 0.1 * last[1])
    values = np.where(wild, (floor + last[1]) / 2, limit)
    values = np.where(last[1] + 10 * np.abs(last[1] - first[1]) < floor, last[1], values)
    return values, np.abs(last[1] - values) * (1 + 1e-9)


def _no_gap(elements: LineElements, potential: Potential, count: int, source: str) -> Spectrum:
    return Spectrum(
        eigenvalues=np.zeros(count),
        error=np.zeros(count),
        essential_bottom=0.0,
        essential_source=source,
        domain=elements.box,
        elements=elements,
        functions=np.zeros((len(elements.masses), 0)),
        refine=_refiner(potential),
    )


def _neumann_bracket(energy: Energy, elements: LineElements, count: int) -> FloatArray:
    """Lower bounds min(nu_k, inf V outside) for k = 1..count, from sampled V."""
    ((lower, upper),) = elements.box
    length = upper - lower
    steps = length * np.logspace(-6, 4, 400)
    outside = np.concatenate([lower - steps, upper + steps])
    floor = float(schroedinger_potential(energy, outside).min())
    slope = energy.on_coordinates("gradient", [np.array([lower, upper])])[0]
    inward = (-float(slope[0]) / 2, float(slope[1]) / 2)
    nu = elements.robin_eigenvalues(inward, count + 1)
    return np.minimum(nu[1:], floor)


def _describe(threshold: Threshold, interval: LevelInterval) -> str:
    if np.isinf(threshold.bottom):
        return ""
    text = (
        f"V = U'^2/4 - U''/2 tends to {threshold.bottom:.9g} in a tail"
        if threshold.settled
        else "V = U'^2/4 - U''/2 stays bounded without a limit in a tail"
    )
    return text if interval.reached else text + "; tails too heavy for a box"


def _refiner(potential: Potential) -> Callable[[InitialLaw], LineElements]:
    """Meshes that also resolve a start: its far cells inside, its narrow parts in fine panels."""

    @lru_cache(maxsize=4)
    def build(key: tuple[tuple[float, float], ...]) -> LineElements:
        # beyond U - min U = 45 pi has no mass that matters at any time
        found = level_interval(potential, _FLOW_LEVEL)
        lower, upper = found.lower, found.upper
        means, sds = np.array([k[0] for k in key]), np.array([k[1] for k in key])

        def widest(x: FloatArray) -> FloatArray:
            distance = np.abs(x[:, None] - means) / sds
            # the peak spreads while it relaxes: panels grow with the distance from it
            return np.asarray((sds * (1.25 + 0.5 * np.maximum(distance - 12, 0))).min(axis=1))

        low, high = (means - _REACH * sds).min(), (means + _REACH * sds).max()
        edges = adaptive_panels(
            potential,
            min(lower, float(low)),
            max(upper, float(high)),
            degree=_FLOW_DEGREE,
            variation=_FLOW_VARIATION,
            tolerance=_COARSE[3],
            widest=widest,
        )
        return LineElements(potential, edges, _FLOW_DEGREE)

    def refine(start: InitialLaw) -> LineElements:
        return build(tuple(zip(start.means[:, 0].tolist(), start.sds[:, 0].tolist(), strict=True)))

    return refine
