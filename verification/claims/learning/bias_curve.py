"""The learned parameter's bias over the pool's step size, for the figure of the claim about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory.theorems.learning import ula_bias_of_learned_parameter as statements

from ...claim import Setting, Witness
from ...measurement import Measurement

if TYPE_CHECKING:
    import xarray

# step sizes over the last one with a fixed point, s2/2; near it learners come to rest too slowly
# for the updates that particles make
SHARES = (0.08, 0.2, 0.32, 0.44, 0.56, 0.68, 0.8, 0.9)
SHARES_OF_PARTICLES = (0.2, 0.4, 0.62)


def bias_curve(
    setting: Setting, witness: Witness, fixed_point: Callable[[Setting], Measurement]
) -> xarray.Dataset:
    """t_h - 1/s2 by one witness, ``measured`` with its widths, and the formula ``bound_exact``.

    Parameters
    ----------
    setting : Setting
        With options ``s2`` and ``step``; the latter is what varies.
    fixed_point : callable
        t_h as the witness measures it.
    """
    import xarray

    s2 = float(setting.options["s2"])
    exact = witness in ("quadrature", "closed-form")
    steps = np.array(SHARES if exact else SHARES_OF_PARTICLES) * s2 / 2.0
    found = [
        fixed_point(replace(setting, options={**setting.options, "step": float(step)}))
        for step in steps
    ]
    formula = [statements.fixed_point(step_size=h, data_second_moment=s2) for h in steps]
    columns = {
        "measured": [m.value - 1.0 / s2 for m in found],
        "numerical": [m.numerical for m in found],
        "statistical": [m.statistical for m in found],
        "bound_exact": [t - 1.0 / s2 for t in formula],
    }
    return xarray.Dataset(
        {name: ("step_size", np.array(values)) for name, values in columns.items()},
        coords={"step_size": ("step_size", steps, {"long_name": "step size h"})},
        attrs={
            "quantity": "bias of theta",
            "setting": setting.name,
            "witness": witness,
            "last_step_size": s2 / 2.0,
        },
    )
