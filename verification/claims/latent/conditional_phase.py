"""The conditional phase is never slower than the joint convex bound: rho_q >= m for every datum.

Grid and particles: KL of the conditional flow at a datum against e^{-2ms} KL_0 with m the certified
convexity of the joint energy. Attained by a translate when z is a coordinate of least curvature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.latent import conditional_phase as statement

from ...claim import Case, Claim, Context, Evidence, Setting, Witness
from ...confront import require
from ...controls.variants import rate_multiplied, sentences, value_multiplied
from ...curves import dataset
from ...decay import DecayStatement, decay_cases
from ...defaults import default_start
from ...initial_entropy import require_finite
from ...subjects import energy_of, start_of
from .joint_subjects import as_joint, usual_datum

if TYPE_CHECKING:
    import xarray

    from solvers.densities import DensityPath

    from ...particle_witness import Snapshots

NAME = "conditional-phase"
VARIANTS = {
    "rate-doubled": rate_multiplied(2.0, "the conditional rate taken to be twice the joint bound"),
    "half-entropy": value_multiplied(0.5, "the prefactor 1 replaced by 1/2"),
}
MUTANTS = {"half-noise": "conditional particles with noise sqrt(h) xi in place of sqrt(2h) xi"}
# as for kl-decay: half the noise leaves 0.097 nats per Gaussian coordinate
BINS = 60
FLOORS = {"grid": 1e-9, "particles": 0.02}


def settings() -> list[Setting]:
    """b = 0, where the bound is attained, and a location family that is convex but not Gaussian."""
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
    from lvebm_theory.energies.location_family import location_family

    return [
        Setting(
            name="least-curvature-along-z",
            subject=linear_gaussian_undirected(a=2.0, b=0.0),
            start=InitialLaw.normal(1.5, 1.0),
            times=(0.2, 0.7, 2.0),
            options={"datum": [0.5], "control_times": (0.7,)},
            with_controls=True,
        ),
        Setting(
            name="location-family",
            subject=location_family(),
            start=InitialLaw.normal(1.5, 0.5),
            times=(0.2, 0.7, 2.0),
            options={"datum": [0.8]},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """KL at every time by grid and particles."""
    witnesses: list[Witness] = ["grid", backend]
    return decay_cases(
        setting,
        quantity="KL",
        witnesses=witnesses,
        variants=VARIANTS,
        mutants=dict.fromkeys(MUTANTS, backend),
    )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """KL along the conditional flow at the datum, with m from the joint energy."""
    from lvebm_theory.constants import constants_of

    from ...grid_witness import curve, density_path, with_shown

    conditional, start = energy_of(setting), start_of(setting)
    convexity = constants_of(as_joint(NAME, setting.subject).joint()).convexity
    require(statement.theorem, joint_convexity=convexity)
    require_finite(conditional, start)
    witness, run = asked[0].witness, asked[0].run
    path = density_path(conditional, start, with_shown(setting), claim=NAME)
    measured = curve(path, "KL")
    initial = measured.at(0.0)

    def quantities(time: float) -> dict[str, Any]:
        return {
            "joint_convexity": convexity,
            "time": time,
            "initial_relative_entropy": initial.value,
        }

    bound = DecayStatement(
        upper=statement.theorem,
        equal=None,
        quantities=quantities,
        variants=VARIANTS,
        floor=FLOORS["grid" if witness == "grid" else "particles"],
        relative_width=initial.numerical / initial.value,
    )
    if witness != "grid":
        from ...controls.schemes import with_noise_scaled
        from ...particle_witness import snapshots, step_for

        mutate = {"": None, "half-noise": lambda scheme: with_noise_scaled(scheme, 0.5**0.5)}[run]
        ensemble = snapshots(
            conditional,
            start,
            sorted({case.time for case in asked if case.time is not None}),
            context,
            stream=f"{NAME}/{setting.name}/{run}/{context.look}",
            step_size=step_for(conditional, start, setting.times),
            mutate=mutate,
        )
        measured = ensemble.relative_entropy(path)
    curves = dataset(
        measured, {NAME: bound.bound}, setting=setting.name, witness=witness, claim=NAME
    )
    if witness != "grid":
        curves = curves.merge(_overlay(path, ensemble), combine_attrs="override")
    return Evidence(outcomes=bound.outcomes(asked, measured), dataset=curves)


def _overlay(path: DensityPath, ensemble: Snapshots) -> xarray.Dataset:
    """Density of the latent at the first time, by grid and by histogram with its standard error."""
    import xarray

    time = float(ensemble.times[0])
    masses = path.masses[int(np.argmin(np.abs(path.times - time)))]
    edges = path.grid.edges[0]
    cumulated = np.concatenate([[0.0], np.cumsum(masses)])
    low, high = (float(np.interp(p, cumulated, edges)) for p in (1e-4, 1 - 1e-4))
    bins = np.linspace(low, high, BINS + 1)
    width = bins[1] - bins[0]
    share = np.histogram(ensemble.fine[0][:, 0], bins)[0] / len(ensemble.fine[0])
    error = np.sqrt(share * (1 - share) / len(ensemble.fine[0]))
    density = {"units": "1 / length", "long_name": f"density of z at time {time:g}"}
    return xarray.Dataset(
        {
            "grid_density": ("z", np.diff(np.interp(bins, edges, cumulated)) / width, density),
            "particle_density": ("z", share / width, density),
            "particle_standard_error": ("z", error / width, density),
        },
        coords={"z": ("z", (bins[1:] + bins[:-1]) / 2, {"long_name": "latent z"})},
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any joint energy of one datum and one latent coordinate; see ``usual_datum``."""
    energy = as_joint(NAME, subject)
    datum = usual_datum(energy)
    law = (
        start if start is not None and start.dim == 1 else default_start(energy.conditional(datum))
    )
    template = settings()[0]
    return replace(
        template,
        name="user",
        subject=energy,
        start=law,
        times=tuple(sorted(set(times))) or template.times,
        options={"datum": datum},
        with_controls=False,
        of_user=True,
    )


claim = Claim(
    name=NAME,
    title="The conditional flow is at least as fast as the joint convex bound",
    theorems=(statement.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
