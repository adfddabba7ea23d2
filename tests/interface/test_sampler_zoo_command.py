"""``lvebm zoo``: a table for the reader, JSON alone on standard output, statuses that say it."""

import json

from .conftest import lvebm


def test_a_family_is_examined_and_told_as_json():
    ran = lvebm("zoo", "--family", "gibbs", "--calls", 20000, "--jobs", 1, "--json")
    assert ran.status == 0, ran.err
    kernels = {k["name"]: k for k in json.loads(ran.out)["kernels"]}
    assert kernels["gibbs-simultaneous"]["killed"]
    assert kernels["gibbs-simultaneous"]["law"]
    assert kernels["gibbs-simultaneous"]["first"]
    assert not kernels["gibbs"]["killed"]


def test_the_table_names_kernel_law_and_score():
    ran = lvebm("zoo", "--family", "ula-noise-sqrt-h", "--calls", 100000)
    assert ran.status == 0, ran.err
    assert "one-step law" in ran.out
    assert "1 of 1 bugs killed" in ran.out


def test_a_bug_that_lives_is_undecided():
    ran = lvebm("zoo", "--family", "ula-noise-cut-at-three", "--calls", 1000)
    assert ran.status == 2, ran.err
    assert "alive" in ran.out


def test_an_unknown_family_is_bad_input():
    ran = lvebm("zoo", "--family", "gibs")
    assert ran.status == 3
    assert "did you mean gibbs" in ran.err
    assert "Traceback" not in ran.err
