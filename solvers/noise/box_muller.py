"""Standard normals from Philox words by Box-Muller: one text for numpy, numba and torch.

    r = sqrt(-2 log u),   (r cos 2 pi v, r sin 2 pi v)

log, cos and sin are polynomials after an exact argument reduction in integers: the same few
rounded operations in the same order on every back end (no library call), no branch, nothing that
would keep a compiler from vectorising across particles. Box and Muller, Ann. Math. Statist. 29
(1958) 610. Radius and angle are functions of their own, for loops that make one after the other:
together their constants are more than sixteen vector registers hold.

Coefficients: minimax (Remez, weighted to the relative error of the result) for

    log((1+s)/(1-s)) = 2s + s z P(z), z = s^2;   sin 2 pi t = t P(t^2);
    cos 2 pi t = 1 + z P(z), z = t^2;            |t| <= 1/8, |f| <= sqrt(2) - 1,

relative errors 1.2e-18, 3.3e-18, 6.1e-17 (float64) and 8.1e-10, 3.3e-9, 6.4e-11 (float32).
u has 53 (or 32) bits, so |z| < 8.58 (or 6.77), and P(|z| > 8.58) = 1e-17; v sits at midpoints
of its lattice, so the law is exactly symmetric and the octant remainder is exact.
"""

from __future__ import annotations

from typing import Any

from .primitives import (
    bits_32,
    bits_64,
    fma,
    low_32,
    real_32,
    real_64,
    real_of_bits_32,
    real_of_bits_64,
    sqrt,
    turned_32,
    turned_64,
    wide_64,
)

# body: the functions below are copied into the generated modules of the other back ends


def log_64(u: Any) -> Any:
    """log u for normal u > 0, float64."""
    i = bits_64(u)
    k = (i - 0x3FE6A09E667F3BCD) >> 52  # u = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2))
    f = real_of_bits_64(i - (k << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = fma(z, 0.14795951036561303, 0.15314050476248330)
    p = fma(z, p, 0.18183564326225782)
    p = fma(z, p, 0.22222198573254912)
    p = fma(z, p, 0.28571428742385980)
    p = fma(z, p, 0.39999999999414690)
    p = fma(z, p, 0.66666666666667340)
    # 2s + s z p = f - s (f - z p): f is exact, so only a small term carries rounding
    return fma(real_64(k), 0.6931471805599453, fma(-s, fma(-z, p, f), f))


def log_32(u: Any) -> Any:
    """log u for normal u > 0, float32."""
    i = bits_32(u)
    k = low_32(i - 0x3F3504F3) >> 23
    f = real_of_bits_32(i - (k << 23)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = fma(z, 0.29871728094362987, 0.39977541571285047)
    p = fma(z, p, 0.66666776381638610)
    return fma(real_32(k), 0.6931471805599453, fma(-s, fma(-z, p, f), f))


def cos_eighth_64(t: Any) -> Any:
    """cos 2 pi t, |t| <= 1/8, float64."""
    z = t * t
    p = fma(z, 7.8103599097944425, -26.424265212097907)
    p = fma(z, p, 60.244620355123885)
    p = fma(z, p, -85.45681709411403)
    p = fma(z, p, 64.93939402238959)
    p = fma(z, p, -19.739208802178485)
    return fma(z, p, 1.0)


def sin_eighth_64(t: Any) -> Any:
    """sin 2 pi t, |t| <= 1/8, float64."""
    z = t * t
    p = fma(z, 3.7807260676964325, -15.093797500894294)
    p = fma(z, p, 42.058684901991526)
    p = fma(z, p, -76.70585970331479)
    p = fma(z, p, 81.60524927594452)
    p = fma(z, p, -41.341702240399634)
    return t * fma(z, p, 6.283185307179586)


def cos_eighth_32(t: Any) -> Any:
    """cos 2 pi t, |t| <= 1/8, float32."""
    z = t * t
    p = fma(z, 59.22924400644083, -85.44323629448024)
    p = fma(z, p, 64.93932184720211)
    p = fma(z, p, -19.739208681563206)
    return fma(z, p, 1.0)


def sin_eighth_32(t: Any) -> Any:
    """sin 2 pi t, |t| <= 1/8, float32."""
    z = t * t
    p = fma(z, -75.39356292137943, 81.59235356685603)
    p = fma(z, p, -41.34166145508926)
    return t * fma(z, p, 6.28318528683375)


def circle_53(v: Any) -> tuple[Any, Any]:
    """(cos, sin) of 2 pi (v + 1/2) / 2^53 for an integer 0 <= v < 2^53."""
    w = v + 0x4000000000000  # an eighth of a turn: remainders become symmetric about zero
    t = (wide_64((w & 0x7FFFFFFFFFFFF) - 0x4000000000000) + 0.5) * 1.1102230246251565e-16
    return turned_64(cos_eighth_64(t), sin_eighth_64(t), w >> 51)


def radius_53(w0: Any, w1: Any) -> Any:
    """sqrt(-2 log u) with 53 bits of u from two words, float64."""
    # the integer w0 2^21 + w1 / 2^11 + 1 in two exact parts
    u = fma(wide_64(w0), 2097152.0, wide_64((w1 >> 11) + 1)) * 1.1102230246251565e-16
    return sqrt(-2.0 * log_64(u))


def angle_53(w2: Any, w3: Any) -> tuple[Any, Any]:
    """(cos, sin) of 53 bits of angle from two words, float64."""
    return circle_53((w2 << 21) | (w3 >> 11))


def radius_32_in_64(w0: Any) -> Any:
    """sqrt(-2 log u) with the 32 bits of a word, float64."""
    return sqrt(-2.0 * log_64((wide_64(w0) + 0.5) * 2.3283064365386963e-10))


def angle_32_in_64(w1: Any) -> tuple[Any, Any]:
    """(cos, sin) of the 32 bits of a word, float64."""
    w = w1 + 0x20000000
    t = (wide_64((w & 0x3FFFFFFF) - 0x20000000) + 0.5) * 2.3283064365386963e-10
    return turned_64(cos_eighth_64(t), sin_eighth_64(t), w >> 30)


def radius_32_in_32(w0: Any) -> Any:
    """sqrt(-2 log u) with the 32 bits of a word, float32."""
    return sqrt(-2.0 * log_32((real_32(w0) + 0.5) * 2.3283064365386963e-10))


def angle_32_in_32(w1: Any) -> tuple[Any, Any]:
    """(cos, sin) of the 32 bits of a word, float32."""
    w = low_32(w1 + 0x20000000)
    t = (real_32((w & 0x3FFFFFFF) - 0x20000000) + 0.5) * 2.3283064365386963e-10
    return turned_32(cos_eighth_32(t), sin_eighth_32(t), w >> 30)


def normals_53(w0: Any, w1: Any, w2: Any, w3: Any) -> tuple[Any, Any]:
    """The two normals of one Philox call at 53 bits."""
    c, s = angle_53(w2, w3)
    r = radius_53(w0, w1)
    return r * c, r * s


def normals_32_in_64(w0: Any, w1: Any, w2: Any, w3: Any) -> tuple[Any, Any, Any, Any]:
    """The four normals of one Philox call at 32 bits, float64."""
    c0, s0 = angle_32_in_64(w1)
    r0 = radius_32_in_64(w0)
    c1, s1 = angle_32_in_64(w3)
    r1 = radius_32_in_64(w2)
    return r0 * c0, r0 * s0, r1 * c1, r1 * s1


def normals_32_in_32(w0: Any, w1: Any, w2: Any, w3: Any) -> tuple[Any, Any, Any, Any]:
    """The four normals of one Philox call at 32 bits, float32."""
    c0, s0 = angle_32_in_32(w1)
    r0 = radius_32_in_32(w0)
    c1, s1 = angle_32_in_32(w3)
    r1 = radius_32_in_32(w2)
    return r0 * c0, r0 * s0, r1 * c1, r1 * s1


def uniforms_53(w0: Any, w1: Any, w2: Any, w3: Any) -> tuple[Any, Any]:
    """Two uniforms on the midpoints of 2^52 cells of (0, 1), float64."""
    # symmetric about zero first, within reach of ``wide_64``; every step is exact
    a = (wide_64(((w0 << 20) | (w1 >> 12)) - 0x8000000000000) + 2251799813685248.5) * (
        2.220446049250313e-16
    )
    b = (wide_64(((w2 << 20) | (w3 >> 12)) - 0x8000000000000) + 2251799813685248.5) * (
        2.220446049250313e-16
    )
    return a, b


def uniforms_32_in_64(w0: Any, w1: Any, w2: Any, w3: Any) -> tuple[Any, Any, Any, Any]:
    """Four uniforms on the midpoints of 2^32 cells of (0, 1), float64."""
    return (
        (wide_64(w0) + 0.5) * 2.3283064365386963e-10,
        (wide_64(w1) + 0.5) * 2.3283064365386963e-10,
        (wide_64(w2) + 0.5) * 2.3283064365386963e-10,
        (wide_64(w3) + 0.5) * 2.3283064365386963e-10,
    )


def uniforms_32_in_32(w0: Any, w1: Any, w2: Any, w3: Any) -> tuple[Any, Any, Any, Any]:
    """Four uniforms on the midpoints of 2^23 cells of (0, 1), float32."""
    return (
        (real_32(w0 >> 9) + 0.5) * 1.1920928955078125e-07,
        (real_32(w1 >> 9) + 0.5) * 1.1920928955078125e-07,
        (real_32(w2 >> 9) + 0.5) * 1.1920928955078125e-07,
        (real_32(w3 >> 9) + 0.5) * 1.1920928955078125e-07,
    )
