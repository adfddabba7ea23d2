"""Philox4x32-10 in 64-bit integer lanes: one text for numpy, numba and torch.

Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 3.3.
A round maps the counter (c0, c1, c2, c3) under the key (k0, k1) to

    (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0)),

hi and lo being the halves of a 64-bit product; the key grows by Weyl constants between rounds.
Words are held in signed 64-bit integers below 2^32: products wrap, and the mask after the shift
makes the sign bit harmless. (Torch has no unsigned high product; and in 64-bit lanes compilers
vectorise without shuffles.) Nothing here but +, *, ^, & and >>, so the very same functions run on
Python integers, arrays, tensors and numba scalars.
"""

from __future__ import annotations

from typing import Any

MASK = 0xFFFFFFFF
MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85


# body: the functions below are copied into the generated modules of the other back ends


def philox_round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    """One round of the bijection."""
    p0 = MULTIPLIER_0 * c0
    p1 = MULTIPLIER_1 * c2
    return (
        ((p1 >> 32) & MASK) ^ c1 ^ k0,
        p1 & MASK,
        ((p0 >> 32) & MASK) ^ c3 ^ k1,
        p0 & MASK,
    )


def philox4x32(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    """Ten rounds: four 32-bit words from a 128-bit counter and a 64-bit key."""
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    return philox_round(c0, c1, c2, c3, k0, k1)
