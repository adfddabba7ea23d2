"""Executable theory for Langevin dynamics and latent-variable energy-based models.

Conventions, stated once for the whole library:

- The target of a potential U is pi proportional to exp(-U). Overdamped Langevin is
  dX = -grad U(X) dt + sqrt(2) dW, its Fokker-Planck equation
  d_t rho = div(rho grad U) + Laplacian rho.
- LSI(rho): KL(mu|pi) <= FI(mu|pi) / (2 rho), so KL_t <= exp(-2 rho t) KL_0, with
  FI(mu|pi) = int |grad log(mu/pi)|^2 dmu.
- Poincare(lambda): Var_pi f <= E_pi |grad f|^2 / lambda, so chi2_t <= exp(-2 lambda t) chi2_0;
  the best lambda is the spectral gap.
- Hess U >= m > 0 gives rho >= m and W2_t <= exp(-m t) W2_0. W2 is not squared; KL is in nats.
- Dissipativity (a, c): <grad U(x), x> >= a |x|^2 - c.
- Joint energies E_theta(x, z): x are data, z latents, p_theta(x, z) is proportional to exp(-E).
- Public arrays: particles (n, d), grid densities as cell masses that sum to one. Inside formulas
  coordinates lead: (d, ...).

This storey says what the papers say and evaluates it; it simulates nothing. Public names are
imported at first use, so that ``import lvebm_theory`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "ArgumentError": "errors",
    "AssumptionError": "errors",
    "LvebmError": "errors",
    "SolverError": "errors",
    "Constant": "constant",
    "How": "constant",
    "KnownFacts": "facts",
    "InitialLaw": "initial",
    "Energy": "protocols",
    "JointEnergy": "protocols",
    "CallableEnergy": "callables",
    "FormulaEnergy": "formula_energy",
    "energy": "energy",
    "load_energy": "user_file",
    "FormulaJointEnergy": "joint",
    "joint_energy": "joint",
    "QuadraticEnergy": "energies.quadratic",
    "catalogue": "energies",
    "parse_initial": "parse",
    "parse_potential": "parse",
    "constants_of": "constants",
    "Assumption": "theorem",
    "Reference": "theorem",
    "Relation": "theorem",
    "Theorem": "theorem",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, *(n for n in globals() if n.startswith("__"))]
