"""The zoo keeps its promises: enough kernels of every family, each told where it comes from."""

import re

import pytest

from lvebm_theory.errors import ArgumentError
from verification.samplers.localise import COMPONENTS
from verification.samplers.zoo import entries, written_later
from verification.samplers.zoo.entry import Entry
from verification.samplers.zoo_command import selected, status_of, summary
from verification.summary import Exit

ZOO = entries()
FAMILIES = ("ula", "mala", "hmc", "underdamped", "sk-rock", "sgld", "gibbs", "tempered", "learning")


def test_the_zoo_has_forty_bugs_and_twelve_correct_kernels():
    assert sum(e.to_be_killed for e in ZOO.values()) >= 40
    assert sum(e.correct for e in ZOO.values()) >= 12
    for family in FAMILIES:
        assert any(e.to_be_killed for e in ZOO.values() if e.family == family), family
    assert {e.component for e in ZOO.values() if e.component} == set(COMPONENTS)


def test_bugs_that_were_real_name_a_public_issue():
    real = [e for e in ZOO.values() if re.search(r"\d", e.provenance)]
    assert len({e.provenance for e in real}) >= 15


@pytest.mark.parametrize("name", ZOO)
def test_an_entry_says_what_it_is(name):
    entry = ZOO[name]
    assert re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", name)
    assert callable(entry.make())
    assert bool(entry.fault) == bool(entry.component)
    if entry.equivalent:
        assert entry.bias.startswith("none"), "an equivalent mutant says why it is one"


def test_what_was_written_later_is_known_by_name():
    assert written_later() <= {e.name for e in ZOO.values() if not e.correct}


def test_a_component_is_one_of_those_that_are_guessed():
    with pytest.raises(ArgumentError, match="a component is one of"):
        Entry(name="x", family="ula", make=dict, kind="adjusted", component="weather")


def test_a_family_or_a_name_is_selected():
    assert {e.family for e in selected("gibbs")} == {"gibbs"}
    assert next(e.name for e in selected("mala")) == "mala"
    assert len(selected("hmc-inverted-ratio")) == 1
    assert len(selected(None)) == len(ZOO)
    with pytest.raises(ArgumentError, match="did you mean gibbs"):
        selected("gibs")


def outcome(entry, *, killed):
    from verification.samplers.zoo.examine import Outcome

    return entry, Outcome(
        name=entry.name,
        killed=killed,
        verdict="VIOLATED" if killed else "UNDECIDED",
        law="invariance" if killed else "",
        laws=(),
        calls=1,
        seconds=1.0,
        first=entry.component if killed else "",
        second="",
    )


def test_the_status_counts_false_alarms_before_survivors():
    right, wrong = ZOO["mala"], ZOO["mala-inverted-ratio"]
    same = ZOO["mala-strict-comparison"]
    good = [outcome(right, killed=False), outcome(wrong, killed=True), outcome(same, killed=False)]
    assert status_of(good) is Exit.AGREES
    assert status_of([*good, outcome(wrong, killed=False)]) is Exit.UNDECIDED
    alive = [outcome(wrong, killed=False), outcome(same, killed=True)]
    assert status_of(alive) is Exit.CONTRADICTED
    assert summary(good).startswith("1 of 1 bugs killed; 0 of 2 correct and equivalent")
