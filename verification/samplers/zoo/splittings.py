"""Splittings of underdamped Langevin dynamics (BAOAB, OBABO) and what goes wrong in them.

State (x, v), unit mass, friction one. Source: Leimkuhler and Matthews, Applied Mathematics Research
eXpress 2013, 34.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .entry import Entry

FRICTION = 1.0
Pair = tuple[FloatArray, FloatArray]


def _baoab(
    fade: Callable[[float], float] = lambda h: math.exp(-FRICTION * h),
    noise: Callable[[float], float] = lambda h: math.sqrt(1 - math.exp(-2 * FRICTION * h)),
    kick: float = 0.5,
    stale: bool = False,
    keep_position: bool = False,
) -> Any:
    def step(
        x: FloatArray, v: FloatArray, energy: Any, step_size: float, rng: np.random.Generator
    ) -> Pair:
        h, g = step_size, energy.gradient(x)
        v = v - kick * h * g
        x = x + h / 2 * v
        before = v
        v = fade(h) * v + noise(h) * rng.standard_normal(x.shape)
        x = x + h / 2 * (before if keep_position else v)
        if not stale:
            g = energy.gradient(x)
        return x, v - kick * h * g

    return step


def _obabo(
    one_noise: bool = False,
    whole_fade: bool = False,
    noise: float = 1.0,
) -> Any:
    def step(
        x: FloatArray, v: FloatArray, energy: Any, step_size: float, rng: np.random.Generator
    ) -> Pair:
        h = step_size
        fade = math.exp(-FRICTION * h * (1.0 if whole_fade else 0.5))
        scale = noise * math.sqrt(1 - fade * fade)
        xi = rng.standard_normal(x.shape)
        v = fade * v + scale * xi
        v = v - h / 2 * energy.gradient(x)
        x = x + h * v
        v = v - h / 2 * energy.gradient(x)
        return x, fade * v + scale * (xi if one_noise else rng.standard_normal(x.shape))

    return step


_baoab_entry = functools.partial(
    Entry, family="splittings", kind="unadjusted", options={"scheme": "baoab"}
)
_obabo_entry = functools.partial(
    Entry, family="splittings", kind="unadjusted", options={"scheme": "obabo"}
)

CORRECT = (
    _baoab_entry(name="baoab", make=_baoab, variance=lambda h: 1.0),
    _obabo_entry(name="obabo", make=_obabo),
)

MUTANTS = (
    _baoab_entry(
        name="baoab-euler-noise",
        make=lambda: _baoab(noise=lambda h: math.sqrt(2 * FRICTION * h)),
        component="noise scale",
        fault="noise sqrt(2 g h) in place of sqrt(1 - exp(-2 g h))",
        variance=lambda h: 2 * h / -math.expm1(-2 * h),
    ),
    _baoab_entry(
        name="baoab-linear-fade",
        make=lambda: _baoab(fade=lambda h: 1 - FRICTION * h),
        component="momentum refresh",
        fault="the momentum fades by 1 - g h in place of exp(-g h)",
    ),
    _baoab_entry(
        name="baoab-half-friction",
        make=lambda: _baoab(
            fade=lambda h: math.exp(-FRICTION * h / 2),
            noise=lambda h: math.sqrt(1 - math.exp(-FRICTION * h)),
        ),
        component="momentum refresh",
        fault="half the friction, in fade and noise alike",
        provenance="openmm 3790 (the friction counted once per substep)",
        bias="none in the stationary law; the documented step is another",
        variance=lambda h: 1.0,
    ),
    _baoab_entry(
        name="baoab-whole-kicks",
        make=lambda: _baoab(kick=1.0),
        component="drift",
        fault="both kicks over the whole step",
        bias="twice the force: N(0, 1) is sampled as N(0, 1/2)",
        variance=lambda h: 0.5,
    ),
    _baoab_entry(
        name="baoab-gradient-of-the-start",
        make=lambda: _baoab(stale=True),
        component="stale gradient",
        fault="the last kick uses the gradient at the start of the step",
        provenance="mlcg 70 (forces that were not carried along)",
    ),
    _baoab_entry(
        name="baoab-old-momentum-moves-on",
        make=lambda: _baoab(keep_position=True),
        component="momentum refresh",
        fault="the second half of the move uses the momentum before its refreshment",
    ),
    _obabo_entry(
        name="obabo-one-noise-twice",
        make=lambda: _obabo(one_noise=True),
        component="shared randomness",
        fault="both refreshments use one normal",
        provenance="jax 14597 (one key for two draws)",
    ),
    _obabo_entry(
        name="obabo-whole-friction-twice",
        make=lambda: _obabo(whole_fade=True),
        component="momentum refresh",
        fault="both refreshments over the whole step: twice the friction",
        provenance="openmm 3790",
    ),
    _obabo_entry(
        name="obabo-noise-three-per-cent",
        make=lambda: _obabo(noise=1.03),
        component="noise scale",
        fault="noise 3 per cent too large",
    ),
)
