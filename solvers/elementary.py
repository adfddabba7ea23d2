"""exp, log, log1p, sin, cos, tanh in forms that a compiler vectorises across particles.

A call of the C library in a loop over particles keeps the whole loop scalar. These are the same
functions as polynomials after an argument reduction without branches: within 3 ulp of the true
value, the same bits in vector and scalar code. In float64:

    exp     k = round(x / log 2), e^x = 2^k e^r; 0 below -708.39 (no subnormals), inf above 709.78
    log     log_64 of ``box_muller`` after scaling; nan below 0, -inf at 0
    sin     quarter turns subtracted in three parts, exact for |x| < 1e6; beyond, the error grows
    cos     like 1e-26 |x|^2 (a particle that far out in a periodic potential has other troubles)
    tanh    x + x^3 P(x^2) up to 0.55, else 1 - 2 / (e^{2|x|} + 1)

float32 likewise with fewer terms. Rounding to an integer k adds and subtracts 3 2^51 (3 2^22),
whose last bits then hold k. Polynomials are minimax (Remez, weighted to relative error), errors
below 8e-17 and 7e-9 (exp and tanh 3e-9, 4e-8).
"""

from __future__ import annotations

from typing import Any

from .noise.box_muller import log_32, log_64
from .noise.primitives import (
    bits_32,
    bits_64,
    fma,
    real_of_bits_32,
    real_of_bits_64,
    where,
)

# body: the functions below are copied into the generated modules


def exp_64(x: Any) -> Any:
    """e^x, float64."""
    y = where(x > 709.79, 709.79, where(x < -708.4, -708.4, x))
    shifted = fma(y, 1.4426950408889634, 6755399441055744.0)
    k = shifted - 6755399441055744.0
    r = fma(k, 4.2009150726810846e-11, fma(k, -0.6931471806019545, y))
    p = fma(r, 2.500006742403907e-08, 2.763023352644162e-07)
    p = fma(r, p, 2.7557586280920905e-06)
    p = fma(r, p, 2.4801493137359776e-05)
    p = fma(r, p, 0.00019841269506766767)
    p = fma(r, p, 0.0013888888943596523)
    p = fma(r, p, 0.008333333333494336)
    p = fma(r, p, 0.04166666666653027)
    p = fma(r, p, 0.16666666666666413)
    p = fma(r, p, 0.5000000000000011)
    # 2^(k-1), so that k = 1024 stays a number; the shift drops all but the last bits of k
    half = real_of_bits_64((bits_64(shifted) << 52) + 0x3FE0000000000000)
    value = (half * (1.0 + fma(r * r, p, r))) * 2.0
    return where(x < -708.39, 0.0, value)


def exp_32(x: Any) -> Any:
    """e^x, float32."""
    y = where(x > 88.73, 88.73, where(x < -87.34, -87.34, x))
    shifted = fma(y, 1.4426950408889634, 12582912.0)
    k = shifted - 12582912.0
    r = fma(k, -3.194618329871446e-05, fma(k, -0.693115234375, y))
    p = fma(r, 0.0013814617029185299, 0.008368710101434614)
    p = fma(r, p, 0.04166838730784641)
    p = fma(r, p, 0.16666520686842162)
    p = fma(r, p, 0.4999999345184555)
    half = real_of_bits_32((bits_32(shifted) << 23) + 0x3F000000)
    value = (half * (1.0 + fma(r * r, p, r))) * 2.0
    return where(x < -87.33, 0.0, value)


def exp_below_64(x: Any) -> Any:
    """e^x for x <= 0, float64; e^-708 where x is less, down to -infinity."""
    y = where(x < -708.0, -708.0, x)
    shifted = fma(y, 1.4426950408889634, 6755399441055744.0)
    k = shifted - 6755399441055744.0
    r = fma(k, 4.2009150726810846e-11, fma(k, -0.6931471806019545, y))
    p = fma(r, 2.500006742403907e-08, 2.763023352644162e-07)
    p = fma(r, p, 2.7557586280920905e-06)
    p = fma(r, p, 2.4801493137359776e-05)
    p = fma(r, p, 0.00019841269506766767)
    p = fma(r, p, 0.0013888888943596523)
    p = fma(r, p, 0.008333333333494336)
    p = fma(r, p, 0.04166666666653027)
    p = fma(r, p, 0.16666666666666413)
    p = fma(r, p, 0.5000000000000011)
    scale = real_of_bits_64((bits_64(shifted) << 52) + 0x3FF0000000000000)
    return scale * (1.0 + fma(r * r, p, r))


def exp_below_32(x: Any) -> Any:
    """e^x for x <= 0, float32; e^-87 where x is less, down to -infinity."""
    y = where(x < -87.0, -87.0, x)
    shifted = fma(y, 1.4426950408889634, 12582912.0)
    k = shifted - 12582912.0
    r = fma(k, -3.194618329871446e-05, fma(k, -0.693115234375, y))
    p = fma(r, 0.0013814617029185299, 0.008368710101434614)
    p = fma(r, p, 0.04166838730784641)
    p = fma(r, p, 0.16666520686842162)
    p = fma(r, p, 0.4999999345184555)
    scale = real_of_bits_32((bits_32(shifted) << 23) + 0x3F800000)
    return scale * (1.0 + fma(r * r, p, r))


def natural_log_64(x: Any) -> Any:
    """log x, float64."""
    small = x < 2.2250738585072014e-308
    y = where(small, x * 18014398509481984.0, x)
    scaled = log_64(where(y > 0.0, y, 1.0))
    regular = where(small, scaled - 37.42994775023705, scaled)
    value = where(x > 1.7976931348623157e308, x, regular)
    return where(x > 0.0, value, where(x < 0.0, (x - x) / (x - x), 0.0 * x - 1.0 / (x * x)))


def natural_log_32(x: Any) -> Any:
    """log x, float32."""
    small = x < 1.1754943508222875e-38
    y = where(small, x * 16777216.0, x)
    scaled = log_32(where(y > 0.0, y, 1.0))
    regular = where(small, scaled - 16.635532333438686, scaled)
    value = where(x > 3.4028234663852886e38, x, regular)
    return where(x > 0.0, value, where(x < 0.0, (x - x) / (x - x), 0.0 * x - 1.0 / (x * x)))


def log1p_64(x: Any) -> Any:
    """log(1 + x), float64: what 1 + x lost by rounding comes back through the derivative."""
    w = 1.0 + x
    lost = (x - (w - 1.0)) / w
    return natural_log_64(w) + where((lost == lost) & (w != w + w), lost, 0.0)


def log1p_32(x: Any) -> Any:
    """log(1 + x), float32."""
    w = 1.0 + x
    lost = (x - (w - 1.0)) / w
    return natural_log_32(w) + where((lost == lost) & (w != w + w), lost, 0.0)


def circular_64(x: Any, ahead: Any) -> Any:
    """sin(x + ahead pi / 2), float64."""
    shifted = fma(x, 0.6366197723675814, 6755399441055744.0)
    k = shifted - 6755399441055744.0
    r = fma(k, 8.705515692000731e-10, fma(k, -1.5707963276654482, x))
    r = fma(k, 3.50343439808993e-19, r)
    z = r * r
    s = fma(z, 1.589623023948047e-10, -2.5050747765471413e-08)
    s = fma(z, s, 2.7557313621412607e-06)
    s = fma(z, s, -0.00019841269829589658)
    s = fma(z, s, 0.008333333333322118)
    s = fma(z, s, -0.1666666666666663)
    sine = fma(r * z, s, r)
    c = fma(z, 2.0647737039584327e-09, -2.755556711820808e-07)
    c = fma(z, c, 2.4801580971603544e-05)
    c = fma(z, c, -0.001388888887827419)
    c = fma(z, c, 0.04166666666660226)
    cosine = fma(z * z, c, fma(z, -0.5, 1.0))
    quarter = bits_64(shifted) + ahead
    value = where((quarter & 1) == 1, cosine, sine)
    return where((quarter & 2) == 2, -value, value)


def circular_32(x: Any, ahead: Any) -> Any:
    """sin(x + ahead pi / 2), float32."""
    shifted = fma(x, 0.6366197723675814, 12582912.0)
    k = shifted - 12582912.0
    r = fma(k, -0.0004838705062866211, fma(k, -1.5703125, x))
    r = fma(k, 4.371138828673793e-08, r)
    z = r * r
    s = fma(z, -0.00019515283104739383, 0.008332160761667448)
    s = fma(z, s, -0.16666654609546783)
    sine = fma(r * z, s, r)
    c = fma(z, 2.4438451977769612e-05, -0.001388736751991281)
    c = fma(z, c, 0.041666646866840535)
    cosine = fma(z * z, c, fma(z, -0.5, 1.0))
    quarter = bits_32(shifted) + ahead
    value = where((quarter & 1) == 1, cosine, sine)
    return where((quarter & 2) == 2, -value, value)


def sin_64(x: Any) -> Any:
    """sin x, float64."""
    return circular_64(x, 0)


def cos_64(x: Any) -> Any:
    """cos x, float64."""
    return circular_64(x, 1)


def sin_32(x: Any) -> Any:
    """sin x, float32."""
    return circular_32(x, 0)


def cos_32(x: Any) -> Any:
    """cos x, float32."""
    return circular_32(x, 1)


def tanh_64(x: Any) -> Any:
    """tanh x, float64."""
    z = x * x
    p = fma(z, 5.101108093704141e-05, -0.0002102875377014421)
    p = fma(z, p, 0.0005791280251539007)
    p = fma(z, p, -0.0014532137608769316)
    p = fma(z, p, 0.0035917190980845775)
    p = fma(z, p, -0.008863194430489846)
    p = fma(z, p, 0.021869485969366945)
    p = fma(z, p, -0.05396825387585318)
    p = fma(z, p, 0.13333333333168249)
    p = fma(z, p, -0.3333333333333231)
    size = where(x < 0.0, -x, x)
    far = 1.0 - 2.0 / (exp_64(2.0 * size) + 1.0)
    return where(size < 0.55, fma(x * z, p, x), where(x < 0.0, -far, far))


def tanh_32(x: Any) -> Any:
    """tanh x, float32."""
    z = x * x
    p = fma(z, -0.0062735523086329455, 0.02107122211413716)
    p = fma(z, p, -0.05385220641816718)
    p = fma(z, p, 0.13332585228313334)
    p = fma(z, p, -0.3333331753523292)
    size = where(x < 0.0, -x, x)
    far = 1.0 - 2.0 / (exp_32(2.0 * size) + 1.0)
    return where(size < 0.55, fma(x * z, p, x), where(x < 0.0, -far, far))
