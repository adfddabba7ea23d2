"""Operations of generated ball-arithmetic code, on python-flint ``arb`` (or ``acb``) values.

Every function encloses the exact range over its argument, kinks included; ``nan`` means that
nothing is known. The precision is flint's context precision at the time of the call.

Roots and real powers of a ball that dips below zero only by the rounding of its radius (32 bits)
are taken over its non-negative part: sums of squares end up there. Any further dip gives ``nan``.
"""

from __future__ import annotations

from typing import Any

import flint

from ..errors import ArgumentError

arb, acb = flint.arb, flint.acb

_ROUNDING_DIP = 2.0**-20


def rational(p: int, q: int) -> Any:
    """p/q."""
    return arb(p) if q == 1 else arb(flint.fmpq(p, q))


def pi() -> Any:
    """The number pi."""
    return arb.pi()


def e() -> Any:
    """The number e."""
    return arb.const_e()


def _real(name: str, *values: Any) -> None:
    if any(isinstance(v, acb) for v in values):
        raise ArgumentError(f"{name} has no complex-analytic extension")


def _is_wide(value: Any) -> bool:
    return isinstance(value, arb) and not bool(value.rad() < 0.125)


def _nearly_nonnegative(value: Any) -> bool:
    return bool(value.lower() >= -_ROUNDING_DIP * value.upper())


def _monotone(name: str) -> Any:
    def function(value: Any) -> Any:
        method = getattr(arb, name)
        # a wide ball is better enclosed between its ends, infinite ones included
        if _is_wide(value):
            return method(value.lower()).union(method(value.upper()))
        return getattr(value, name)()

    function.__name__ = name
    function.__doc__ = f"{name}(u); increasing."
    return function


def _plain(name: str) -> Any:
    def function(value: Any) -> Any:
        return getattr(value, name)()

    function.__name__ = name
    function.__doc__ = f"{name}(u)."
    return function


exp = _monotone("exp")
tanh = _monotone("tanh")
atan = _monotone("atan")
erf = _monotone("erf")
sinh = _monotone("sinh")
log = _plain("log")
sin = _plain("sin")
cos = _plain("cos")
tan = _plain("tan")


def cosh(value: Any) -> Any:
    """cosh(u), even with least value 1."""
    if _is_wide(value):
        size = absolute(value)
        return _clamp(size.lower()).cosh().union(size.upper().cosh())
    return value.cosh()


def sqrt(value: Any) -> Any:
    """Square root; see the module on balls that dip below zero by rounding."""
    if isinstance(value, arb) and not value > 0 and _nearly_nonnegative(value):
        return arb(0).union(value.upper().sqrt()) if value.upper() > 0 else arb(0)
    return value.sqrt()


def recip(value: Any) -> Any:
    """1/u."""
    return 1 / value


def _product_power(value: Any, n: int) -> Any:
    # arb's own ** gives nan on balls centred at zero
    result = value if n % 2 else None
    square = value
    while n := n // 2:
        square = square * square
        if n % 2:
            result = square if result is None else result * square
    return result


def power(value: Any, n: int) -> Any:
    """u^n for integer n >= 2, exact ranges: odd powers increase, even ones have a least value."""
    if not _is_wide(value) and not (isinstance(value, arb) and value.contains(0)):
        return _product_power(value, n)
    if isinstance(value, acb):
        return _product_power(value, n)
    if n % 2:
        return _product_power(value.lower(), n).union(_product_power(value.upper(), n))
    size = absolute(value)
    low, top = arb(0) if value.contains(0) else size.lower(), size.upper()
    return _product_power(low, n).union(_product_power(top, n))


def pow(value: Any, exponent: Any) -> Any:
    """u^y on u > 0, and on u >= 0 where y > 0."""
    if isinstance(value, arb) and not value > 0:
        if bool(exponent > 0) and _nearly_nonnegative(value):
            top = value.upper()
            return arb(0).union(top**exponent) if top > 0 else arb(0)
        return arb.nan()
    return value**exponent


def absolute(value: Any) -> Any:
    """|u|."""
    _real("abs", value)
    if value.contains(0):
        return arb(0).union(value.abs_upper())
    return abs(value)


def sign(value: Any) -> Any:
    """sign(u): the whole of [-1, 1] across 0."""
    _real("sign", value)
    return value.sgn()


def heaviside(value: Any) -> Any:
    """Unit step: the whole of [0, 1] across 0."""
    _real("heaviside", value)
    return (1 + value.sgn()) / 2


def max(a: Any, b: Any) -> Any:
    """Larger of two."""
    _real("max", a, b)
    return arb(a).max(b)


def min(a: Any, b: Any) -> Any:
    """Smaller of two."""
    _real("min", a, b)
    return arb(a).min(b)


def log_cosh(value: Any) -> Any:
    """log cosh u = |u| + log(1 + e^{-2|u|}) - log 2; increasing in |u|."""
    if isinstance(value, acb):
        return value.cosh().log()
    size = absolute(value)
    if _is_wide(size):
        return _log_cosh_at(_clamp(size.lower())).union(_log_cosh_at(size.upper()))
    return _log_cosh_at(size)


def _clamp(value: Any) -> Any:
    return value if value > 0 else arb(0)


def _log_cosh_at(size: Any) -> Any:
    return size + (-2 * size).exp().log1p() - arb(2).log()


def _centre(values: tuple[Any, ...]) -> Any:
    mids = [v.mid() if isinstance(v, arb) else v.real.mid() for v in values]
    best = mids[0]
    for m in mids[1:]:
        best = m if m > best else best
    # any exact offset is right; a finite one keeps the exponentials in range
    return best if best.is_finite() else arb(0)


def log_sum_exp(*values: Any) -> Any:
    """log(sum_k exp(a_k)); the exact range when the a_k vary independently."""
    shift = _centre(values)
    if any(_is_wide(v) for v in values):
        low = _shifted([v.lower() for v in values], shift)
        return low.union(_shifted([v.upper() for v in values], shift))
    return _shifted(values, shift)


def _shifted(values: Any, shift: Any) -> Any:
    total = exp(values[0] - shift)
    for v in values[1:]:
        total = total + exp(v - shift)
    return shift + total.log()


def softmax(index: int, *values: Any) -> Any:
    """exp(a_k) / sum_m exp(a_m), as 1 / (1 + sum_{m != k} exp(a_m - a_k))."""
    own = values[index]
    total = arb(1)
    for m, v in enumerate(values):
        if m != index:
            total = total + exp(v - own)
    if isinstance(total, arb) and _is_wide(total):
        # every term of the sum is positive, which its ball may have lost
        low = total.lower()
        low = low if low > 1 else arb(1)
        return (1 / low).min(_rival_bound(own, values, index)).union(_reciprocal_or_zero(total))
    return 1 / total


def _reciprocal_or_zero(total: Any) -> Any:
    top = total.upper()
    return 1 / top if top.is_finite() else arb(0)


def _rival_bound(own: Any, values: tuple[Any, ...], index: int) -> Any:
    # w_k <= exp(a_k - a_m) for every other m; it survives where the sum overflows
    bound = arb(1)
    for m, v in enumerate(values):
        if m != index:
            gap = (own - v).upper()
            bound = bound.min(gap.exp()) if gap < 0 else bound
    return bound.upper()


class precision:
    """Context manager: flint's working precision in bits."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def __enter__(self) -> None:
        self.outer = flint.ctx.prec
        flint.ctx.prec = self.bits

    def __exit__(self, *_: object) -> None:
        flint.ctx.prec = self.outer
