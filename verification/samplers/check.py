"""One call: a sampler, what it claims to be, and the verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lvebm_theory.errors import ArgumentError

from ..decide import Verdict
from ..keeping import read_sealed
from .dictionary import dictionary_of
from .examination import FORMAT, SAMPLES, Examination
from .generate import FEWEST, GRID, PILOT, check_steps, places
from .kernel import Kernel, StepError
from .laws import invariance
from .learner import ORDERS, Learner
from .localise import localise
from .meter import OVER, Budget, Clock, Meter
from .portable import BACKENDS, Backend
from .report import Report
from .schemes import Scheme, scheme_of
from .sequential import check_alpha
from .stationary import stationary_error
from .subject import KINDS, Kind, LearnerSubject, Place, Subject
from .targets.defaults import default_targets, gaussian_targets, line_targets, subsampled_targets
from .targets.exact_target import ExactTarget

# parts of the budget for pilots, for laws without chance, and for the estimate beside HOLDS
_PILOTS, _WITHOUT_CHANCE, _ESTIMATE = 0.15, 0.3, 0.1
_KEPT = 0.05  # of it, whatever the looks would take
# default targets of 2, 1, 5 and 20 dimensions
_SPAN = 4
CONVENTIONS = ("full", "half")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is looked at, from how fast the step is; stored, so that a resumed call agrees.

    Parameters
    ----------
    targets, per_target : int
        Targets, and step sizes for each.
    first, largest : int
        Chains of a first look, and at most of any.
    pilot : int
        Chains of a pilot; 0 where there is no time for them.
    """

    targets: int
    per_target: int
    first: int
    largest: int
    pilot: int = PILOT


def check_sampler(
    step: Callable[..., Any],
    kind: str = "adjusted",
    alpha: float = 1e-6,
    budget: float = 40.0,
    scheme: str | Scheme | None = None,
    reversible: bool | None = None,
    vectorised: bool | None = None,
    backend: str | None = None,
    seed: int = 0,
    resume: Mapping[str, Any] | str | Path | None = None,
    targets: Sequence[ExactTarget] | None = None,
    step_sizes: Sequence[float] | None = None,
    *,
    walkers: int | None = None,
    shared: str = "",
    calls: int | None = None,
    laws: Sequence[str] | None = None,
    min_dim: int = 1,
    convention: str = "full",
    localised: bool = True,
    clock: Clock = time.perf_counter,
) -> Report:
    """Is this sampler right? A verdict per law, at a proved false-alarm rate.

    Parameters
    ----------
    step : callable
        ``step(x, energy, step_size, rng)`` -> x' or (x', info); any subset of the words of
        ``arguments.WORDS``, x first. All chains (n, d) at once or one (d,). Of learners
        ``step(theta, latents, pool, data, energy, step_size, rate, rng)``, see ``learner``.
    kind : {"adjusted", "unadjusted", "exact-discretisation", "learner"}
        What it claims: pi exactly at every step size, a documented scheme, the diffusion itself,
        or coupled updates of parameters and particles.
    alpha : float
        Bound of the chance that a correct sampler is called VIOLATED, whatever the number of looks
        and of times the call is taken up again.
    budget : float
        Seconds, kept within a fifth and one call of the step; the first call of the step, which may
        compile it, is not counted. Pilots, every law and the guess at the component draw on it, and
        what could not be afforded is listed.
    scheme : str or Scheme, optional
        Of unadjusted kinds; "ula" by default, see ``schemes.NAMES``. Of learners "sequential"
        (default) or "simultaneous": theta moves with the new particles or with the old ones.
    reversible : bool, optional
        True has detailed balance tested.
    vectorised : bool, optional
        Whether x is (n, d); found out by trying.
    backend : {"numpy", "torch", "jax", "numba"}, optional
        Found out by trying.
    seed : int
    resume : mapping or path, optional
        The ``state`` of an earlier report, or a JSON file of it.
    targets : sequence of ExactTarget, optional
        Your own, used as they are; by default some of 2, 1, 5 and 20 dimensions and more. A step
        without a step size is tried on default targets of several scales, on yours as they are.
    step_sizes : sequence of float, optional
        Instead of the generated ones.
    walkers : int, optional
        Chains that interact, in ensembles of this many.
    shared : str, optional
        What the chains of one call share on purpose, "trajectory length" say, in words: sixteen
        chains with one such value are then one sample, for every law.
    calls : int, optional
        Chain steps at most, in place of the budget and kept like it: the outcome is then the same
        on any machine.
    laws : sequence of str, optional
        Names of laws; all by default.
    min_dim : int
        Least dimension that the sampler takes: default targets of fewer are left out.
    convention : {"full", "half"}
        "half" for unadjusted rules written x - (s/2) grad U + sqrt(s) xi: the step is given s = 2h,
        and ``step_sizes`` are values of s.
    localised : bool
        Whether a violation is traced to the likely component.
    clock : callable () -> float
        What seconds are read from.

    Returns
    -------
    Report

    Raises
    ------
    ArgumentError
        Unusable arguments, or a step that runs in no layout; before any work starts.
    StepError
        The step raised on every target. A step that raises now and then ends the trial in which it
        does, and the report says so.
    """
    meter = Meter(clock)
    check_alpha(alpha)
    chosen = _kind(kind)
    if not budget > 0 or (calls is not None and calls < 1):
        raise ArgumentError(f"a budget must be > 0, got {budget} s and {calls} calls")
    settings: dict[str, Any] = {"format": FORMAT, "kind": kind, "alpha": alpha, "seed": seed}
    stored = _stored(resume)
    whole = Budget(
        meter=meter,
        seconds=math.inf if calls is not None else budget,
        steps=math.inf if calls is None else float(calls),
    )
    subject: Subject | LearnerSubject
    skipped: dict[str, str] = {}
    note = ""
    with whole.up_to(1 + OVER):
        if chosen == "learner":
            subject, plan = _learner(step, scheme, seed, stored, meter)
            settings["scheme"] = name = subject.order
        else:
            documented = _scheme(chosen, scheme)
            name = "" if documented is None else documented.name
            settings |= {
                "scheme": "" if documented is None else documented.statement,
                "reversible": bool(reversible),
                "convention": convention,
            }
            kernel = Kernel(
                step,
                vectorised,
                _backend(backend),
                walkers,
                shared,
                unit=_unit(convention, documented),
                meter=meter,
            )
            if step_sizes is not None:
                check_steps(step_sizes)
                step_sizes = [float(h) / kernel.unit for h in step_sizes]
            if documented is not None and documented.momenta != kernel.with_momenta:
                needs = "a step(x, v, ...)" if documented.momenta else "a step without momenta v"
                raise ArgumentError(f"the scheme {documented.name} needs {needs}")
            candidates = _targets(chosen, documented, targets, min_dim)
            if kernel.is_compiled:
                candidates = _compiled(candidates)
            candidates, skipped = _taken(kernel, candidates, step_sizes)
            plan = (
                Plan(**stored["plan"])
                if stored
                else _plan(kernel, chosen, candidates, budget, calls)
            )
            with whole.part(_PILOTS):
                found = places(
                    kernel,
                    candidates[: plan.targets],
                    chosen,
                    step_sizes=step_sizes,
                    rng=np.random.default_rng((seed, 7)),
                    per_target=plan.per_target,
                    pilot=plan.pilot,
                    given=targets is not None,
                )
            skipped |= found.skipped
            skipped |= {
                t.name: "the budget was too small for so many targets"
                for t in candidates[plan.targets :]
            }
            note = kernel.note
            if kernel.unit != 1:
                note = f"{note}; " * bool(note) + "step sizes are told as h; yours is s = 2h"
            subject = Subject(
                kernel=kernel,
                kind=chosen,
                places=found.places,
                scheme=documented,
                reversible=reversible,
                first=plan.first,
                largest=plan.largest,
                # moved and walled images have no formula that numba could compile
                given=targets is not None or kernel.is_compiled,
                given_steps=step_sizes is not None,
                min_dim=min_dim,
                seed=seed,
            )
        if stored and {k: stored.get(k) for k in settings} != settings:
            raise ArgumentError("the stored state is of a call with other settings")
        examination = Examination(subject, alpha, laws)
        if stored:
            examination.resume(stored)
        with whole.part(_WITHOUT_CHANCE):
            examination.settle_without_chance()
        refuted_at_once = examination.refuted
        # after a refutation without chance the others get a short look, to be seen beside it
        part = 0.03 if refuted_at_once else 1.0
        with whole.part(part):
            examination.look(whole.up_to_share(1 - _KEPT) if part == 1.0 else whole.of(part))
        refuted = examination.refuted
        localisation = localise(examination) if refuted and localised else None
        laws_told = examination.reports()
        estimate = ""
        decided = all(law.verdict is not Verdict.UNDECIDED for law in laws_told)
        if isinstance(subject, Subject) and subject.keeps_target and decided and not refuted:
            with whole.part(_ESTIMATE):
                estimate = stationary_error(examination)
    return Report(
        kind=kind,
        scheme=name,
        alpha=alpha,
        laws=laws_told,
        note=note,
        localisation=localisation,
        failing=examination.failing() if refuted else {},
        calls=subject.calls,
        seconds=meter.seconds,
        seed=seed,
        skipped=skipped,
        raised=tuple(dict.fromkeys(examination.ended.values())),
        looked=_looked(subject),
        estimate=estimate,
        needed=examination.still_needed,
        state={**settings, "plan": vars(plan), **examination.state()},
    )


def _looked(subject: Subject | LearnerSubject) -> str:
    """How many coordinates were looked at, where it was not all of them."""
    if isinstance(subject, LearnerSubject):
        return ""
    found = [(t.name, dictionary_of(t, subject.seed).looked) for t in subject.targets]
    part = [f"{seen} of {d} coordinates of {name}" for name, (seen, d) in found if seen < d]
    if not part:
        return ""
    return f"looked at {'; '.join(part)}, drawn by the seed, and at random projections of all"


def _taken(
    kernel: Kernel, targets: Sequence[ExactTarget], step_sizes: Sequence[float] | None
) -> tuple[Sequence[ExactTarget], dict[str, str]]:
    """The layout is found on the first target that the sampler takes; those before are listed."""
    skipped: dict[str, str] = {}
    first: ArgumentError | None = None
    for i, target in enumerate(targets):
        try:
            kernel.examine(target, _first_step(target, step_sizes))
            return targets[i:], skipped
        except ArgumentError as error:
            first = first or error
            skipped[target.name] = "the step raised: " + str(error).splitlines()[-1]
    assert first is not None  # there is a target
    raise first


def _unit(convention: str, scheme: Scheme | None) -> float:
    if convention not in CONVENTIONS:
        raise ArgumentError(f"a convention is one of {', '.join(CONVENTIONS)}, got {convention!r}")
    if convention == "full":
        return 1.0
    if scheme is None or scheme.momenta:
        raise ArgumentError("the half convention is one of overdamped unadjusted schemes")
    return 2.0


def _learner(
    step: Callable[..., Any],
    order: str | Scheme | None,
    seed: int,
    stored: Mapping[str, Any],
    meter: Meter,
) -> tuple[LearnerSubject, Plan]:
    if order is None:
        order = ORDERS[0]
    if order not in ORDERS:
        raise ArgumentError(f"the scheme of a learner is one of {', '.join(ORDERS)}, got {order!r}")
    learner = Learner(step, meter)
    plan = (
        Plan(**stored["plan"]) if stored else Plan(targets=0, per_target=0, first=64, largest=2048)
    )
    subject = LearnerSubject(
        learner=learner, order=str(order), first=plan.first, largest=plan.largest, seed=seed
    )
    return subject, plan


def _kind(kind: str) -> Kind:
    for known in KINDS:
        if kind == known:
            return known
    raise ArgumentError(f"a kind is one of {', '.join(KINDS)}, got {kind!r}")


def _backend(backend: str | None) -> Backend | None:
    if backend is None or backend in BACKENDS:
        return backend
    raise ArgumentError(f"a back end is one of {', '.join(BACKENDS)}, got {backend!r}")


def _scheme(kind: Kind, scheme: str | Scheme | None) -> Scheme | None:
    if kind == "adjusted":
        if scheme is not None:
            raise ArgumentError("an adjusted sampler keeps the target; a scheme is for unadjusted")
        return None
    if kind == "learner":
        return None
    return scheme_of(scheme or ("exact" if kind == "exact-discretisation" else "ula"))


def _targets(
    kind: Kind, scheme: Scheme | None, targets: Sequence[ExactTarget] | None, min_dim: int
) -> Sequence[ExactTarget]:
    if targets is not None:
        wrong = [t for t in targets if not isinstance(t, ExactTarget)]
        if wrong or not targets:
            raise ArgumentError(f"targets are ExactTarget objects, at least one, got {targets!r}")
        if len({t.name for t in targets}) < len(targets):
            raise ArgumentError("targets need different names")
        return list(targets)
    found = [t for t in _usual(scheme) if t.dim >= min_dim]
    if not found:
        raise ArgumentError(f"no default target has {min_dim} dimensions or more: name your own")
    return found


def _usual(scheme: Scheme | None) -> Sequence[ExactTarget]:
    if scheme is None:
        return default_targets()
    if scheme.terms:
        return subsampled_targets()
    if scheme.name in ("exact", "sk-rock"):
        return gaussian_targets()
    usual = default_targets()
    return (*usual[:2], *line_targets(), *usual[2:])


def _compiled(targets: Sequence[ExactTarget]) -> Sequence[ExactTarget]:
    found = [t.compiled() for t in targets if t.formula is not None]
    if not found:
        raise ArgumentError("a step compiled by numba needs targets that are given by a formula")
    return found


def _first_step(target: ExactTarget, step_sizes: Sequence[float] | None) -> float:
    if step_sizes is not None and len(step_sizes):
        return float(step_sizes[0])
    return 0.1 * target.length**2


def _plan(
    kernel: Kernel,
    kind: Kind,
    targets: Sequence[ExactTarget],
    budget: float,
    calls: int | None,
) -> Plan:
    if calls is not None:
        rate, affordable, smallest = 1e6, float(calls), 0.2
    else:
        rate = _rate(kernel, targets[0])
        affordable, smallest = 0.6 * rate * budget, 0.02
    # in steps: five places after one step and one after five, or four places after three and more
    per_target, cost = (5, 12) if kind == "adjusted" else (4, 20)
    # an ensemble is one sample, however many walkers it has
    cost *= kernel.walkers or 1
    wanted = max(2, int(affordable / (SAMPLES * cost)))
    if affordable < SAMPLES * cost:
        per_target = 2
        if "step_size" not in kernel.names:
            wanted = _SPAN  # of one scale each
    number = min(wanted, len(targets))
    first = int(
        2 ** round(math.log2(min(max(smallest * affordable, 16), max(0.05 * rate, 64), 1024)))
    )
    largest = int(2 ** round(math.log2(min(max(0.4 * rate, 128), 2**17))))
    tries = len(GRID) + 2 * per_target
    pilot = int(min(PILOT, 0.5 * _PILOTS * affordable / (number * tries)))
    return Plan(
        targets=number,
        per_target=per_target,
        first=first,
        largest=largest,
        pilot=pilot if pilot >= FEWEST else 0,
    )


def _rate(kernel: Kernel, target: ExactTarget) -> float:
    """Chain steps per second, bets included, to the next power of four: no plan on noise."""
    state = kernel.state_target(target)
    place = Place(target=state, step_size=0.1 * target.length**2)
    subject = Subject(kernel=kernel, kind="adjusted", places=[place])
    trial = invariance.trial(subject, place, 1)
    trial.first = 1
    clock = kernel.meter.clock
    try:
        trial.look(1)  # what is computed once for a target is not counted
        while True:
            began = clock()
            trial.look(1)
            took = clock() - began
            if took > 0.02 or trial.first * subject.group >= 16_384:
                rate = trial.first * subject.group / max(took, 1e-6)
                return float(4.0 ** round(math.log(rate, 4)))
            trial.first *= 4
    except StepError:  # told where it is tried
        return 1e4


def _stored(resume: Mapping[str, Any] | str | Path | None) -> dict[str, Any]:
    if resume is None:
        return {}
    if isinstance(resume, str | Path):
        path = Path(resume)
        try:
            resume = read_sealed(path)
        except FileNotFoundError as error:
            raise ArgumentError(f"no such stored state: {path}") from error
    if isinstance(resume, Mapping) and "state" in resume:
        resume = resume["state"]
    if not isinstance(resume, Mapping) or resume.get("format") != FORMAT:
        raise ArgumentError("a stored state is the ``state`` of an earlier report")
    return dict(resume)
