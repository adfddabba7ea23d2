"""What a run is asked, as plain data: it can be stored, compared, and taken up by any process.

Energies and claims are never sent between processes; each process rebuilds them from this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

import numpy as np

from lvebm_theory.errors import ArgumentError, AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy

from .claim import BUDGETS, Budget, Setting
from .discovery import BUILT_IN, claims

CATALOGUE = "catalogue"
USER = "user"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run of ``lvebm verify``.

    Parameters
    ----------
    claims : tuple of str
        Names of the claims to be confronted.
    chosen : bool
        True when the user named them; then a claim that does not speak of the energy is reported
        NOT_APPLICABLE rather than left out.
    budget, seed, alpha, backend, device
        As on the command line. ``alpha`` is the error probability of the whole run.
    potential, variables : text of the user's potential, and its variables in order
    file, file_digest : ``path.py:name`` of the user's energy, and the SHA-256 of that file
    parameters : values that override the energy's own
    start : mapping or None
        ``{weights, means, sds}`` of the initial law.
    times : tuple of float
    normalisable : str
        How exp(-U) is known to be normalisable; "assumed" when the user vouches for it.
    package : str
        Where the claims are found.
    """

    claims: tuple[str, ...]
    chosen: bool = False
    budget: str = "standard"
    seed: int = 0
    alpha: float = 1e-6
    backend: Literal["numba", "torch"] = "numba"
    device: Literal["cpu", "cuda"] = "cpu"
    potential: str | None = None
    variables: tuple[str, ...] | None = None
    file: str | None = None
    file_digest: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, Any] | None = None
    times: tuple[float, ...] = ()
    normalisable: str = "known for every energy of the catalogue"
    package: str = BUILT_IN

    @property
    def of_user(self) -> bool:
        """True when the energy is the user's own."""
        return self.potential is not None or self.file is not None

    @property
    def label(self) -> str:
        """The energy in one line: ``catalogue``, or the user's text with its parameters."""
        if not self.of_user:
            return CATALOGUE
        values = ", ".join(f"{name}={value:g}" for name, value in self.parameters.items())
        text = self.potential if self.potential is not None else str(self.file)
        return f"{text} [{values}]" if values else text

    @property
    def assumed(self) -> bool:
        """True when the user vouches for what could not be proved."""
        return self.normalisable == "assumed"

    @property
    def spending(self) -> Budget:
        """The budget itself."""
        return BUDGETS[self.budget]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        row["parameters"] = dict(self.parameters)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in row.items()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Request:
        """Inverse of ``to_json``."""
        tuples = {k: tuple(row[k]) for k in ("claims", "times")}
        variables = None if row["variables"] is None else tuple(row["variables"])
        return cls(**{**row, **tuples, "variables": variables})

    def text(self) -> str:
        """Canonical JSON text: equal requests have equal texts."""
        return json.dumps(self.to_json(), sort_keys=True)


def law_to_json(law: InitialLaw) -> dict[str, Any]:
    """An initial law as plain numbers."""
    return {k: getattr(law, k).tolist() for k in ("weights", "means", "sds")}


def law_from_json(row: Mapping[str, Any]) -> InitialLaw:
    """Inverse of ``law_to_json``."""
    return InitialLaw(**{k: np.asarray(row[k], dtype=float) for k in ("weights", "means", "sds")})


def read_energy(
    potential: str | None,
    file: str | None,
    variables: tuple[str, ...] | None,
    parameters: Mapping[str, float],
) -> Energy | JointEnergy:
    """The energy that a text or a file describes; raises ArgumentError."""
    if potential is not None:
        from lvebm_theory.parse import parse_potential

        return parse_potential(potential, variables=variables, parameters=parameters)
    from lvebm_theory.user_file import load_energy

    energy = load_energy(str(file))
    if not parameters:
        return energy
    with_parameters = getattr(energy, "with_parameters", None)
    if with_parameters is None:
        raise ArgumentError(f"{file} takes no parameters, got --param {next(iter(parameters))}")
    changed: Energy | JointEnergy = with_parameters(**parameters)
    return changed


@cache
def _subject(text: str) -> Energy | JointEnergy:
    request = Request.from_json(json.loads(text))
    return read_energy(request.potential, request.file, request.variables, request.parameters)


def subject_of(request: Request) -> Energy | JointEnergy:
    """The user's energy, built once per process."""
    return _subject(request.text())


def user_setting(request: Request, name: str) -> Setting:
    """The setting of one claim for the user's energy.

    Raises
    ------
    AssumptionError
        The claim does not speak of such an energy, with the reason.
    """
    claim = claims(request.package)[name]
    if claim.adapt is None:
        raise AssumptionError(name, ["it speaks only of its own settings"])
    start = None if request.start is None else law_from_json(request.start)
    setting = claim.adapt(subject_of(request), start, request.times)
    return replace(setting, name=USER, of_user=True)


@cache
def _settings(text: str, name: str, of_user: bool) -> Mapping[str, Setting]:
    request = Request.from_json(json.loads(text))
    if of_user:
        setting = user_setting(request, name)
        return {setting.name: setting}
    return {setting.name: setting for setting in claims(request.package)[name].settings()}


def setting_of(request: Request, claim: str, name: str, *, of_user: bool) -> Setting:
    """A planned setting, rebuilt from the request; built once per process."""
    return _settings(request.text(), claim, of_user)[name]
