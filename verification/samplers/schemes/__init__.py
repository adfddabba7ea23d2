"""Documented one-step laws, one family per file."""

from __future__ import annotations

from typing import Any, cast

from lvebm_theory.errors import ArgumentError

from .scheme import Innovations, LinearLaw, Scheme

NAMES = ("ula", "tamed-ula", "sk-rock", "sgld", "noisy-gradient", "baoab", "obabo", "exact")


def scheme_of(wanted: str | Scheme) -> Scheme:
    """The scheme of a name, with its usual settings; a scheme is returned as it is.

    Other settings are asked for by the classes: ``StabilisedChebyshev(stages=10)``,
    ``StochasticGradient(batch=2, replace=False)``, ``Underdamped("obabo", friction=2.0)``.

    Raises
    ------
    ArgumentError
        For a name that is none of ``NAMES``.
    """
    if not isinstance(wanted, str):
        if isinstance(wanted, Scheme):
            return wanted
        raise ArgumentError(f"a scheme is a name or has innovations and linear, got {wanted!r}")
    from . import euler_maruyama, exact_transition, sk_rock, stochastic_gradient, underdamped

    makers = {
        "ula": euler_maruyama.EulerMaruyama,
        "tamed-ula": euler_maruyama.TamedEulerMaruyama,
        "sk-rock": sk_rock.StabilisedChebyshev,
        "sgld": stochastic_gradient.StochasticGradient,
        "noisy-gradient": stochastic_gradient.NoisyGradient,
        "baoab": lambda: underdamped.Underdamped("baoab"),
        "obabo": lambda: underdamped.Underdamped("obabo"),
        "exact": exact_transition.ExactTransition,
    }
    if wanted not in makers:
        raise ArgumentError(f"a scheme is one of {', '.join(NAMES)}, got {wanted!r}")
    made: Scheme = cast("Any", makers[wanted])()
    return made


__all__ = ["NAMES", "Innovations", "LinearLaw", "Scheme", "scheme_of"]
