"""The energy whose theta is learned: a formula, or a neural energy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import JointEnergy

from ..discovery import nearest
from .config import Model, Neural


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
    energy: JointEnergy = formula_energy(model, dim_x, beside)
    if energy.dim_x != dim_x:
        raise ArgumentError(
            f"{energy.name} is an energy of {energy.dim_x} data coordinates, the data have {dim_x}"
        )
    return energy


def formula_energy(
    model: Model, dim_x: int | None, beside: Path, changed: Mapping[str, Any] | None = None
) -> Any:
    """The formula of ``[model]`` at its parameters, with some changed.

    Parameters
    ----------
    dim_x : int or None
        For families of any dimension; None leaves them theirs.

    Raises
    ------
    ArgumentError
        There is no such formula, or it lacks these parameters.
    """
    parameters = {**model.parameters, **(changed or {})}
    name = str(model.energy)
    if is_file(name):
        from lvebm_theory.user_file import load_energy

        found: Any = load_energy(str(beside / Path(name)))
        if not isinstance(found, JointEnergy):
            raise ArgumentError(
                f"{name} is an energy without latents; learning needs @joint_energy(dim_x, dim_z)"
            )
        if parameters and not hasattr(found, "with_parameters"):
            raise ArgumentError(f"{name} takes no parameters")
        whole: Any = found
        return whole.with_parameters(**parameters) if parameters else whole
    from lvebm_theory.energies import catalogue
    from lvebm_theory.joint import JointEnergyFamily

    families = {k: v for k, v in catalogue().items() if isinstance(v, JointEnergyFamily)}
    if name not in families:
        raise ArgumentError(
            f"model.energy must be file.py:name or one of {', '.join(families)}, got {name!r}"
            f"{nearest(name, families)}"
        )
    family = families[name]
    if not family.any_dim:
        return family(dim_z=model.dim_z, **parameters)
    return family(dim_x=dim_x, dim_z=model.dim_z, **parameters)


def is_file(energy: str) -> bool:
    """True for ``file.py:name``."""
    return energy.endswith(".py") or energy.rpartition(":")[0].endswith(".py")


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
    if not is_file(name):
        return None
    path = name if name.endswith(".py") else name.rpartition(":")[0]
    return hashlib.sha256((beside / path).read_bytes()).hexdigest()


def at_theta(energy: JointEnergy, theta: FloatArray) -> Any:
    """The same energy at another theta (n_theta,)."""
    own = getattr(energy, "with_parameter_vector", None)
    if own is not None:
        return own(theta)
    names = list(energy.parameters)
    changed: Any = energy
    return changed.with_parameters(**dict(zip(names, map(float, theta), strict=True)))
