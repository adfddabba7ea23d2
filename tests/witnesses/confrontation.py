"""Confront a claim as a run does, and check what the house asks of its outcomes."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

from lvebm_theory.theorem import Relation
from verification.claim import BUDGETS
from verification.decide import Verdict
from verification.evaluation import evaluate_cases

from . import oracle

ALPHA = 1e-6
SEED = 20240607
RANDOM = ("numba", "torch")
ONE_SIDED = (Relation.AT_MOST, Relation.AT_LEAST)


def confront(claim, *, settings=None, budget="quick", backend="numba"):
    """(setting, case) -> record, for every planned case of the claim."""
    records = {}
    chosen = claim.settings() if settings is None else settings
    planned = sum(len(claim.cases(setting, backend)) for setting in chosen)
    for setting in chosen:
        cases = sorted(claim.cases(setting, backend), key=lambda c: (c.witness, c.run))
        for _, group in groupby(cases, key=lambda c: (c.witness, c.run)):
            found, _ = evaluate_cases(
                claim,
                setting,
                list(group),
                alpha_at=lambda look: ALPHA * 2.0 ** -(look + 1) / planned,
                seed=SEED,
                budget=BUDGETS[budget],
            )
            records.update({(setting.name, case): record for case, record in found.items()})
    return records


def describe(key, record):
    """One line for a failing assertion."""
    name, case = key
    m = record.outcome.measurement if record.outcome else None
    numbers = (
        f"measured {m.value:.6g} +- {m.statistical:.2g} +- {m.numerical:.2g}, "
        f"bound {record.outcome.bound:.6g}, resolution {record.outcome.resolution:.2g}"
        if m
        else record.extra
    )
    return f"{name} {case}: {record.verdict.value}; {numbers}"


def check(claim, records):
    """The rules of section 5 that can be read off the outcomes of one claim, and the oracle."""
    changed = oracle.differences(claim, records, oracle.load())
    assert not changed, "\n".join(changed)
    true = {key: r for key, r in records.items() if key[1].control is None}
    wrong = [
        describe(key, r)
        for key, r in true.items()
        if r.verdict not in (Verdict.HOLDS, Verdict.NOT_APPLICABLE)
    ]
    assert not wrong, "\n".join(wrong)

    caught = defaultdict(list)
    for key, r in records.items():
        if key[1].control is not None:
            caught[key[1].control].append((r.verdict, describe(key, r)))
    assert caught.keys() == set(claim.controls)
    missed = [
        line
        for lines in caught.values()
        if all(verdict is not Verdict.VIOLATED for verdict, _ in lines)
        for _, line in lines
    ]
    assert not missed, "\n".join(missed)

    holding = {key: r for key, r in true.items() if r.verdict is Verdict.HOLDS}
    if any(t.relation in ONE_SIDED for t in claim.theorems):
        sharp_at = {_place(key) for key in true if key[1].relation not in ONE_SIDED}
        one_sided = {_place(key) for key in holding if key[1].relation in ONE_SIDED}
        assert one_sided - sharp_at, "it holds only where it is an equality"

    if not claim.theorems[0].loose:
        assert any(_discriminates(key, r) for key, r in holding.items()), "nothing discriminates"

    for family in (RANDOM, None):
        sharp = [
            r.sensitivity
            for (_, case), r in holding.items()
            if case.relation in (Relation.EQUAL, Relation.RATE)
            and (case.witness in RANDOM) == (family is RANDOM)
        ]
        if sharp:
            limit = 0.1 if family is RANDOM else 0.01
            assert min(s for s in (*sharp, 9.0) if s is not None) <= limit


def _place(key):
    name, case = key
    return name, case.quantity, case.part, case.witness


def _discriminates(key, record):
    m, case, bound = record.outcome.measurement, key[1], record.outcome.bound
    if abs(m.value) < 10 * m.half_width:
        return False
    if case.relation is Relation.AT_MOST:
        return bound / m.value <= 1.5
    if case.relation is Relation.AT_LEAST:
        return m.value / bound <= 1.5
    return True
