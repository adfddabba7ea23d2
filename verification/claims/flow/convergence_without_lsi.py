"""Convergence without an LSI: W_f contracts at Eberle's explicit rate by reflection coupling.

Grid: the exact transport cost for the concave f between two evolved copies, by linear programming
between aggregated cells. Particles: the same cost between two clouds. Companion for W1, with its
prefactor (named loose). Forced control: W1 with prefactor one, which fails between two wells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.constant import How
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorems.dissipativity import reflection_coupling as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, faster, third_of_distance
from ...controls.variants import quantities_replaced, rate_multiplied, sentences
from ...curves import Curve, dataset
from ...defaults import frame, moved
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from lvebm_theory.constants.reflection_coupling import ReflectionCoupling
    from solvers.densities import DensityPath

NAME = "convergence-without-lsi"
VARIANTS = {
    "rate-doubled": rate_multiplied(2.0, "the rate c replaced by 2c"),
}
IN_W1 = {
    "prefactor-one": quantities_replaced(
        lambda q: {"prefactor": 1.0}, "W1 at rate c without its prefactor"
    ),
}
MUTANTS = {"quarter-noise": "a solver with a quarter of the noise variance"}
# E f(|X - Y|) of the coupled clouds: never below W_f of their laws
COUPLED = "coupled cost"
# cells are merged into bins of equal width for the linear programme
BINS = 400
CELLS = 2048
# of the distance at time 0, for times when the decay is over
FLOORS = {"grid": 1e-3, "particles": 0.02}
# distances at which convexity is looked at where it is not proved, in lengths of the energy
RADII = 50.0


def settings() -> list[Setting]:
    """A quadratic, two wells from either side, and neighbours at a barrier, where it is sharp."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic

    return [
        Setting(
            name="quadratic",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(2.0, 0.5),
            times=(0.2, 0.5, 1.0),
            options={
                "second_start": InitialLaw.normal(-1.0, 0.5),
                "profile": np.ones_like,
                "particles": False,
            },
        ),
        Setting(
            name="double-well",
            subject=double_well(b=1.0),
            start=InitialLaw.normal(1.0, 0.3),
            times=(0.3, 1.0, 3.0),
            options={
                "second_start": InitialLaw.normal(-1.0, 0.3),
                "profile": _profile_of_double_well(1.0),
                "controls": tuple(MUTANTS),
            },
            with_controls=True,
        ),
        Setting(
            name="neighbours-at-the-barrier",
            subject=double_well(b=4.0),
            start=InitialLaw.normal(0.1, 0.05),
            times=(0.05, 0.2),
            options={
                "second_start": InitialLaw.normal(-0.1, 0.05),
                "profile": _profile_of_double_well(4.0),
                "controls": (*VARIANTS, *IN_W1),
                "particles": False,
            },
            with_controls=True,
        ),
    ]


def _profile_of_double_well(b: float) -> Callable[[FloatArray], FloatArray]:
    """kappa(r) = b (r^2 - 4) of b (x^2-1)^2.

    (U'(x) - U'(y))/(x-y) = 4b (3 m^2 + r^2/4 - 1) at midpoint m: least at m = 0.
    """
    return lambda radii: b * (radii**2 - 4.0)


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """W_f on the grid and by reflected particles, W1 on the grid; controls as the setting says."""
    most = statements.theorem.relation
    planned = [
        Case(quantity=quantity, relation=most, witness="grid", time=time)
        for quantity in ("W_f", "W1")
        for time in setting.times
    ]
    if setting.options.get("particles", True):
        planned += [
            Case(
                quantity=COUPLED,
                relation=most,
                witness=backend,
                time=time,
                part="coupling",
                upper_bound_of="W_f",
            )
            for time in setting.times
        ]
    if not setting.with_controls:
        return planned
    for control in setting.options["controls"]:
        witnesses: list[Witness] = ["grid", backend] if control in MUTANTS else ["grid"]
        planned += [
            Case(
                quantity=_quantity(control, witness),
                relation=most,
                witness=witness,
                time=setting.times[-1],
                part="" if witness == "grid" else "coupling",
                control=control,
                run=control if control in MUTANTS else "",
            )
            for witness in witnesses
        ]
    return planned


def _quantity(control: str, witness: Witness) -> str:
    if control in IN_W1:
        return "W1"
    return "W_f" if witness == "grid" else COUPLED


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Transport costs between two evolved copies against e^{-ct} of their value at time 0."""
    coupling = contraction_of(setting)
    if asked[0].witness == "grid":
        curves = _on_grid(setting, coupling, mutated=bool(asked[0].run))
        floor = FLOORS["grid"]
    else:
        curves = {COUPLED: _by_particles(setting, asked, context, coupling)}
        floor = FLOORS["particles"]
    drawn = curves.get("W_f") or curves[COUPLED]
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        curve = curves[case.quantity]
        theorem = statements.in_w1 if case.quantity == "W1" else statements.theorem
        initial = curve.at(0.0)
        q: dict[str, Any] = {
            "contraction_rate": coupling.rate,
            "prefactor": coupling.prefactor,
            "time": time,
            "initial_distance": initial.value,
        }
        bound = theorem.forced_bound(**q)
        wrong = [variant.bound(theorem, q) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            curve.at(time, extra_numerical=bound * initial.numerical / initial.value),
            theorem,
            q,
            resolution=max(third_of_distance(bound, *wrong), floor * initial.value),
            variants={**VARIANTS, **IN_W1},
            perturbed=faster(theorem, q),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            drawn,
            {
                NAME: lambda time: statements.theorem.forced_bound(
                    contraction_rate=coupling.rate,
                    time=time,
                    initial_distance=drawn.at(0.0).value,
                )
            },
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
            **({} if asked[0].witness == "grid" else {"upper_bound_of": "W_f"}),
        ),
    )


def contraction_of(setting: Setting) -> ReflectionCoupling:
    """W_f and c from a profile in closed form, else proved, else scanned, which proves nothing."""
    from lvebm_theory.certified.line_curvature import curvature_bound
    from lvebm_theory.constants.reflection_coupling import convexity_profile, reflection_coupling

    energy = energy_of(setting)
    exact = setting.options.get("profile")
    if exact is not None:
        return reflection_coupling(exact, how=How.EXACT, source="kappa in closed form")
    try:
        bound = curvature_bound(energy)
    except AssumptionError:
        (centre,), (length,) = frame(energy)
        reach = RADII * length
        return reflection_coupling(
            lambda radii: convexity_profile(energy, radii, (centre - reach, centre + reach)),
            largest_radius=reach,
            how=How.ESTIMATED,
            source=f"kappa scanned over midpoints within {reach:g} of {centre:g}",
        )
    return reflection_coupling(
        bound.averages,
        largest_radius=max(bound.radius, 4.0 * float(np.ptp(bound.edges))),
        how=How.CERTIFIED,
        source="kappa from bounds of U'' in ball arithmetic on cells, growth arithmetic outside",
    )


def _on_grid(setting: Setting, coupling: ReflectionCoupling, *, mutated: bool) -> dict[str, Curve]:
    from ...controls.flows import with_noise_scaled
    from ...grid_witness import of_levels, on_one_grid

    starts = [start_of(setting), setting.options["second_start"]]
    paths = on_one_grid(energy_of(setting), starts, setting.times, claim=NAME, cells=CELLS)
    if mutated:
        paths = [
            with_noise_scaled(path, start, 0.5) for path, start in zip(paths, starts, strict=True)
        ]
    first, second = paths
    times = first.times
    w1, w1_widths = of_levels(
        [first, second],
        lambda s: [
            float(np.abs(np.cumsum(a.masses - b.masses))[:-1] @ np.diff(a.grid.centres[0]))
            for a, b in zip(*s, strict=True)
        ],
    )
    fine, fewer_bins, fewer_cells = (
        np.array([_concave_cost(first, second, k, level, coupling, n) for k in range(times.size)])
        for level, n in ((-1, BINS), (-1, BINS // 2), (-2, BINS))
    )
    return {
        "W_f": Curve(
            quantity="W_f",
            times=times,
            values=fine,
            # second order in bins, and in cells, of which the next level has three quarters: what
            # is left is a third of the first difference and 9/7 of the second
            numerical=np.abs(fine - fewer_bins) + 2 * np.abs(fine - fewer_cells) + 1e-12,
        ),
        "W1": Curve(quantity="W1", times=times, values=w1, numerical=w1_widths + 1e-12),
    }


def _concave_cost(
    first: DensityPath,
    second: DensityPath,
    index: int,
    level: int,
    coupling: ReflectionCoupling,
    bins: int,
) -> float:
    """The least E f(|X - Y|) between two densities merged into equal bins, by network simplex."""
    import ot

    edges = first.grid.edges[0]
    cumulated = [np.concatenate([[0.0], np.cumsum(path.masses[index])]) for path in (first, second)]
    both = 0.5 * (cumulated[0] + cumulated[1])
    low, high = np.interp([1e-10, 1 - 1e-10], both / both[-1], edges)
    at = np.linspace(low, high, bins + 1)
    masses = [np.maximum(np.diff(np.interp(at, edges, c)), 0.0) for c in cumulated]
    centres = 0.5 * (at[1:] + at[:-1])
    cost = coupling.cost(np.abs(centres[:, None] - centres[None, :]))
    a, b = (m / m.sum() for m in masses)
    return float(ot.emd2(a, b, cost, numItermax=1_000_000))


def _by_particles(
    setting: Setting, asked: Sequence[Case], context: Context, coupling: ReflectionCoupling
) -> Curve:
    """E f(|X - Y|) for X and Y reflected: an upper bound of W_f that obeys the same inequality."""
    from solvers.noise import Noise

    from ...controls.schemes import with_noise_scaled
    from ...particle_witness import snapshots, step_for
    from ...reflection import reflected

    energy, start, run = energy_of(setting), start_of(setting), asked[0].run
    shift = float(start.mean[0] - setting.options["second_start"].mean[0])
    stream = f"{NAME}/{setting.name}/{run}"
    noise = Noise(context.seed, stream).derive("start")
    number = context.particles // 8
    x = start.push_normals(
        noise.uniforms(number, 0, backend="numba")[:, 0],
        noise.normals(number, 0, 1, backend="numba"),
    )

    def plain(scheme: Any) -> Any:
        return with_noise_scaled(scheme, 0.5) if run else scheme

    times = sorted({float(case.time or 0.0) for case in asked})
    step = step_for(energy, start, times)
    first, second = (
        snapshots(
            energy,
            position,
            times,
            context,
            stream=stream,
            step_size=step,
            mutate=mutate,
            particles=number,
            memory=True,
            companion=not run,
        )
        for position, mutate in (
            (x, plain),
            (x - shift, lambda scheme: reflected(plain(scheme), shift, 0.5 if run else 1.0)),
        )
    )
    apart = replace(first, fine=first.fine - second.fine, coarse=first.coarse - second.coarse)
    curve = apart.mean(lambda r: coupling.cost(np.abs(r[:, 0])), COUPLED)
    begun = float(coupling.cost(shift))
    return Curve(
        quantity=COUPLED,
        times=np.concatenate([[0.0], curve.times]),
        values=np.concatenate([[begun], curve.values]),
        numerical=np.concatenate([[0.0], curve.numerical]),
        statistical=np.concatenate([[0.0], curve.statistical]),
        confidence=curve.confidence,
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy on the line; the second copy starts moved by the energy's length."""
    setting = adapted(NAME, subject, start, times, largest_dimension=1)
    return replace(setting, options={"second_start": moved(start_of(setting), energy_of(setting))})


claim = Claim(
    name=NAME,
    title="Reflection coupling contracts W_f at an explicit rate, without convexity or LSI",
    theorems=(statements.theorem, statements.in_w1),
    controls={**sentences(VARIANTS), **sentences(IN_W1), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
