"""Derivatives that visit every shared subexpression once.

SymPy's own ``diff`` walks expressions as trees; the Hessian of a mixture, where every entry
shares the softmax weights, is a small graph but an enormous tree.
"""

from __future__ import annotations

from typing import Any

import sympy

from .nodes import LogSumExp, SoftmaxWeight


class Differentiation:
    """d/ds for one symbol s, remembering what it has seen.

    At kinks: ``abs`` has slope sign; sign and step functions have derivative 0 everywhere, so
    that second derivatives carry no point masses.
    """

    def __init__(self, symbol: Any) -> None:
        self.symbol = symbol
        self._seen: dict[Any, Any] = {symbol: sympy.S.One}

    def __call__(self, expression: Any) -> Any:
        result = self._seen.get(expression)
        if result is None:
            result = self._seen[expression] = self._derive(expression)
        return result

    def _derive(self, e: Any) -> Any:
        if not e.args:
            return sympy.S.Zero
        if isinstance(e, SoftmaxWeight):
            return self._softmax(e)
        slopes = [self(a) for a in e.args]
        if not any(slopes):
            return sympy.S.Zero
        if e.is_Add:
            return sympy.Add(*slopes)
        if e.is_Mul:
            return sympy.Add(
                *(
                    sympy.Mul(slope, *e.args[:i], *e.args[i + 1 :])
                    for i, slope in enumerate(slopes)
                    if slope
                )
            )
        if e.is_Pow:
            return self._power(e, *slopes)
        if isinstance(e, LogSumExp):
            return sympy.Add(
                *(SoftmaxWeight(sympy.Integer(k), *e.args) * s for k, s in enumerate(slopes) if s)
            )
        if isinstance(e, sympy.Max | sympy.Min):
            return self._extremum(e, slopes)
        if isinstance(e, sympy.Abs):
            return sympy.sign(e.args[0]) * slopes[0]
        if isinstance(e, sympy.sign | sympy.Heaviside):
            return sympy.S.Zero
        return sympy.Add(*(e.fdiff(i + 1) * slope for i, slope in enumerate(slopes) if slope))

    def _power(self, e: Any, base_slope: Any, exponent_slope: Any) -> Any:
        result = sympy.S.Zero
        if base_slope:
            result += e.exp * e.base ** (e.exp - 1) * base_slope
        if exponent_slope:
            result += e * sympy.log(e.base) * exponent_slope
        return result

    def _extremum(self, e: Any, slopes: list[Any]) -> Any:
        """Of m_k = max(a_k, m_(k+1)): one step per argument, shared by all that follow.

        SymPy's own rule compares every argument with every other, at each derivative again.
        """
        pairs = sorted(zip(e.args, slopes, strict=True), key=lambda p: sympy.default_sort_key(p[0]))
        largest, slope = pairs.pop()
        for argument, its_slope in reversed(pairs):
            ahead = argument - largest if isinstance(e, sympy.Max) else largest - argument
            step = sympy.Heaviside(ahead, evaluate=False)
            slope = step * its_slope + (1 - step) * slope
            largest = e.func(argument, largest, evaluate=False)
        return slope

    def _softmax(self, e: Any) -> Any:
        # w_k (a_k' - sum_m w_m a_m'); the sum is one shared object
        mean_slope = self(LogSumExp(*e.exponents))
        slope = self(e.exponents[e.index]) - mean_slope
        return e * slope if slope else sympy.S.Zero
