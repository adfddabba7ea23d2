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

from ..keeping import read_sealed
from .examination import FORMAT, Examination
from .generate import places
from .kernel import Kernel
from .laws import invariance
from .learner import ORDERS, Learner
from .localise import localise
from .portable import BACKENDS, Backend
from .report import Report
from .schemes import Scheme, scheme_of
from .sequential import check_alpha
from .subject import KINDS, Kind, LearnerSubject, Place, Subject
from .targets.defaults import default_targets, gaussian_targets, line_targets, subsampled_targets
from .targets.exact_target import ExactTarget

# samples that one trial needs for intervals a tenth of a standard deviation wide
_SAMPLES = 9_000
# seconds that a guess at the component has at least
_LOCALISED = 5.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is looked at, from how fast the step is; stored, so that a resumed call agrees.

    Parameters
    ----------
    targets, per_target : int
        Targets, and step sizes for each.
    first, largest : int
        Samples of a first look, and at most of any.
    """

    targets: int
    per_target: int
    first: int
    largest: int


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
    calls: int | None = None,
    laws: Sequence[str] | None = None,
    localised: bool = True,
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
        Seconds; up to a quarter more where a violation is traced to its component.
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
    targets, step_sizes : sequences, optional
        Instead of the usual and the generated ones.
    walkers : int, optional
        Chains that interact, in ensembles of this many.
    calls : int, optional
        Kernel calls at most, in place of the budget: the outcome is then the same on any machine.
    laws : sequence of str, optional
        Names of laws; all by default.
    localised : bool
        Whether a violation is traced to the likely component.

    Returns
    -------
    Report

    Raises
    ------
    ArgumentError
        Unusable arguments, or a step that runs in no layout; before any work starts.
    StepError
        The step raised later on; the message holds its own traceback.
    """
    began = time.perf_counter()
    check_alpha(alpha)
    chosen = _kind(kind)
    if not budget > 0 or (calls is not None and calls < 1):
        raise ArgumentError(f"a budget must be > 0, got {budget} s and {calls} calls")
    settings: dict[str, Any] = {"format": FORMAT, "kind": kind, "alpha": alpha, "seed": seed}
    stored = _stored(resume)
    subject: Subject | LearnerSubject
    if chosen == "learner":
        subject, plan = _learner(step, scheme, seed, stored)
        settings["scheme"] = name = subject.order
    else:
        documented = _scheme(chosen, scheme)
        name = "" if documented is None else documented.name
        settings |= {
            "scheme": "" if documented is None else documented.statement,
            "reversible": bool(reversible),
        }
        kernel = Kernel(step, vectorised, _backend(backend), walkers)
        if documented is not None and documented.momenta != kernel.with_momenta:
            needs = "a step(x, v, ...)" if documented.momenta else "a step without momenta v"
            raise ArgumentError(f"the scheme {documented.name} needs {needs}")
        candidates = _targets(chosen, documented, targets)
        if kernel.is_compiled:
            candidates = _compiled(candidates)
        kernel.examine(candidates[0], _first_step(candidates[0], step_sizes))
        plan = (
            Plan(**stored["plan"]) if stored else _plan(kernel, chosen, candidates, budget, calls)
        )
        subject = Subject(
            kernel=kernel,
            kind=chosen,
            places=places(
                kernel,
                candidates[: plan.targets],
                chosen,
                step_sizes=step_sizes,
                rng=np.random.default_rng((seed, 7)),
                per_target=plan.per_target,
            ),
            scheme=documented,
            reversible=reversible,
            first=plan.first,
            largest=plan.largest,
            # moved and walled images have no formula that numba could compile
            given=targets is not None or kernel.is_compiled,
            seed=seed,
        )
    if stored and {k: stored.get(k) for k in settings} != settings:
        raise ArgumentError("the stored state is of a call with other settings")
    examination = Examination(subject, alpha, laws)
    if stored:
        examination.resume(stored)
    examination.settle_without_chance()
    spent = time.perf_counter() - began
    left = math.inf if calls is not None else max(0.05 * budget, budget - spent)
    # after a refutation without chance the others get a short look, to be seen beside it
    part = 0.03 if examination.refuted else 1.0
    examination.look(seconds=part * left, calls=math.inf if calls is None else part * calls)
    refuted = examination.refuted
    patience = math.inf if calls is not None else max(_LOCALISED, 0.25 * budget)
    return Report(
        kind=kind,
        scheme=name,
        alpha=alpha,
        laws=examination.reports(),
        note="" if isinstance(subject, LearnerSubject) else subject.kernel.note,
        localisation=localise(examination, patience) if refuted and localised else None,
        failing=examination.failing() if refuted else {},
        calls=subject.calls,
        seconds=time.perf_counter() - began,
        seed=seed,
        state={**settings, "plan": vars(plan), **examination.state()},
    )


def _learner(
    step: Callable[..., Any],
    order: str | Scheme | None,
    seed: int,
    stored: Mapping[str, Any],
) -> tuple[LearnerSubject, Plan]:
    if order is None:
        order = ORDERS[0]
    if order not in ORDERS:
        raise ArgumentError(f"the scheme of a learner is one of {', '.join(ORDERS)}, got {order!r}")
    learner = Learner(step)
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
    kind: Kind, scheme: Scheme | None, targets: Sequence[ExactTarget] | None
) -> Sequence[ExactTarget]:
    if targets is not None:
        wrong = [t for t in targets if not isinstance(t, ExactTarget)]
        if wrong or not targets:
            raise ArgumentError(f"targets are ExactTarget objects, at least one, got {targets!r}")
        if len({t.name for t in targets}) < len(targets):
            raise ArgumentError("targets need different names")
        return list(targets)
    if scheme is None:
        return default_targets()
    if scheme.terms:
        return subsampled_targets()
    if scheme.name in ("exact", "sk-rock"):
        return gaussian_targets()
    usual = default_targets()
    # one target of several coordinates among the first five, which a short run has time for
    many = max(usual, key=lambda t: t.dim)
    others = [t for t in usual[3:] if t is not many]
    return (*usual[:2], *line_targets(), usual[2], many, *others)


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
        rate, affordable = 1e6, float(calls)
    else:
        rate = _rate(kernel, kind, targets[0])
        affordable = 0.6 * rate * budget
    # in steps: five places after one step and one after five, or four places after three and more
    per_target, cost = (5, 12) if kind == "adjusted" else (4, 20)
    wanted = max(1, int(affordable / (_SAMPLES * cost)))
    if affordable < _SAMPLES * cost:
        per_target = 2
    first = int(2 ** round(math.log2(min(max(0.05 * rate, 64), 1024))))
    largest = int(2 ** round(math.log2(min(max(0.4 * rate, 128), 2**17))))
    return Plan(
        targets=min(wanted, len(targets)), per_target=per_target, first=first, largest=largest
    )


def _rate(kernel: Kernel, kind: Kind, target: ExactTarget) -> float:
    """Chain steps per second, bets included, to the next power of four: no plan on noise."""
    state = kernel.state_target(target)
    place = Place(target=state, step_size=0.1 * target.length**2)
    subject = Subject(kernel=kernel, kind=kind, places=[place])
    trial = invariance.trial(subject, place, 1)
    trial.first = 16
    trial.look(1)  # what is computed once for a target is not counted
    while True:
        began = time.perf_counter()
        trial.look(1)
        took = time.perf_counter() - began
        if took > 0.02 or trial.first >= 16_384:
            rate = max(trial.first, kernel.walkers or 1) / max(took, 1e-6)
            return float(4.0 ** round(math.log(rate, 4)))
        trial.first *= 4


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
