"""Learners on disk: one safetensors file, its metadata a JSON text; written aside, then renamed.

The file says which model, settings and noise it belongs to, and carries a digest of its arrays: a
file of another run, of another format, or cut short is refused. Resumed, a run gives the numbers
of one that was never stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError

from ..noise import Noise
from .settings import LearningSettings
from .state import LearningState
from .update import UPDATES, Update

Array = npt.NDArray[Any]

FORMAT = "lvebm learner"
VERSION = 1
_KEY = "lvebm"
_OPTIMISER = "optimiser."
_ARRAYS = ("theta", "latents", "pool", "averages")
_AVERAGE = "average"


def save(
    path: Path | str,
    state: LearningState,
    energy: Any,
    settings: LearningSettings,
    noise: Noise,
    *,
    update: Update | None = None,
    data: npt.ArrayLike | None = None,
) -> None:
    """Write a learner; a file that was there is replaced at once or not at all.

    Parameters
    ----------
    path : path
    state : LearningState
    energy, settings, noise, update
        What ``load`` will ask for again.
    data : array (n, dim_x), optional
        With it, ``load`` refuses other data.
    """
    from safetensors.numpy import save as serialised

    arrays = _arrays(state)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "update": state.update,
        "averaged": state.averaged,
        "step scale": state.step_scale,
        "belongs to": _identity(energy, settings, noise, update, data),
    }
    about["digest"] = _digest_of_all(arrays, about)
    content = serialised(arrays, metadata={_KEY: json.dumps(about, sort_keys=True)})
    _replace(Path(path), content)


def load(
    path: Path | str,
    energy: Any,
    settings: LearningSettings,
    noise: Noise,
    *,
    update: Update | None = None,
    data: npt.ArrayLike | None = None,
) -> LearningState:
    """The learner that ``save`` wrote for this model, settings and noise.

    Raises
    ------
    ArgumentError
        Where there is no such file, it is cut short or damaged, or it belongs to another format,
        model, settings, noise or data; says what was required and what came.
    """
    path = Path(path)
    arrays, about = _read(path)
    if about.get("version") != VERSION:
        raise ArgumentError(
            f"{path}: a checkpoint of format version {VERSION} is required, got version "
            f"{about.get('version')}"
        )
    if _digest_of_all(arrays, about) != about.get("digest"):
        raise ArgumentError(f"{path}: the checkpoint is damaged: it is not what was written")
    _same(path, _identity(energy, settings, noise, update, data), about["belongs to"])
    _fitting(path, arrays, energy, settings)
    return LearningState(
        update=int(about["update"]),
        **{name: arrays[name] for name in _ARRAYS},
        average=arrays.get(_AVERAGE),
        averaged=int(about.get("averaged", 0)),
        step_scale=float(about.get("step scale", 1.0)),
        optimiser={
            name.removeprefix(_OPTIMISER): value
            for name, value in arrays.items()
            if name.startswith(_OPTIMISER)
        },
    )


def _arrays(state: LearningState) -> dict[str, Array]:
    arrays: dict[str, Array] = {
        name: np.ascontiguousarray(getattr(state, name)) for name in _ARRAYS
    }
    if state.average is not None:
        arrays[_AVERAGE] = np.ascontiguousarray(state.average)
    # ascontiguousarray makes vectors of numbers
    arrays |= {_OPTIMISER + name: np.array(value) for name, value in state.optimiser.items()}
    return arrays


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _digest_of_all(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> str:
    """Of the arrays, and of all that is said of them."""
    said = {key: value for key, value in about.items() if key != "digest"}
    text = json.dumps(said, sort_keys=True)
    return hashlib.blake2b((_digest(arrays) + text).encode(), digest_size=16).hexdigest()


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as stored:
            metadata = stored.metadata() or {}
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ArgumentError(f"{path}: a checkpoint is required, there is no such file") from None
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, MemoryError) as broken:
        raise ArgumentError(
            f"{path}: a whole safetensors file is required, this one is cut short or no such "
            f"file: {broken}"
        ) from None
    try:
        about = json.loads(metadata.get(_KEY, ""))
    except (ValueError, RecursionError):
        about = {}
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ArgumentError(f"{path}: a checkpoint of a learner is required, got another file")
    return arrays, about


def _same(path: Path, wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    for what in wanted:
        if what == "data" and (wanted[what] is None or stored.get(what) is None):
            continue
        ours, theirs = wanted[what], stored.get(what)
        if ours == theirs:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            names = sorted(k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k))
            ours = {name: ours.get(name) for name in names}
            theirs = {name: theirs.get(name) for name in names}
        raise ArgumentError(
            f"{path}: the checkpoint belongs to another {what}: required {ours}, got {theirs}"
        )


def _fitting(
    path: Path, arrays: Mapping[str, Array], energy: Any, settings: LearningSettings
) -> None:
    dim, dim_z, thetas = energy.dim_x + energy.dim_z, energy.dim_z, len(energy.parameters)
    wanted = {
        "theta": (thetas,),
        "latents": (None, settings.latents, dim_z),
        "pool": (settings.pool, dim),
        "averages": (2, thetas),
    }
    if _AVERAGE in arrays:
        wanted[_AVERAGE] = (thetas,)
    for name, shape in wanted.items():
        found = arrays[name].shape if name in arrays else None
        if (
            found is None
            or len(found) != len(shape)
            or any(w not in (None, f) for w, f in zip(shape, found, strict=True))
        ):
            raise ArgumentError(f"{path}: {name} of shape {shape} is required, got {found}")


def _identity(
    energy: Any,
    settings: LearningSettings,
    noise: Noise,
    update: Update | None,
    data: npt.ArrayLike | None,
) -> dict[str, Any]:
    update = UPDATES[settings.order] if update is None else update
    identity = {
        "model": _model(energy, settings),
        "settings": plain(settings),
        "update": {
            "name": update.name,
            "stages": [stage.name for stage in update.stages],
            "restart": None if update.restart is None else str(update.restart),
            "schemes": [update.latent_scheme.name, update.pool_scheme.name],
        },
        "noise": {"seed": int(noise.seed), "stream": int(noise.stream), "bits": noise.bits},
        "data": None if data is None else _digest({"data": np.array(data, dtype=np.float64)}),
    }
    # through JSON and back, so that it compares with what was read
    return dict(json.loads(json.dumps(identity)))


def _model(energy: Any, settings: LearningSettings) -> dict[str, Any]:
    """What does not move: the formula (or a network's shape) and the parameters not learned."""
    from .problem import learned_entries

    names = tuple(energy.parameters)
    learned = set(learned_entries(energy, names, settings.learned).tolist())
    model: dict[str, Any] = {"name": energy.name, "dim_x": energy.dim_x, "dim_z": energy.dim_z}
    formula = getattr(energy, "formula", None)
    if formula is not None:
        model["formula"] = formula.digest
    elif dataclasses.is_dataclass(energy):
        moving = ("theta", "seed", "whole")
        model["shape"] = {
            f.name: plain(getattr(energy, f.name))
            for f in dataclasses.fields(energy)
            if f.name not in moving
        }
    vector = energy.parameter_vector()
    model["fixed"] = {n: float(vector[k]) for k, n in enumerate(names) if k not in learned}
    return model


def plain(value: Any) -> Any:
    """Settings as JSON knows them: a dataclass as its fields under its name, floats exactly."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in sorted(value.items())}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)


def _replace(path: Path, content: bytes) -> None:
    """Aside, down to the disk, then in one step to its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".aside")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    with contextlib.suppress(OSError):  # a folder cannot be synchronised everywhere
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
