"""What a run of ``lvebm train`` is asked: the tables of its TOML file, checked before any work.

    name = "two clouds"
    seed = 0

    [data]
    file = "points.csv"

    [model.neural]
    dim_z = 1

    [training]
    updates = 2000

Every key is described where it is declared below, and in docs/learning.md.
"""

# ruff: noqa: RUF009 (``entry`` makes a dataclass field, which is what a default may be)

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvebm_theory.errors import ArgumentError

from .tables import entry, network_defaults, plain, read_table

# persistent chains follow theta only while it moves slowly, hence a rate that is halved HALVINGS
# times along a run; the short memory is that of a game of two sides
ADAM = {"kind": "Adam", "value": 3e-3, "options": {"betas": [0.5, 0.999]}}
HALVINGS = 7
LARGEST_SEED = 2**63 - 1
ACTIVATIONS = ("silu", "tanh", "softplus")
SOURCES = ("file", "system", "law", "truth")
DATA, DEFAULT = "data", "default"
Matrix = tuple[tuple[float, ...], ...]
PROJECTIONS = ("box", "above-square", "positive-definite")


@dataclass(frozen=True, kw_only=True)
class Neural:
    """``[model.neural]``: an MLP with a confining quadratic; its weights are theta."""

    dim_z: int = entry("number of latent coordinates", 2, least=1)
    widths: tuple[int, ...] = entry("units of each hidden layer", (64, 64), least=1)
    activation: str = entry("of the hidden layers", "silu", choices=ACTIVATIONS)
    confinement: float | tuple[float, ...] = entry(
        "D > 0: one number, or one per (x, z)", 1.0, above=0
    )
    spectral_caps: tuple[float, ...] | None = entry("bounds of the layers' norms", None, above=0)


@dataclass(frozen=True, kw_only=True)
class Model:
    """``[model]``: a formula of the catalogue or of a file, or a neural energy."""

    energy: str | None = entry("name in the catalogue, or file.py:name", None)
    parameters: Mapping[str, float | Matrix] = entry("theta at the start, by name", {})
    best: Mapping[str, float] = entry("theta known to be best, by name: for the report", {})
    dim_z: int | None = entry("latent coordinates, for families of any dimension", None, least=1)
    neural: Neural | None = entry("a neural energy", None)


@dataclass(frozen=True, kw_only=True)
class Data:
    """``[data]``: a file of points, or a named system that is simulated."""

    file: str | None = entry("CSV, NPY or NPZ file, one row per point", None)
    array: str | None = entry("which array of an NPZ file", None)
    columns: tuple[str | int, ...] | None = entry("columns to use, by name or number", None)
    held_out: float = entry("share of the file's rows kept for the report", 0.2, least=0, most=0.9)
    system: str | None = entry("a system of solvers/learning/systems, simulated", None)
    law: str | None = entry("a mixture of Gaussians, such as 'normal(0, 1.3)'", None)
    truth: Mapping[str, float | Matrix] | None = entry(
        "parameters at which the model itself makes the points", None
    )
    dim: int = entry("coordinates of the points drawn from the law", 1, least=1)
    n: int = entry("points drawn from the system, the law or the model", 10_000, least=2)
    outliers: float = entry(
        "file, standardised: a lone row this many interquartile ranges from the median is left out",
        20.0,
        above=0,
    )
    seed: int = entry("seed of these points", 0, least=0, most=LARGEST_SEED)
    standardise: bool | None = entry("shift and scale; default: for neural energies", None)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """``[training.rate]``: how far theta moves along the gradient."""

    kind: str = entry("constant, robbins-monro, or a torch optimiser such as Adam")
    value: float = entry("a, or the optimiser's learning rate", above=0)
    offset: float = entry("k0 in a (1 + k/k0)^(-power), in updates", 100.0, above=0)
    power: float = entry("power of the decay", 0.6, above=0.5, most=1)
    halving: float | None = entry("updates that halve an optimiser's learning rate", None, above=0)
    options: Mapping[str, float | bool | tuple[float, ...]] = entry(
        "further arguments of the optimiser", {}
    )


@dataclass(frozen=True, kw_only=True)
class Projection:
    """``[training.projection]``: a set that theta never leaves."""

    kind: str = entry("which set", choices=PROJECTIONS)
    lower: Mapping[str, float] = entry("box: lower bounds by name", {})
    upper: Mapping[str, float] = entry("box: upper bounds by name", {})
    a: str = entry("above-square: the name of a in a - b^2 >= margin", "a")
    b: str = entry("above-square: the name of b in a - b^2 >= margin", "b")
    matrix: str = entry("positive-definite: the name of the matrix", "precision")
    margin: float = entry(
        "above-square: of a - b^2; positive-definite: of eigenvalues", 0.05, above=0
    )


@dataclass(frozen=True, kw_only=True)
class Training:
    """``[training]``: the algorithm's step sizes, particles and length."""

    updates: int = entry("updates of theta", least=1)
    latents: int = entry("K, latent particles per datum", 1, least=1)
    pool: int = entry("M, particles of the persistent joint pool", 2000, least=1)
    latent_step: float = entry("h_q, step of the conditional phase", 0.02, above=0, network=0.01)
    pool_step: float = entry("h_p, step of the joint phase", 0.02, above=0, network=0.01)
    acceptance: float = entry(
        "networks: both steps shrink until the pool's acceptance is this; 0 keeps them",
        0.0,
        least=0,
        most=0.999,
        network=0.95,
    )
    inner_steps: int = entry("Langevin steps per update", 1, least=1, network=10)
    rate: float | Rate = entry(
        "a number (constant), or a table; a network's is halved 7 times along the run",
        0.01,
        above=0,
        network=ADAM,
    )
    order: str = entry("which moves first", "sequential", choices=("sequential", "simultaneous"))
    batch: int | None = entry("data per update; left out: all, 1000 for a network", None, least=1)
    temperature: float = entry("T in the Langevin noise", 1.0, above=0)
    gradient_noise: float = entry("tau in the noise on theta", 0.0, least=0)
    learned: tuple[str, ...] | None = entry("parameters that move; left out: every one", None)
    averaging: float = entry(
        "share of the run, at its end, over which theta is averaged",
        0.0,
        least=0,
        most=1,
        network=0.2,
    )
    projection: Projection | None = entry("keeps Z finite", None)
    latent_start: str = entry("law of the latents at the start", "normal(0, 1)")
    pool_start: str = entry("'data' (with latents from latent_start) or a law", DATA)
    record_every: int = entry("updates between recorded points", 10, least=1)
    checkpoint_every: int = entry("updates between checkpoints", 200, least=1)
    backend: str = entry("compiled or tensors", DEFAULT, choices=(DEFAULT, "numba", "torch"))
    device: str = entry("where tensors are", "cpu", choices=("cpu", "cuda"))
    dtype: str = entry("of the particles", DEFAULT, choices=(DEFAULT, "float64", "float32"))
    threads: int | None = entry("threads; left out: every core", None, least=1)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """``[evaluation]``: what the report compares, once theta has been learned."""

    n: int = entry("samples of each side", 2000, least=50)
    seed: int = entry("seed of fresh data and of sampling", 1, least=0, most=LARGEST_SEED)
    sampling_steps: int = entry("adjusted Langevin steps from the pool", 200, least=0)
    pairs: int = entry("pairs of fresh true samples", 10, least=2)
    missing: tuple[int, ...] | None = entry("coordinates to reconstruct; from 0", None, least=0)
    reconstructions: int = entry("points to reconstruct", 200, least=1)
    likelihood: bool = entry("also bracket the log-likelihood", False)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run."""

    model: Model = entry("the energy")
    data: Data = entry("the points")
    training: Training = entry("the algorithm")
    evaluation: Evaluation = entry("the report", Evaluation())
    name: str = entry("title of the run", "")
    seed: int = entry("seed of every random stream of training", 0, least=0, most=LARGEST_SEED)

    @property
    def title(self) -> str:
        """What a reader is told that was learned."""
        data = self.data
        if data.file is not None:
            where = f" on {Path(data.file).name}"
        else:
            where = f" on {data.system or data.law}" if data.truth is None else ""
        return self.name or f"{self.model.energy or 'neural energy'}{where}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object: the tables again."""
        content: dict[str, Any] = plain(self)
        return content


def config_of(content: Any) -> Config:
    """The configuration that TOML or JSON content describes.

    Raises
    ------
    ArgumentError
        Unknown keys, wrong types, values out of range, or tables that contradict each other.
    """
    config = read_table(Config, _with_network_defaults(content), "")
    _refuse_contradictions(config)
    return config


def _with_network_defaults(content: Any) -> Any:
    """The content with what a network's training needs, where nothing is said."""
    if not (
        isinstance(content, Mapping)
        and isinstance(content.get("model"), Mapping)
        and "neural" in content["model"]
        and isinstance(content.get("training"), Mapping)
    ):
        return content
    training = {**network_defaults(Training), **content["training"]}
    updates = training.get("updates")
    if "rate" not in content["training"] and isinstance(updates, int) and updates > 0:
        training["rate"] = {**ADAM, "halving": updates / HALVINGS}
    return {**content, "training": training}


def read_config(path: Path) -> Config:
    """The configuration in a TOML file; raises ArgumentError for anything unusable."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path} is no text in UTF-8") from error
    try:
        content = tomllib.loads(text)
    except ValueError as error:  # of its syntax, or an integer of thousands of digits
        raise ArgumentError(f"{path} is no TOML: {error}") from error
    except RecursionError as error:
        raise ArgumentError(f"{path} is no usable TOML: it is nested too deep") from error
    try:
        return config_of(content)
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error


def _refuse_contradictions(config: Config) -> None:
    model, data, training = config.model, config.data, config.training
    if (model.energy is None) == (model.neural is None):
        raise ArgumentError('model needs either energy = "..." or a table [model.neural]')
    if model.neural is not None and (model.parameters or model.dim_z is not None):
        raise ArgumentError(
            "model.parameters and model.dim_z belong to a formula; a neural energy has weights and "
            "model.neural.dim_z"
        )
    if model.neural is not None and (training.learned is not None or training.projection):
        raise ArgumentError(
            "training.learned and training.projection name parameters of a formula; all weights of "
            "a neural energy are learned, under their spectral bound"
        )
    given = [k for k in SOURCES if getattr(data, k) is not None]
    if len(given) != 1:
        raise ArgumentError(
            f"data needs one of {', '.join(SOURCES)}, got {' and '.join(given) or 'none'}"
        )
    if data.truth is not None and model.energy is None:
        raise ArgumentError("data.truth names parameters of a formula, got model.neural")
    for key in ("array", "columns"):
        if data.file is None and getattr(data, key) is not None:
            raise ArgumentError(f"data.{key} belongs to data.file, not to data.{given[0]}")
    if training.device == "cuda" and training.backend == "numba":
        raise ArgumentError('training.device = "cuda" needs training.backend = "torch"')
    if training.record_every > training.updates:
        raise ArgumentError(
            f"training.record_every must be at most training.updates = {training.updates}, got "
            f"{training.record_every}"
        )
    if isinstance(training.rate, float):
        return
    _refuse_rate(training.rate)


def _refuse_rate(rate: Rate) -> None:
    from ..discovery import nearest

    formulas = ("constant", "robbins-monro")
    if rate.kind in formulas:
        if rate.options or rate.halving is not None:
            raise ArgumentError(
                "training.rate.options and training.rate.halving belong to an optimiser, not to "
                f"{rate.kind}"
            )
        return
    known = (*formulas, *OPTIMISERS)
    if rate.kind not in known:
        raise ArgumentError(
            f"training.rate.kind must be one of {', '.join(known)}, got {rate.kind!r}"
            f"{nearest(rate.kind, known)}"
        )


OPTIMISERS = ("Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adamax", "NAdam", "RAdam")
