"""What worker processes do of a stored plan: groups, constants, and gathered claims."""

from __future__ import annotations

import contextlib
import gc
import warnings
from functools import cache
from typing import Any

from .claim import Case, Setting
from .constant_contradicted import contradictable
from .evaluation import evaluate_cases, finding_of, shared_provenance
from .plan import Group, Plan
from .request import setting_of, subject_of
from .store import Folder

CONSTANTS = -1
# a group by its index, a claim to be gathered by its name
Task = int | str


@cache
def _stored_plan(folder: str) -> tuple[Plan, tuple[Group, ...]]:
    plan = Folder(folder).plan()
    return plan, plan.groups


def work(folder: str, task: Task) -> None:
    """Measures one group of the plan stored in a folder, or gathers one claim, and stores that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan, groups = _stored_plan(folder)
        if isinstance(task, str):
            from .gather import gather

            gather(Folder(folder), plan, task)
        elif task == CONSTANTS:
            _find_constants(Folder(folder), plan)
        else:
            _measure(Folder(folder), plan, groups[task])
    # what is left is kept for later groups: their collections need not look through it again
    gc.collect()
    gc.freeze()


def _measure(folder: Folder, plan: Plan, group: Group) -> None:
    from .discovery import claims

    request = plan.request
    provenance = shared_provenance(plan)
    claim = claims(request.package)[group.claim]
    setting = setting_of(request, group.claim, group.setting, of_user=group.of_user)
    records, datasets = evaluate_cases(
        claim,
        setting,
        [planned.case for planned in group.cases],
        alpha_at=plan.alpha_at,
        seed=request.seed,
        budget=request.spending,
        backend=request.backend,
        device=request.device,
        met=met_in(plan, group),
    )
    provenance |= _provenance_of(setting)
    findings = [finding_of(c, records[c.case], provenance) for c in group.cases]
    folder.write_piece(plan, group, findings, datasets)


def met_in(plan: Plan, group: Group) -> dict[Case, float]:
    """Cases of a group that meet another witness -> fraction of the scale to be told.

    Only on the user's energy, which the run is about: at the catalogue's settings the budget is
    sized for the claims, and what is too coarse for a meeting is said to be so.
    """
    if not group.of_user:
        return {}
    here = (group.claim, group.setting, group.of_user)
    sides = [
        (side, meeting.fraction)
        for meeting in plan.meetings
        if (meeting.claim, meeting.setting, meeting.of_user) == here and meeting.control is None
        for side in (meeting.first, meeting.second)
    ]
    cases = {planned.case for planned in group.cases}
    return {side: fraction for side, fraction in sides if side in cases}


def _provenance_of(setting: Setting) -> dict[str, Any]:
    """The energy of a setting, and its start, as text."""
    parameters = {k: float(v) for k, v in setting.subject.parameters.items()}
    start = None if setting.start is None else str(setting.start)
    return {"energy": setting.subject.name, "parameters": parameters, "start": start}


def _find_constants(folder: Folder, plan: Plan) -> None:
    """Those of the user's energy, and the bound from above by normal laws where it could tell."""
    from lvebm_theory.constants import constants_of
    from lvebm_theory.errors import LvebmError
    from lvebm_theory.protocols import JointEnergy

    from .normal_laws import least_over_normal_laws

    subject = subject_of(plan.request)
    energy = subject.joint() if isinstance(subject, JointEnergy) else subject
    constants = constants_of(energy).as_json()
    found = None
    if plan.above and contradictable(constants.get("log_sobolev")):
        with contextlib.suppress(LvebmError):
            found = least_over_normal_laws(energy)
    above = None
    if found is not None:
        law, measured = found
        above = {"law": str(law), "value": measured.value, "numerical": measured.numerical}
    folder.write_constants(plan, constants, above)
