"""What a claim about one energy accepts from a user, and what it assumes where nothing is said."""

from __future__ import annotations

import numpy as np

from lvebm_theory.energies.quadratic import QuadraticEnergy
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy

from .claim import Setting
from .defaults import default_start

DEFAULT_TIMES = (0.1, 0.3, 1.0, 3.0)


def as_energy(subject: Energy | JointEnergy) -> Energy:
    """The energy itself; a joint energy as an energy in all its coordinates."""
    return subject.joint() if isinstance(subject, JointEnergy) else subject


def adapted(
    claim: str,
    subject: Energy | JointEnergy,
    start: InitialLaw | None,
    times: tuple[float, ...],
    *,
    largest_dimension: int = 2,
    smooth: bool = True,
    with_times: bool = True,
) -> Setting:
    """The setting of a claim about one energy for a user's energy, start and times.

    Parameters
    ----------
    smooth : bool
        True where the claim needs U twice continuously differentiable.
    with_times : bool
        False for claims in which time plays no part.

    Raises
    ------
    AssumptionError
        When the dimension is beyond the claim, the start has another dimension, or U is not
        smooth where the claim needs it.
    """
    energy = as_energy(subject)
    law = start or default_start(energy)
    broken = []
    if energy.dim > largest_dimension:
        broken.append(f"dimension at most {largest_dimension}, got {energy.dim}")
    if law.dim != energy.dim:
        broken.append(f"a start of dimension {energy.dim}, got {law.dim}")
    if smooth and not energy.smooth:
        broken.append("U is twice continuously differentiable")
    if broken:
        raise AssumptionError(claim, broken)
    return Setting(
        name="user",
        subject=energy,
        start=law,
        times=tuple(sorted(set(times))) or DEFAULT_TIMES if with_times else (),
        of_user=True,
    )


def start_of(setting: Setting) -> InitialLaw:
    """The initial law of a setting that has one."""
    if setting.start is None:
        raise TypeError(f"setting {setting.name} has no start")
    return setting.start


def energy_of(setting: Setting) -> Energy:
    """The energy that a setting is about: its subject, or the view that its options ask for.

    Options: ``datum`` (a sequence of numbers) asks for the conditional energy in z at that x.
    """
    subject = setting.subject
    if isinstance(subject, JointEnergy):
        datum = setting.options.get("datum")
        return subject.joint() if datum is None else subject.conditional(datum)
    return subject


def is_translate(setting: Setting) -> bool:
    """Whether pi = N(b, I/m) and the start is a translate of it."""
    energy, start = energy_of(setting), setting.start
    if not isinstance(energy, QuadraticEnergy) or start is None or len(start.weights) != 1:
        return False
    m = float(energy.precision[0, 0])
    isotropic = np.allclose(energy.precision, m * np.eye(energy.dim), rtol=1e-12, atol=0)
    return bool(isotropic and np.allclose(start.sds**2 * m, 1.0, rtol=1e-12, atol=0))
