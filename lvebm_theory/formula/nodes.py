"""SymPy nodes of our own: log-sum-exp, its softmax derivative, and log-cosh.

    d/ds log sum_k e^{a_k} = sum_k w_k a_k',     w_k = e^{a_k} / sum_m e^{a_m}
    d/ds w_k = w_k (a_k' - sum_m w_m a_m')

As single nodes they neither underflow nor swell: a mixture of K Gaussians differentiates to sums
over K weights that share their exponentials. ``derivative.Differentiation`` knows these rules.
"""

from __future__ import annotations

from typing import Any

import sympy


class LogSumExp(sympy.Function):  # type: ignore[misc]
    """log(sum_k exp(a_k)) of its arguments."""

    is_extended_real = True

    @classmethod
    def eval(cls, *arguments: Any) -> Any:
        """One argument is itself; anything else stays a node."""
        return arguments[0] if len(arguments) == 1 else None

    def _eval_evalf(self, precision: int) -> Any:
        return sympy.log(sympy.Add(*(sympy.exp(a) for a in self.args)))._evalf(precision)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        inside = "+".join(f"e^{{{printer._print(a)}}}" for a in self.args)
        text = rf"\log\left({inside}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class SoftmaxWeight(sympy.Function):  # type: ignore[misc]
    """exp(a_k) / sum_m exp(a_m); arguments k, a_0, a_1, ..."""

    is_extended_real = True
    is_positive = True

    @property
    def index(self) -> int:
        """k."""
        return int(self.args[0])

    @property
    def exponents(self) -> tuple[Any, ...]:
        """a_0, a_1, ..."""
        return tuple(self.args[1:])

    def _eval_evalf(self, precision: int) -> Any:
        parts = [sympy.exp(a) for a in self.exponents]
        return (parts[self.index] / sympy.Add(*parts))._evalf(precision)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        text = rf"\operatorname{{softmax}}_{{{self.index}}}"
        return text if exp is None else rf"{text}^{{{exp}}}"


class LogCosh(sympy.Function):  # type: ignore[misc]
    """log(cosh(u))."""

    is_extended_real = True
    is_nonnegative = True

    @classmethod
    def eval(cls, argument: Any) -> Any:
        """log cosh 0 = 0 and evenness."""
        if argument.is_zero:
            return sympy.S.Zero
        if argument.could_extract_minus_sign():
            return cls(-argument)
        return None

    def fdiff(self, argindex: int = 1) -> Any:
        """tanh(u)."""
        return sympy.tanh(self.args[0])

    def _eval_evalf(self, precision: int) -> Any:
        return sympy.log(sympy.cosh(self.args[0]))._evalf(precision)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        text = rf"\log\cosh\left({printer._print(self.args[0])}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"
