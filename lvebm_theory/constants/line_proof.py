r"""What is proved about the line around a computation on a mesh: its tails, and no unseen modes.

-L is unitarily equivalent to -d^2/dx^2 + V, V = U'^2/4 - U''/2. With V >= c beyond the mesh [a, b]
and nu the first positive eigenvalue of the form on [a, b] with the slopes U'/2 at its ends,

    min(nu, c) <= gap <= lambda_1 of the reflecting problem on [a, b]

(Neumann bracketing below; above, a function continued by constants). Small mass beyond [a, b] would
prove nothing: a well of mass 1e-30 closes the gap.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from .line_elements import LineElements
from .modes import low_modes
from .spectral import Spectrum

if TYPE_CHECKING:
    from ..certified.subject import Potential

# V is asked to exceed the gap by these factors, in turn
_FACTORS = (2.0, 1.02, 1.0005, 1.0, 1 - 1e-5, 1 - 4e-4)
_FAR = 2**40


class LineProof:
    """Proofs about a potential of the line around the mesh of a spectrum of its."""

    def __init__(self, potential: Potential, spectrum: Spectrum) -> None:
        assert isinstance(spectrum.elements, LineElements)
        from ..certified.enclosure import sharpened
        from ..certified.subject import Potential

        self.potential = potential = Potential(sharpened(potential.expression), potential.symbols)
        self.spectrum = spectrum
        self.elements: LineElements = spectrum.elements
        (slope,), ((curvature,),) = potential.gradient, potential.hessian
        self.curvature = curvature
        self.schroedinger = slope**2 / 4 - curvature / 2

    @cached_property
    def resolved(self) -> bool:
        """No well and no barrier of the mesh's own interval is hidden between its nodes."""
        from ..certified.resolution import unseen_places

        unseen = unseen_places(self.potential, self.elements.edges, self.elements.polynomial)
        return unseen is not None and unseen.size == 0

    @property
    def _ends(self) -> tuple[tuple[int, float], tuple[int, float]]:
        ((low, high),) = self.elements.box
        return ((-1, low), (1, high))

    def at_least_outside(self, expression: Any, threshold: float) -> bool:
        """expression >= threshold beyond both ends of the mesh, and no kink there."""
        return all(
            self.at_least_beyond(expression, threshold, sign, end) for sign, end in self._ends
        )

    def at_least_beyond(self, expression: Any, threshold: float, sign: int, start: float) -> bool:
        """expression >= threshold on one side of ``start``, and no kink there."""
        from ..certified.half_line import at_least_beyond
        from ..certified.subject import precisely

        prove = precisely(at_least_beyond)

        def proved(e: Any, least: float) -> bool:
            return prove(self.potential, e, least, sign=sign, start=start)

        tiny = math.ulp(0.0)
        return proved(expression, threshold) and all(
            proved(kink, tiny) or proved(-kink, tiny) for kink in _kinks(self.potential)
        )

    @cached_property
    def ceiling(self) -> float:
        """An upper bound of V far out on one side: the essential spectrum begins below it."""
        from flint import arb

        from ..certified.subject import precisely
        from ..certified.tail import Directions

        @precisely
        def prove() -> float:
            radius, best = arb(_FAR), math.inf
            evaluate = self.potential.on_rays(radius, self.schroedinger)
            for sign in (-1, 1):
                rays = Directions(axis=0, sign=sign, others=()).coordinates(radius, (0.0,))
                (value,) = evaluate(rays)
                if value.defined and value.range().defined:
                    best = min(best, math.nextafter(float(value.range().high), math.inf))
            return best

        return prove()

    def gap_bounds(self) -> tuple[float, float] | None:
        """(lower, upper) around the computed gap; None where a proof is missing."""
        value, error = float(self.spectrum.eigenvalues[0]), float(self.spectrum.error[0])
        upper = min(self._reflecting + error, self.ceiling)
        if not (self.resolved and upper > 0):
            return None
        target = min(value, upper)
        for factor in _FACTORS:
            if self.at_least_outside(self.schroedinger, factor * target):
                break
        else:
            return None
        beyond = factor * target
        lower = max(
            min(self._bracketed - error, beyond),
            min((target - error) / (1 + 2 * (target - error) * self._cut), beyond / 2),
        )
        return min(lower, target - error), upper

    @cached_property
    def _cut(self) -> float:
        r"""epsilon in 1/gap <= max(1/lambda + 2 epsilon, 2/c), infinite where it is not proved.

        With m the mean on the mesh and P the mass beyond its ends,

            Var f <= int_mesh (f - m)^2 + 2 int_out (f - f(end))^2 + 2 sum (f(end) - m)^2 P(end),

        where the second is at most 2/c of its energy (V >= c, f - f(end) = 0 at the end), and by
        Cauchy's inequality (f(b) - m)^2 <= int f'^2 d pi int_a^b F / pi, F the distribution
        function. With slope D outwards at least d > 0 beyond b, P <= pi(b) / d.
        """
        elements, total = self.elements, 0.0
        (slope,) = self.potential.gradient
        for sign, place in self._ends:
            outward = sign * slope
            start = 0.99 * float(self.potential.on_floats(outward)([np.array([place])])[0][0])
            if not (start > 0 and self.at_least_beyond(outward, start, sign, place)):
                return math.inf
            order = slice(None, None, sign)
            height = elements.height[order]
            share = np.cumsum(elements.masses[order])
            inverse = elements.node_weights[order] * np.exp(height - height[-1])
            total += float(inverse @ share) / start
        return total

    @cached_property
    def _reflecting(self) -> float:
        """lambda_1 of the mesh with free ends."""
        if math.isinf(self.spectrum.essential_bottom):
            return float(self.spectrum.eigenvalues[0])
        return float(low_modes(self.elements, 1)[0][0])

    @cached_property
    def _bracketed(self) -> float:
        """nu of the module."""
        (slope,) = self.potential.on_floats(self.potential.gradient[0])(
            [np.array(self.elements.box[0])]
        )
        outward = (-float(slope[0]) / 2, float(slope[1]) / 2)
        return float(self.elements.robin_eigenvalues(outward, 2)[1])


def _kinks(potential: Potential) -> list[Any]:
    """Expressions of which a zero may be a kink of U or a jump of its derivatives."""
    expression = potential.expression
    found = [n.args[0] for n in expression.atoms(sympy.Abs, sympy.sign, sympy.Heaviside)]
    for node in expression.atoms(sympy.Max, sympy.Min):
        found.extend(a - b for i, a in enumerate(node.args) for b in node.args[:i])
    found.extend(p.base for p in expression.atoms(sympy.Pow) if not p.exp.is_Integer)
    return [f for f in dict.fromkeys(found) if f.free_symbols]
