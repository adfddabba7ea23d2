"""The energy whose theta is learned: a formula, or a neural energy."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import JointEnergy

from ..discovery import nearest
from .config import Model, Neural

FloatArray = npt.NDArray[np.float64]


def build_model(model: Model, dim_x: int, *, seed: int, beside: Path) -> JointEnergy:
    """The joint energy at the theta where learning starts.

    Parameters
    ----------
    dim_x : int
        Coordinates of the data.
    seed : int
        Of a neural energy's first weights.
    beside : Path
        Folder from which ``file.py:name`` is understood.

    Raises
    ------
    ArgumentError
        An unknown name, parameters that do not fit, or an energy of other data.
    """
    if model.neural is not None:
        neural: JointEnergy = _neural(model.neural, dim_x, seed)
        return neural
    energy: JointEnergy = _formula(str(model.energy), beside)
    if model.parameters:
        changed = getattr(energy, "with_parameters", None)
        if changed is None:
            raise ArgumentError(f"{model.energy} takes no parameters")
        energy = changed(**model.parameters)
    if energy.dim_x != dim_x:
        raise ArgumentError(
            f"{energy.name} is an energy of {energy.dim_x} data coordinates, the data have {dim_x}"
        )
    return energy


def _formula(name: str, beside: Path) -> Any:
    if name.rpartition(":")[0].endswith(".py") or name.endswith(".py"):
        from lvebm_theory.user_file import load_energy

        found: Any = load_energy(str(beside / Path(name)))
        if not isinstance(found, JointEnergy):
            raise ArgumentError(
                f"{name} is an energy without latents; learning needs @joint_energy(dim_x, dim_z)"
            )
        return found
    from lvebm_theory.energies import catalogue
    from lvebm_theory.joint import JointEnergyFamily

    families = {k: v for k, v in catalogue().items() if isinstance(v, JointEnergyFamily)}
    if name not in families:
        raise ArgumentError(
            f"model.energy must be file.py:name or one of {', '.join(families)}, got {name!r}"
            f"{nearest(name, families)}"
        )
    return families[name]()


def _neural(neural: Neural, dim_x: int, seed: int) -> Any:
    from lvebm_theory.neural import NeuralJointEnergy

    return NeuralJointEnergy(
        dim_x=dim_x,
        dim_z=neural.dim_z,
        widths=neural.widths,
        activation=neural.activation,
        confinement=neural.confinement,
        spectral_caps=neural.spectral_caps,
        seed=seed,
    )


def file_digest(model: Model, beside: Path) -> str | None:
    """SHA-256 of the file that holds the user's energy; None where there is none."""
    name = model.energy or ""
    path = name.rpartition(":")[0] if not name.endswith(".py") else name
    if not path.endswith(".py"):
        return None
    return hashlib.sha256((beside / path).read_bytes()).hexdigest()


def at_theta(energy: JointEnergy, theta: FloatArray) -> Any:
    """The same energy at another theta (n_theta,)."""
    own = getattr(energy, "with_parameter_vector", None)
    if own is not None:
        return own(theta)
    names = list(energy.parameters)
    changed: Any = energy
    return changed.with_parameters(**dict(zip(names, map(float, theta), strict=True)))
