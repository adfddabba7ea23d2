"""The faults of ``planted``: each a sentence, and a wrapper around functions of the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.constant import How

from .unseen_sweep import line

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """An energy with what it is started from, and the same function for the reference."""

    text: str
    value: Callable[[Array], Array]
    start: str
    times: str


@dataclass(frozen=True)
class Planted:
    """One fault; ``plant`` is None for a run in which nothing is wrong."""

    kind: str
    name: str
    says: str
    subject: Subject
    claims: tuple[str, ...]
    plant: Callable[[], None] | None
    start: str | None = None


WELL = Subject(
    "2*(x**2-1)**2+0.5*x",
    lambda x: 2 * (x**2 - 1) ** 2 + 0.5 * x,
    "normal(0.3, 0.2)",
    "0.05,0.2,1,3",
)
STEEP = Subject(
    "30*(x**2-1)**2+20*x",
    lambda x: 30 * (x**2 - 1) ** 2 + 20 * x,
    "normal(0.3, 0.02)",
    "0.002,0.01,0.1",
)
SUBJECTS = (
    WELL,
    Subject(
        "1.5*(x**2-1)**2-0.4*x",
        lambda x: 1.5 * (x**2 - 1) ** 2 - 0.4 * x,
        "normal(-0.8, 0.2)",
        "0.1,0.3,1,3",
    ),
    Subject("x**4/4+x**2/2", lambda x: x**4 / 4 + x**2 / 2, "normal(1.5, 0.3)", "0.1,0.3,1,2"),
    Subject("(x**2-1)**2", lambda x: (x**2 - 1) ** 2, "normal(0.8, 0.3)", "0.1,0.5,1.5,3"),
    Subject(
        "x**2/2+log(1+exp(3*x-1))",
        lambda x: x**2 / 2 + np.logaddexp(0, 3 * x - 1),
        "normal(1.5, 0.4)",
        "0.1,0.3,1,2",
    ),
    Subject(
        "-log(exp(-x**2/2)+0.6*exp(-2*(x-2.5)**2))",
        lambda x: -np.logaddexp(-(x**2) / 2, np.log(0.6) - 2 * (x - 2.5) ** 2),
        "normal(2.2, 0.3)",
        "0.3,1,3,8",
    ),
    Subject(
        "0.3*x**4-x**2+0.4*x",
        lambda x: 0.3 * x**4 - x**2 + 0.4 * x,
        "normal(1, 0.3)",
        "0.2,1,3,8",
    ),
    Subject(
        "x**2/2+0.8*cos(2*x)",
        lambda x: x**2 / 2 + 0.8 * np.cos(2 * x),
        "normal(1.2, 0.3)",
        "0.2,0.5,1.5,4",
    ),
    Subject("x**6/6-x**2/2", lambda x: x**6 / 6 - x**2 / 2, "normal(1, 0.2)", "0.1,0.4,1,3"),
    Subject(
        "2*sqrt(1+x**2)+x**2/4",
        lambda x: 2 * np.sqrt(1 + x**2) + x**2 / 4,
        "normal(1.5, 0.4)",
        "0.1,0.3,0.8,2",
    ),
)
MOMENT, ENTROPY, BOTH = ("moment-bound",), ("kl-decay",), ("moment-bound", "kl-decay")
TRANSPORT = ("w2-talagrand-decay",)
RATES = ("late-rate", "chi2-decay")
RHO = ("kl-decay", "talagrand")


# the flow on a grid ---------------------------------------------------------------------------


def _flow(change: Callable[..., Any]) -> Callable[[], None]:
    """``change(solve, energy, start, times, **options)`` in place of the grid's flow."""

    def plant() -> None:
        from solvers import densities

        solve = densities.solve_fokker_planck

        def wrong(energy: Any, start: Any, times: Any, **options: Any) -> Any:
            return change(solve, energy, start, times, **options)

        densities.solve_fokker_planck = wrong  # type: ignore[assignment]

    return plant


def _elsewhen(factor: float, energy_factor: float = 1.0) -> Callable[..., Any]:
    """The flow of a multiple of U at a multiple of the time, said to be that of U at the time."""

    def change(solve: Any, energy: Any, start: Any, times: Any, **options: Any) -> Any:
        from verification.controls.flows import ScaledEnergy

        other = energy if energy_factor == 1.0 else ScaledEnergy(energy, energy_factor)
        path = solve(other, start, [factor * t for t in times], **options)
        return replace(path, times=np.asarray(times, dtype=float))

    return change


def _other_energy(text: str) -> Callable[..., Any]:
    def change(solve: Any, _: Any, start: Any, times: Any, **options: Any) -> Any:
        from lvebm_theory import parse_potential

        return solve(parse_potential(text), start, times, **options)

    return change


def _other_start(move: Callable[[Any], Any]) -> Callable[..., Any]:
    def change(solve: Any, energy: Any, start: Any, times: Any, **options: Any) -> Any:
        return solve(energy, move(start), times, **options)

    return change


def _boxed(ends: Callable[[Any], tuple[float, float]]) -> Callable[..., Any]:
    """A box that is cut, and nobody who watches what would leave it."""

    def change(_: Any, energy: Any, start: Any, times: Any, **__: Any) -> Any:
        from solvers.densities import Grid
        from solvers.densities.fokker_planck import solve_on_grids

        low, high = ends(start)
        grids = [Grid(nodes=(np.linspace(low, high, n + 1),)) for n in (192, 256, 384, 512)]
        at = np.asarray(times, dtype=float)
        return solve_on_grids(energy, start, at, grids, tail_mass=np.inf)

    return change


def _late_snapshots(solve: Any, energy: Any, start: Any, times: Any, **options: Any) -> Any:
    path = solve(energy, start, times, **options)
    levels = tuple(
        replace(level, snapshots=(level.snapshots[0], *level.snapshots[:-1]))
        for level in path.levels
    )
    return replace(path, levels=levels)


def _half_lost(solve: Any, energy: Any, start: Any, times: Any, **options: Any) -> Any:
    """One of two components of the start is forgotten."""
    from lvebm_theory.initial import InitialLaw

    first = InitialLaw.normal(start.means[0], start.sds[0])
    return solve(energy, first, times, **options)


# functionals ----------------------------------------------------------------------------------


def _curve(name: str, change: Callable[[Array], Any], narrow: float = 1.0) -> Callable[[], None]:
    """A functional of a density path, its values changed and its widths kept or narrowed."""

    def plant() -> None:
        from solvers.densities import DensityPath

        right = getattr(DensityPath, name)

        def wrong(self: Any, *arguments: Any, **options: Any) -> Any:
            values, widths = right(self, *arguments, **options)
            return change(np.asarray(values)), np.asarray(widths) * narrow

        setattr(DensityPath, name, wrong)

    return plant


def _reversed_entropy() -> None:
    """KL(pi | p_t)."""
    from solvers.densities import DensityPath

    def wrong(self: Any) -> Any:
        def value(state: Any) -> float:
            p = np.maximum(state.masses, 1e-300)
            return float((np.exp(state.log_gibbs) * (state.log_gibbs - np.log(p))).sum())

        return self.functional(value)

    DensityPath.relative_entropy = wrong  # type: ignore[method-assign]


def _coarse() -> None:
    """Cells of 0.75, and widths as of a fine grid."""
    _flow(lambda solve, *a, **o: solve(*a, **{**o, "cells": 32, "box": [(-12.0, 12.0)]}))()
    for name in ("relative_entropy", "expectation", "chi_square"):
        _curve(name, lambda v: v, 1e-6)()


def _entropy_of_start(factor: float) -> Callable[[], None]:
    def plant() -> None:
        from verification import initial_entropy
        from verification.claims.flow import kl_decay

        right = initial_entropy.relative_entropy_of_start

        def wrong(*arguments: Any, **options: Any) -> Any:
            found = right(*arguments, **options)
            return replace(found, value=factor * found.value)

        initial_entropy.relative_entropy_of_start = wrong
        kl_decay.relative_entropy_of_start = wrong

    return plant


# particles ------------------------------------------------------------------------------------


def _simulated(change: Callable[..., Any]) -> Callable[[], None]:
    """``change(simulate, energy, scheme, start, **options)`` in place of the particle run."""

    def plant() -> None:
        from solvers import evolve

        simulate = evolve.simulate

        def wrong(energy: Any, scheme: Any, start: Any, **options: Any) -> Any:
            return change(simulate, energy, scheme, start, **options)

        evolve.simulate = wrong

    return plant


def _scheme(mutate: Callable[[Any], Any]) -> Callable[[], None]:
    return _simulated(
        lambda simulate, energy, scheme, start, **o: simulate(energy, mutate(scheme), start, **o)
    )


def _noise(factor: float) -> Callable[[], None]:
    from verification.controls.schemes import with_noise_scaled

    return _scheme(lambda scheme: with_noise_scaled(scheme, factor))


def _drift(factor: float) -> Callable[[], None]:
    from verification.controls.schemes import with_drift_scaled

    return _scheme(lambda scheme: with_drift_scaled(scheme, factor))


@dataclass(frozen=True)
class _Drawn:
    draw: Any
    change: Callable[[Any], Any]

    @property
    def normal(self) -> Any:
        return self.change(self.draw.normal)

    @property
    def uniform(self) -> Any:
        return self.draw.uniform


def _drawn(change: Callable[[Any], Any]) -> Callable[[], None]:
    """Normals changed before the scheme sees them."""

    def mutate(scheme: Any) -> Any:
        def step(state: Any, energy: Any, h: Any, draw: Any) -> Any:
            return scheme.step(state, energy, h, _Drawn(draw, change))

        return replace(scheme, name=f"{scheme.name}, other normals", step=step)

    return _scheme(mutate)


def _stale() -> None:
    """The gradient of the first step for ever."""

    @dataclass(frozen=True)
    class Stale:
        energy: Any
        kept: Any

        def potential(self, x: Any) -> Any:
            return self.energy.potential(x)

        def gradient(self, x: Any) -> Any:
            return 0.5 * (self.kept + self.energy.gradient(x))

    def mutate(scheme: Any) -> Any:
        def init(x: Any, energy: Any) -> Any:
            return {**scheme.init(x, energy), "kept": energy.gradient(x)}

        def step(state: Any, energy: Any, h: Any, draw: Any) -> Any:
            inner = {k: v for k, v in state.items() if k != "kept"}
            moved, info = scheme.step(inner, Stale(energy, state["kept"]), h, draw)
            return {**moved, "kept": state["kept"]}, info

        return replace(scheme, name=f"{scheme.name}, stale", init=init, step=step)

    _scheme(mutate)()


def _sampled(move: Callable[[Any], Any]) -> Callable[[], None]:
    """Particles from another initial law; later legs go on from where they are."""

    def change(simulate: Any, energy: Any, scheme: Any, start: Any, **o: Any) -> Any:
        from lvebm_theory.initial import InitialLaw

        first = move(start) if isinstance(start, InitialLaw) else start
        return simulate(energy, scheme, first, **o)

    return _simulated(change)


def _final(move: Callable[[Array], Array]) -> Callable[[], None]:
    """Particles moved before anything is read off them."""

    def change(simulate: Any, energy: Any, scheme: Any, start: Any, **o: Any) -> Any:
        run = simulate(energy, scheme, start, **o)
        return replace(run, final=move(np.asarray(run.final)))

    return _simulated(change)


def _steps(factor: float) -> Callable[[], None]:
    def change(simulate: Any, energy: Any, scheme: Any, start: Any, **o: Any) -> Any:
        steps = max(2, 2 * round(factor * o["steps"] / 2))
        return simulate(energy, scheme, start, **{**o, "steps": steps})

    return _simulated(change)


def _step_sizes(factor: float) -> Callable[[], None]:
    """A long time step, and a companion that does not see it."""

    def change(simulate: Any, energy: Any, scheme: Any, start: Any, **o: Any) -> Any:
        steps = max(2, 2 * round(o["steps"] / factor / 2))
        size = o["step_size"] * o["steps"] / steps
        return simulate(energy, scheme, start, **{**o, "steps": steps, "step_size": size})

    def plant() -> None:
        from verification import particle_witness

        particle_witness.every_second_step = lambda scheme: scheme
        _simulated(change)()

    return plant


def _particles_on(text: str) -> Callable[[], None]:
    def change(simulate: Any, _: Any, scheme: Any, start: Any, **o: Any) -> Any:
        from lvebm_theory import parse_potential

        return simulate(parse_potential(text), scheme, start, **o)

    return _simulated(change)


def _histogram(change: Callable[[Array, Any], tuple[Array, Any]]) -> Callable[[], None]:
    """Another reference for the histogram of particles."""

    def plant() -> None:
        from verification.estimate import relative_entropy as room

        right = room.relative_entropy

        def wrong(x: Any, masses: Any, edges: Any, *rest: Any, **options: Any) -> Any:
            return right(x, *change(np.asarray(masses), edges), *rest, **options)

        room.relative_entropy = wrong

    return plant


def _quantiles(change: Callable[[Array, Array], tuple[Array, Array]]) -> Callable[[], None]:
    """Another table of quantiles for W2."""

    def plant() -> None:
        from verification.estimate.transport import ReferenceOnLine

        right = ReferenceOnLine.of

        def wrong(masses: Any, edges: Any, *rest: Any, **options: Any) -> Any:
            return right(*change(np.asarray(masses), np.asarray(edges)), *rest, **options)

        ReferenceOnLine.of = wrong  # type: ignore[method-assign,assignment]

    return plant


def _moved(by: float) -> Callable[[Any], Any]:
    return lambda start: replace(start, means=start.means + by)


def _spread(factor: float) -> Callable[[Any], Any]:
    return lambda start: replace(start, sds=start.sds * factor)


def _around(start: Any) -> tuple[float, float]:
    mean, sd = float(start.means[0, 0]), float(start.sds[0, 0])
    return mean - 6 * sd, mean + 6 * sd


TILTLESS, MIRRORED = "2*(x**2-1)**2", "2*(x**2-1)**2-0.5*x"
TWO = "0.8*normal(-1, 0.15) + 0.2*normal(1, 0.15)"


def solvers() -> list[Planted]:
    """Forty mutants."""
    grid: list[tuple[str, str, Sequence[str], Any]] = [
        ("box at the start", "the box holds the start alone", BOTH, _flow(_boxed(_around))),
        ("box to the barrier", "a box without the left well", BOTH,
         _flow(_boxed(lambda _: (-0.2, 2.5)))),
        ("box above", "a box that ends at x = 1", BOTH, _flow(_boxed(lambda _: (-2.6, 1.0)))),
        ("coarse cells", "cells of 0.75 with the widths of a fine grid", BOTH, _coarse),
        ("half noise", "noise sqrt(h)", BOTH, _flow(_elsewhen(0.5, 2.0))),
        ("double noise", "noise sqrt(4h)", BOTH, _flow(_elsewhen(2.0, 0.5))),
        ("double drift", "drift 2 grad U", BOTH, _flow(_elsewhen(1.0, 2.0))),
        ("mirrored drift", "the tilt with the wrong sign", BOTH, _flow(_other_energy(MIRRORED))),
        ("tilt forgotten", "a parameter left at zero", BOTH, _flow(_other_energy(TILTLESS))),
        ("start moved", "the start moved by 0.2", BOTH, _flow(_other_start(_moved(0.2)))),
        ("start spread", "standard deviations doubled", BOTH, _flow(_other_start(_spread(2)))),
        ("late", "times larger by a fifth", BOTH, _flow(_elsewhen(1.2))),
        ("frozen", "the start at all times", BOTH, _flow(_elsewhen(1e-6))),
        ("settled", "pi at all times", BOTH, _flow(_elsewhen(1e3))),
        ("one time behind", "densities of the time before", BOTH, _flow(_late_snapshots)),
        ("entropy larger", "KL times 1.1", ENTROPY, _curve("relative_entropy", lambda v: 1.1 * v)),
        ("entropy smaller", "KL times 0.9", ENTROPY, _curve("relative_entropy", lambda v: 0.9 * v)),
        ("entropy in bits", "KL over log 2", ENTROPY,
         _curve("relative_entropy", lambda v: v / np.log(2))),
        ("entropy unnormalised", "KL plus 0.1", ENTROPY,
         _curve("relative_entropy", lambda v: v + 0.1)),
        ("entropy reversed", "KL(pi | p)", ENTROPY, _reversed_entropy),
        ("moment shifted", "E x^2 times 1.1", MOMENT, _curve("expectation", lambda v: 1.1 * v)),
        ("W2 squared", "W2^2 for W2", TRANSPORT, _curve("w2_to_gibbs", lambda v: v**2)),
        ("information halved", "FI over 2", ("de-bruijn",),
         _curve("fisher_information", lambda v: v / 2)),
        ("entropy of the start halved", "KL_0 over 2", ENTROPY, _entropy_of_start(0.5)),
    ]  # fmt: skip
    particles: list[tuple[str, str, Sequence[str], Any]] = [
        ("half noise, particles", "noise sqrt(h)", BOTH, _noise(0.5**0.5)),
        ("noise a fifth larger, particles", "noise times 1.2", BOTH, _noise(1.2)),
        ("double drift, particles", "drift 2 grad U", BOTH, _drift(2.0)),
        ("drift a fifth smaller, particles", "drift times 0.8", BOTH, _drift(0.8)),
        ("wrong sign of the drift, particles", "drift + grad U", BOTH, _drift(-1.0)),
        ("tilt forgotten, particles", "a parameter left at zero", BOTH, _particles_on(TILTLESS)),
        ("stale gradient, particles", "half of the gradient is that of the first step", BOTH,
         _stale),
        ("biased normals, particles", "normals with mean 0.05", BOTH, _drawn(lambda n: n + 0.05)),
        ("long steps, particles", "forty steps in one, unseen by its companion", BOTH,
         _step_sizes(40.0)),
        ("fewer steps, particles", "a fifth of the steps left out", BOTH, _steps(0.8)),
        ("start moved, particles", "the start moved by 0.2", BOTH, _sampled(_moved(0.2))),
        ("clipped, particles", "particles clipped to [-1, 1]", BOTH,
         _final(lambda x: np.clip(x, -1, 1))),
        ("wrong histogram", "reference masses in the opposite order", ENTROPY,
         _histogram(lambda m, e: (m[::-1], e))),
        ("wrong quantiles", "the quantile table moved by 0.15", TRANSPORT,
         _quantiles(lambda m, e: (m, e + 0.15))),
    ]  # fmt: skip
    found = [
        Planted("solver", name, says, WELL, tuple(claims), plant)
        for name, says, claims, plant in [*grid, *particles]
    ]
    found.append(
        Planted("solver", "weights lost", "one component of the start for both", WELL, BOTH,
                _flow(_half_lost), start=TWO)
    )  # fmt: skip
    found.append(
        Planted("solver", "box at the start, steep", "a box that ends above the start", STEEP, BOTH,
                _flow(_boxed(lambda _: (-1.4, 0.42))))
    )  # fmt: skip
    return found


# constants ------------------------------------------------------------------------------------


def _constant(name: str, change: Callable[[Any], Any]) -> Callable[[], None]:
    """A constant of every energy changed, its grade kept."""

    def plant() -> None:
        from lvebm_theory.constants.energy_constants import EnergyConstants

        right = EnergyConstants.__dict__[name].func
        wrong = cached_property(lambda self: change(right(self)))
        wrong.__set_name__(EnergyConstants, name)
        setattr(EnergyConstants, name, wrong)

    return plant


def _times(factor: float) -> Callable[[Any], Any]:
    return lambda c: replace(
        c, value=factor * c.value, lower=factor * c.lower, upper=factor * c.upper
    )


def _raised(to: float, how: How | None = None) -> Callable[[Any], Any]:
    return lambda c: replace(c, value=to, lower=to, upper=max(to, c.upper), how=how or c.how)


def constants() -> list[Planted]:
    """Sixty false constants, six for each of ten energies; those of a grade that may be wrong."""
    found = []
    for subject in SUBJECTS:
        gap = line.gap(subject.value).value
        bound = line.log_sobolev_bound(subject.value)
        for says, name, change, claims in (
            ("gap times 1.1", "gap", _times(1.1), RATES),
            ("gap times 0.9", "gap", _times(0.9), RATES),
            ("rho above the gap", "log_sobolev", _raised(1.05 * gap), RHO),
            ("rho above a measured bound", "log_sobolev", _raised(1.1 * bound), RHO),
        ):
            plant = _constant(name, change)
            title = f"{says} of {subject.text}"
            found.append(Planted("constant", title, says, subject, claims, plant))
        for says, to in (("above the gap", 1.05 * gap), ("above a measured bound", 1.1 * bound)):
            plant = _constant("log_sobolev", _raised(to, How.COMPUTED))
            title = f"COMPUTED rho {says} of {subject.text}"
            found.append(Planted("computed constant", title, says, subject, RHO, plant))
    return found


def nothing() -> list[Planted]:
    """Runs in which nothing is wrong, over the claims that the others use."""
    claims = (*RHO, *RATES)
    found = [
        Planted("nothing", f"nothing in {s.text}", "as it is", s, claims, None) for s in SUBJECTS
    ]
    found += [
        Planted("nothing", "nothing, two components", "as it is", WELL, BOTH, None, TWO),
        Planted("nothing", "nothing, steep", "as it is", STEEP, BOTH, None),
        Planted("nothing", "nothing, all claims", "", WELL, (*BOTH, *TRANSPORT, "de-bruijn"), None),
    ]
    return found


def planted() -> list[Planted]:
    """All of them."""
    return [*solvers(), *constants(), *nothing()]
