"""Rational approximation of the exponential on the negative half-line.

    exp(x) ~ Re sum_k c_k / (x - z_k),   x <= 0,   error about 9.28903^{-degree} uniformly

by the Caratheodory-Fejer method (Trefethen, Weideman, Schmelzer, BIT 46, 2006, section 4). The
poles are ill-conditioned functions of the data: a computation in double precision moves them with
the kernels of the linear-algebra library. The table was made once in 60 digits and rounded;
tests/witnesses/test_rational_exponential.py makes it again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lvebm_theory.arrays import ComplexArray

DEGREE: Final = 16
"""Twice the number of poles kept: those of the upper half-plane, their residues doubled."""

POLES: Final[ComplexArray] = np.array(
    [
        6.416177698550569 + 1.1941223931761191j,
        5.94815226810647 + 3.587457362330963j,
        4.993174737709869 + 5.996881718538738j,
        3.5091036022019226 + 8.43619897819453j,
        1.4193759311827854 + 10.92536348476077j,
        -1.4139285540229807 + 13.497725688353363j,
        -5.264971267616899 + 16.220221510723206j,
        -10.843917111013418 + 19.277446140019254j,
    ]
)
"""Poles z_k, shape (DEGREE/2,)."""

RESIDUES: Final[ComplexArray] = np.array(
    [
        -129.00175628907766 - 449.18881475253085j,
        226.7955036199343 + 203.8944344692888j,
        -125.03678461724654 - 22.38078262165536j,
        30.119170400636936 - 11.502810594071398j,
        -2.958601394706361 + 3.5373177101756137j,
        0.08204626798717632 - 0.3148693380439067j,
        0.00042303056941134546 + 0.008778593367292446j,
        -1.018095145070315e-06 - 4.8439788204879113e-05j,
    ]
)
"""Residues c_k, shape (DEGREE/2,). The rounded table errs by 9.1e-16 on all of x <= 0 (the singular
value that bounds the best approximation from below is 1.06e-16); summed in double precision, whose
terms reach 470/1.2, by 3e-14."""

RADAU_POLES: Final[ComplexArray] = np.array(
    [4.787193103128466 + 1.567476416895208j, 3.212806896871534 + 4.773087433276643j]
)
"""Poles, in the upper half-plane, of Pade's [3/4] approximation of e^z at 0: the stability function
of the four-stage Radau IIA method (Hairer, Wanner, Solving ODEs II, IV.3), made in 50 digits."""

RADAU_RESIDUES: Final[ComplexArray] = np.array(
    [26.603079991942974 - 120.14346547409489j, -22.603079991942974 + 24.943351700500463j]
)
"""Residues at these poles, doubled."""
