"""One group of planned cases, from the first look to its findings.

This is the one place where what theory and solvers raise becomes a verdict.
"""

from __future__ import annotations

import errno
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lvebm_theory.constant import Constant, How
from lvebm_theory.errors import AssumptionError, SolverError
from lvebm_theory.theorem import Relation

from .claim import Budget, Case, Claim, Context, NotApplicable, Outcome, Setting
from .decide import Verdict, decide, sensitivity
from .finding import Finding, nothing_compared

if TYPE_CHECKING:
    import xarray

    from .plan import Plan, PlannedCase


# of the resolution of a meeting: the rest is left for the difference of the two values
ROOM = 0.75


@dataclass(kw_only=True)
class CaseRecord:
    """What is known of one case so far."""

    verdict: Verdict = Verdict.UNDECIDED
    outcome: Outcome | None = None
    sensitivity: float | None = None
    settled: bool = False
    coarse: bool = False
    looks: int = 0
    alpha: float = 0.0
    seconds: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

    def fail(self, verdict: Verdict, reason: str, **extra: Any) -> None:
        """Ends the case without a comparison."""
        self.verdict, self.outcome, self.sensitivity = verdict, None, None
        self.coarse = False
        self.extra = {"reason": reason, **extra}

    @property
    def open(self) -> bool:
        """True while a further look may decide the case.

        None can where the bound rests on an ESTIMATED constant, or where the last look measured
        exactly what the one before did (a witness that is not random and refines no further).
        A case that is decided is looked at again while it is too coarse to be met by another
        witness; the last look stands.
        """
        estimated = self.outcome is not None and self.outcome.grade is How.ESTIMATED
        undecided = self.verdict is Verdict.UNDECIDED and not (estimated or self.settled)
        return undecided or self.coarse


def evaluate_cases(
    claim: Claim,
    setting: Setting,
    cases: Sequence[Case],
    *,
    alpha_at: Callable[[int], float],
    seed: int,
    budget: Budget,
    backend: Any = "numba",
    device: str = "cpu",
    met: Mapping[Case, float] = MappingProxyType({}),
) -> tuple[dict[Case, CaseRecord], list[xarray.Dataset]]:
    """Looks at the cases, each time only at those still undecided, until the budget ends.

    Parameters
    ----------
    claim, setting : where the cases are measured
    cases : sequence of Case, all of one witness and run
    alpha_at : callable
        look -> error probability that one case may spend at it.
    met : mapping
        Cases that meet those of another witness -> fraction of the quantity's scale to be told.

    Returns
    -------
    records : dict from case to what is known of it
    datasets : one per look that made one

    Raises
    ------
    OSError, MemoryError
        The machine failed: a full disk, too little memory, a package that does not load. That is
        no verdict.
    """
    records = {case: CaseRecord() for case in cases}
    datasets: list[xarray.Dataset] = []
    for look in range(budget.looks):
        asked = [case for case in cases if records[case].open]
        if not asked:
            break
        context = Context(
            look=look,
            alpha=alpha_at(look),
            seed=seed,
            budget=budget,
            backend=backend,
            device=device,
        )
        begun = time.perf_counter()
        try:
            evidence = claim.evaluate(setting, asked, context)
            for case in asked:
                _settle(records[case], case, evidence.outcomes.get(case))
            if evidence.dataset is not None:
                datasets.append(evidence.dataset)
        except AssumptionError as error:
            for case in asked:
                records[case].fail(Verdict.NOT_APPLICABLE, "; ".join(error.broken))
        except SolverError as error:
            step = None if error.step is None else int(error.step)
            for case in asked:
                records[case].fail(Verdict.SOLVER_FAILED, str(error), step=step)
        except OSError:  # a full disk, say: of the machine, and no verdict
            raise
        except ImportError as error:  # an installation that misses a part: likewise
            missing = f"a package is missing or cannot be loaded: {error}"
            raise OSError(errno.ENOENT, missing, error.name or error.path) from error
        except Exception as error:  # a fault in one claim must not cost the findings of others
            _raise_where_memory_ends(error)
            text = traceback.format_exc()
            for case in asked:
                records[case].fail(Verdict.SOLVER_FAILED, _named(error), traceback=text)
        seconds = time.perf_counter() - begun
        for case in asked:
            records[case].looks = look + 1
            records[case].alpha += context.alpha
            records[case].seconds += seconds / len(asked)
        _coarse(records, met, looks_left=budget.looks - look - 1)
    return records, datasets


def _coarse(records: Mapping[Case, CaseRecord], met: Mapping[Case, float], looks_left: int) -> None:
    """Marks what is too coarse to be met, and can be made fine enough: noise halves at a look.

    The scale of a quantity is its largest value among the cases that are met.
    """
    scale: dict[tuple[str, str], float] = {}
    for case in met:
        outcome = records[case].outcome
        if outcome is not None:
            kin = case.quantity, case.part
            scale[kin] = max(scale.get(kin, 0.0), abs(outcome.measurement.value))
    for case, fraction in met.items():
        record = records[case]
        if record.outcome is not None and record.verdict is not Verdict.VIOLATED:
            m = record.outcome.measurement
            enough = ROOM * fraction * scale[case.quantity, case.part]
            at_best = m.numerical + m.statistical / 2.0**looks_left
            record.coarse = m.half_width > enough >= at_best


def _raise_where_memory_ends(error: Exception) -> None:
    """What says that the machine has too little memory, as MemoryError; torch has its own words."""
    torch = type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)
    if isinstance(error, MemoryError) or (torch and isinstance(error, RuntimeError)):
        raise MemoryError(str(error)) from error


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _settle(record: CaseRecord, case: Case, outcome: Outcome | NotApplicable | None) -> None:
    if outcome is None:
        record.fail(Verdict.SOLVER_FAILED, "the claim returned no outcome for this planned case")
    elif isinstance(outcome, NotApplicable):
        record.fail(Verdict.NOT_APPLICABLE, outcome.reason)
    else:
        try:
            _judge(record, case, outcome)
        except Exception as error:  # a bound that is no number must not cost the other cases
            _raise_where_memory_ends(error)
            record.fail(Verdict.SOLVER_FAILED, _named(error), traceback=traceback.format_exc())


def _judge(record: CaseRecord, case: Case, outcome: Outcome) -> None:
    measured = outcome.measurement
    record.verdict = decide(
        measured, case.relation, outcome.bound, outcome.resolution, grade=outcome.grade
    )
    if outcome.perturbed is not None:
        record.sensitivity = sensitivity(measured, case.relation, outcome.perturbed)
    before = record.outcome
    record.settled = before is not None and before.measurement == measured
    record.outcome, record.extra = outcome, {}


def _number(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else float(x)


def _constant(constant: Constant) -> dict[str, Any]:
    numbers = {k: _number(getattr(constant, k)) for k in ("value", "lower", "upper")}
    return {**numbers, "how": constant.how.value, "source": constant.source}


def _undecided_reason(outcome: Outcome, relation: Relation) -> str:
    if outcome.grade is How.ESTIMATED:
        return "the bound rests on a constant that is only ESTIMATED"
    width = outcome.measurement.half_width
    return (
        f"the interval of half-width {width:.3g} neither contradicts {relation.value} "
        f"{outcome.bound:.6g} nor lies within the resolution {outcome.resolution:.3g} of it"
    )


def finding_of(planned: PlannedCase, record: CaseRecord, provenance: Mapping[str, Any]) -> Finding:
    """The finding of a planned case; ``provenance`` is what its whole group shares."""
    case, outcome = planned.case, record.outcome
    common: dict[str, Any] = {
        "claim": planned.claim,
        "setting": planned.setting,
        "time": case.time,
        "quantity": case.quantity,
        "relation": case.relation.value,
        "verdict": record.verdict,
        "control": case.control,
        "witness": case.witness,
        "seconds": record.seconds,
    }
    own: dict[str, Any] = {
        "run": case.run,
        "part": case.part,
        "looks": record.looks,
        "alpha_spent": record.alpha,
        **record.extra,
    }
    if outcome is None:
        return Finding(**common, **nothing_compared(), provenance={**provenance, **own})
    measured = outcome.measurement
    slack = outcome.bound / measured.value if measured.value != 0.0 else math.nan
    own |= {"grade": outcome.grade.value, "note": outcome.note}
    if outcome.constants:
        own["constants"] = {name: _constant(c) for name, c in outcome.constants.items()}
    if record.verdict is Verdict.UNDECIDED:
        own["reason"] = _undecided_reason(outcome, case.relation)
    return Finding(
        **common,
        measured=_number(measured.value),
        statistical=_number(measured.statistical),
        numerical=_number(measured.numerical),
        confidence=measured.confidence,
        bound=_number(outcome.bound),
        resolution=_number(outcome.resolution),
        slack=_number(slack),
        sensitivity=record.sensitivity,
        provenance={**provenance, **own},
    )


def settled_finding(planned: PlannedCase, provenance: Mapping[str, Any]) -> Finding:
    """The NOT_APPLICABLE finding of a case that was settled while planning."""
    record = CaseRecord()
    record.fail(Verdict.NOT_APPLICABLE, str(planned.settled))
    return finding_of(planned, record, provenance)


def shared_provenance(plan: Plan) -> dict[str, Any]:
    """What every finding of a run says of where it comes from."""
    request = plan.request
    return {
        "version": plan.version,
        "seed": request.seed,
        "budget": request.budget,
        "backend": request.backend,
        "device": request.device,
        "normalisable": request.normalisable,
        "plan": plan.digest,
    }
