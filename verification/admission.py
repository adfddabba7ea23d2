"""What may be asked: every check that ends in exit status 3, before any computation."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy

from .claim import BUDGETS
from .defaults import default_start, default_times
from .discovery import BUILT_IN, nearest, select
from .grid_witness import LARGEST_DIMENSION
from .request import Request, law_to_json, read_energy

# the first look at a potential, before anything is known of its scale
NEARBY = 1.0
# mass outside the box on which a potential has to be finite
BOX_TAIL = 1e-12


@dataclass(frozen=True, kw_only=True)
class Options:
    """What stands on the command line, as text."""

    potential: str | None = None
    energy: str | None = None
    parameters: Sequence[str] = ()
    variables: str | None = None
    start: str | None = None
    times: str | None = None
    claims: str | None = None
    budget: str = "standard"
    seed: int = 0
    alpha: float = 1e-6
    backend: str = "numba"
    device: str = "cpu"
    assume_normalisable: bool = False
    package: str = BUILT_IN


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """An energy that may be asked about.

    ``warnings`` are sentences for the user; ``normalisable`` says how exp(-U) is known to be so.
    """

    subject: Energy | JointEnergy
    parameters: Mapping[str, float]
    variables: tuple[str, ...] | None
    normalisable: str
    warnings: tuple[str, ...]

    @property
    def whole(self) -> Energy:
        """The energy itself, or (x, z) -> E(x, z) of a joint energy."""
        return whole_energy(self.subject)


def whole_energy(subject: Energy | JointEnergy) -> Energy:
    """The energy itself, or (x, z) -> E(x, z) of a joint energy."""
    return subject.joint() if isinstance(subject, JointEnergy) else subject


# text -----------------------------------------------------------------------------------------


def _listed(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ArgumentError(f"{option} is a list with commas between its parts, got {text!r}")
    return parts


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ArgumentError(f"{what} must be a number, got {text!r}") from error
    if not math.isfinite(value):
        raise ArgumentError(f"{what} must be finite, got {text!r}")
    return value


def parse_parameters(items: Sequence[str]) -> dict[str, float]:
    """``["a=2", "b=1"]`` as ``{"a": 2.0, "b": 1.0}``."""
    found: dict[str, float] = {}
    for item in items:
        name, equals, value = (part.strip() for part in item.partition("="))
        if not (equals and name.isidentifier()):
            raise ArgumentError(f"--param is written name=value, got {item!r}")
        if name in found:
            raise ArgumentError(f"--param {name} is given twice")
        found[name] = _number(value, f"--param {name}")
    return found


def parse_times(text: str) -> tuple[float, ...]:
    """``"0.05,0.2,1,3"`` as increasing positive numbers."""
    times = tuple(_number(part, "each of --times") for part in _listed(text, "--times"))
    if times[0] <= 0 or any(a >= b for a, b in itertools.pairwise(times)):
        raise ArgumentError(f"--times must be positive and increasing, got {text!r}")
    return times


# the energy -----------------------------------------------------------------------------------


def admit_energy(options: Options) -> Admitted:
    """Reads the user's energy and refuses one that cannot be asked about.

    Raises
    ------
    ArgumentError
        It does not parse, has unused parameters, too many dimensions, values that are not finite,
        or exp(-U) could not be proved normalisable.
    """
    if options.potential is not None and options.energy is not None:
        raise ArgumentError("give --potential or --energy, not both")
    if options.energy is not None and options.variables is not None:
        raise ArgumentError(
            "--vars belongs to --potential; an energy from a file has its own order"
        )
    parameters = parse_parameters(options.parameters)
    variables = None
    if options.variables is not None:
        variables = tuple(_listed(options.variables, "--vars"))
    subject = read_energy(options.potential, options.energy, variables, parameters)
    whole = whole_energy(subject)
    if unused := sorted(set(parameters) - _used_parameters(whole)):
        raise ArgumentError(f"--param {unused[0]} does not occur in the energy")
    if whole.dim > LARGEST_DIMENSION:
        raise ArgumentError(
            f"the grid covers at most {LARGEST_DIMENSION} coordinates, this energy has {whole.dim}"
        )
    _refuse_non_finite(whole, [(-NEARBY, NEARBY)] * whole.dim)
    normalisable = _normalisable(whole, assumed=options.assume_normalisable)
    warnings = []
    if options.assume_normalisable:
        warnings.append("exp(-U) is assumed, not proved, to be normalisable; every finding says so")
    else:
        from lvebm_theory.certified import truncation_box

        box = truncation_box(whole, tail_mass=BOX_TAIL)
        if box is not None:
            _refuse_non_finite(whole, box)
    if not whole.smooth:
        warnings.append(
            "the potential is not smooth; claims that need smoothness are NOT_APPLICABLE to it"
        )
    return Admitted(
        subject=subject,
        parameters=parameters,
        variables=variables,
        normalisable=normalisable,
        warnings=tuple(warnings),
    )


def _used_parameters(energy: Energy) -> set[str]:
    """Names that occur in the formula; all parameters of an energy that is none."""
    formula = getattr(energy, "formula", None)
    if formula is None:
        return set(energy.parameters)
    return {str(symbol) for symbol in formula.expression.free_symbols}


def _refuse_non_finite(energy: Energy, box: Sequence[tuple[float, float]]) -> None:
    """Looks at a lattice of points with an odd number per axis, so that centres are seen."""
    axes = [np.linspace(low, high, 129 if energy.dim == 1 else 33) for low, high in box]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    with np.errstate(all="ignore"):
        fields: dict[str, Any] = {"potential": energy.potential(points)}
        if energy.smooth:
            fields["gradient"] = energy.gradient(points)
    for name, values in fields.items():
        values = np.asarray(values).reshape(len(points), -1)
        bad = ~np.all(np.isfinite(values), axis=1)
        if np.iscomplexobj(values):
            bad |= np.any(np.imag(values) != 0, axis=1)
        if np.any(bad):
            where = ", ".join(f"{x:g}" for x in points[np.argmax(bad)])
            raise ArgumentError(f"the {name} is not a finite real number at ({where})")


def _normalisable(energy: Energy, *, assumed: bool) -> str:
    if assumed:
        return "assumed"
    from lvebm_theory.certified import certify_normalisable

    found = certify_normalisable(energy)
    if not found.proved:
        raise ArgumentError(
            f"exp(-U) could not be proved normalisable: {found.reason} "
            "(--assume-normalisable overrides this, and labels every finding)"
        )
    return f"proved: {found.how}"


def _start(options: Options, admitted: Admitted) -> InitialLaw:
    if options.start is None:
        return default_start(admitted.whole)
    from lvebm_theory.parse_law import parse_initial

    return parse_initial(options.start, admitted.whole.dim)


# the whole request ------------------------------------------------------------------------------


def _refuse_device(backend: str, device: str) -> None:
    for name, value, known in (
        ("--backend", backend, ("numba", "torch")),
        ("--device", device, ("cpu", "cuda")),
    ):
        if value not in known:
            raise ArgumentError(
                f"{name} is {' or '.join(known)}, got {value!r}{nearest(value, known)}"
            )
    if device == "cuda":
        if backend != "torch":
            raise ArgumentError("--device cuda needs --backend torch")
        import torch

        if not torch.cuda.is_available():
            raise ArgumentError("--device cuda was asked for, but there is no CUDA device here")


def admit(options: Options) -> tuple[Request, tuple[str, ...]]:
    """The request that the options make, and warnings for the user.

    Raises
    ------
    ArgumentError
        The options do not make sense; one sentence says what was required and what came.
    """
    if options.budget not in BUDGETS:
        raise ArgumentError(
            f"--budget is one of {', '.join(BUDGETS)}, got {options.budget!r}"
            f"{nearest(options.budget, BUDGETS)}"
        )
    if not 0.0 < options.alpha < 1.0:
        raise ArgumentError(f"--alpha must lie strictly between 0 and 1, got {options.alpha}")
    if not 0 <= options.seed < 2**63:
        raise ArgumentError(f"--seed must lie in [0, 2^63), got {options.seed}")
    _refuse_device(options.backend, options.device)
    chosen = options.claims is not None
    names = _listed(options.claims, "--claims") if options.claims is not None else None
    selected = select(names, options.package)
    common: dict[str, Any] = {
        "claims": tuple(selected),
        "chosen": chosen,
        "budget": options.budget,
        "seed": options.seed,
        "alpha": options.alpha,
        "backend": cast(Literal["numba", "torch"], options.backend),
        "device": cast(Literal["cpu", "cuda"], options.device),
        "package": options.package,
    }
    if options.potential is None and options.energy is None:
        _refuse_stray(options)
        return Request(**common), ()
    times = None if options.times is None else parse_times(options.times)
    admitted = admit_energy(options)
    start = _start(options, admitted)
    if times is None:
        times = default_times(admitted.whole)
    request = Request(
        **common,
        potential=options.potential,
        variables=admitted.variables,
        file=options.energy,
        file_digest=_file_digest(options.energy),
        parameters=admitted.parameters,
        start=law_to_json(start),
        times=times,
        normalisable=admitted.normalisable,
    )
    return request, admitted.warnings


def refuse_changed(request: Request) -> None:
    """Refuses a stored request that this machine, or the user's file, no longer answers to."""
    _refuse_device(request.backend, request.device)
    try:
        digest = _file_digest(request.file)
    except OSError as error:
        raise ArgumentError(f"{request.file} is not there any more") from error
    if digest != request.file_digest:
        raise ArgumentError(f"{request.file} has changed since the run was planned")


def _refuse_stray(options: Options) -> None:
    for name, given in (
        ("--param", bool(options.parameters)),
        ("--vars", options.variables is not None),
        ("--start", options.start is not None),
        ("--times", options.times is not None),
        ("--assume-normalisable", options.assume_normalisable),
    ):
        if given:
            raise ArgumentError(f"{name} needs an energy of yours: --potential or --energy")


def _file_digest(energy: str | None) -> str | None:
    if energy is None:
        return None
    path, _, _ = energy.rpartition(":")
    file = Path(path if path.endswith(".py") else energy).expanduser()
    return hashlib.sha256(file.read_bytes()).hexdigest()
