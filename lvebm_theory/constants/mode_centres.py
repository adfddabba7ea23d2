"""Where a formula says that modes may be: stationary points of the quadratics in its exponents.

Of -log(exp(-q_1) + exp(-q_2) + ...) these are the centres of the components, of a sum of Gaussian
wells their bottoms. A narrow mode far out, which no grid of samples meets, is found so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import FloatArray
from ..errors import LvebmError
from .parts import written

if TYPE_CHECKING:
    from ..protocols import Energy


_MOST = 64


def mode_centres(energy: Energy) -> list[FloatArray]:
    """Points (2,) at which exponents that are concave quadratics have their maxima."""
    import sympy

    from ..formula.nodes import LogSumExp

    try:
        potential = written(energy)
    except LvebmError:
        return []
    if potential is None:
        return []
    x, y = potential.symbols
    centres: dict[tuple[float, float], FloatArray] = {}
    nodes = potential.expression.atoms(sympy.exp, LogSumExp)
    for node in sorted(nodes, key=sympy.default_sort_key):
        for exponent in node.args:
            if not exponent.is_polynomial(x, y):
                continue
            form = sympy.Poly(exponent, x, y)
            if form.total_degree() != 2:
                continue
            c = {m: float(v) for m, v in zip(form.monoms(), form.coeffs(), strict=True)}
            a, b, d = 2 * c.get((2, 0), 0.0), c.get((1, 1), 0.0), 2 * c.get((0, 2), 0.0)
            matrix = np.array([[a, b], [b, d]])
            if np.linalg.eigvalsh(matrix)[1] < 0:
                centre = np.linalg.solve(matrix, [-c.get((1, 0), 0.0), -c.get((0, 1), 0.0)])
                centres.setdefault((float(centre[0]), float(centre[1])), centre)
    return list(centres.values())[:_MOST]
