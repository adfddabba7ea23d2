"""What a reader sees: worst first, words where there is no number, and what to do next."""

import math

import pytest

from lvebm_theory.errors import ArgumentError
from verification.decide import Verdict
from verification.samplers import check_sampler
from verification.samplers.command import _going_on, show
from verification.samplers.power import PowerCard
from verification.samplers.report import LawReport, Report, rounded_up

CARD = PowerCard(samples=900, effect=0.02, of_mean=0.05, of_variance=None, steps=5)


def law(name, verdict, **more):
    return LawReport(name=name, statement="so it is", verdict=verdict, detail=f"of {name}", **more)


def report(*laws):
    return Report(
        kind="adjusted", scheme="", alpha=1e-6, laws=laws, calls=12_345, seconds=1.0, seed=0
    )


NEVER_LOOKED_AT = law("tides", Verdict.UNDECIDED, within=math.inf, evidence=0.0, threshold=15.0)
HALF = law("winds", Verdict.UNDECIDED, within=0.3, evidence=0.0, threshold=15.0, power=CARD)
GOOD = law("stars", Verdict.HOLDS, within=0.05, evidence=0.0, threshold=15.0, power=CARD)
LEFT_OUT = law("moons", Verdict.NOT_APPLICABLE)
BROKEN = law("stones", Verdict.VIOLATED, within=math.inf, where="a normal")


def shown(capsys, *laws, going_on="--more"):
    show(report(*laws), going_on)
    return capsys.readouterr().out


def test_worst_comes_first_and_nothing_is_infinite_in_plain_text(capsys):
    text = shown(capsys, LEFT_OUT, GOOD, NEVER_LOOKED_AT, HALF, BROKEN)
    places = [text.index(word) for word in ("VIOLATED", "UNDECIDED", "HOLDS", "NOT_APPLICABLE")]
    assert places == sorted(places)
    for spoken in (text, str(report(LEFT_OUT, GOOD, NEVER_LOOKED_AT, HALF, BROKEN))):
        assert "inf" not in spoken
        assert "not looked at yet" in spoken
        assert spoken.index("stones") < spoken.index("winds") < spoken.index("stars")


def test_the_last_line_says_what_to_do_when_something_is_undecided(capsys):
    # (0.3/0.1)^2 times the cost and a fifth more
    text = " ".join(shown(capsys, HALF, GOOD, going_on="--budget 330").split())
    assert "1 of 2 laws were looked at too little" in text
    assert "11 times the cost" in text
    assert text.endswith("--budget 330")
    assert "resume=report.state" in str(report(HALF, GOOD))


def test_after_a_violation_nobody_is_told_to_go_on(capsys):
    text = shown(capsys, BROKEN, HALF)
    assert "--more" not in text
    assert "stopped at the first violation" in text
    assert "resume" not in str(report(BROKEN, HALF))


def test_nothing_is_advised_when_all_is_decided(capsys):
    text = shown(capsys, GOOD, LEFT_OUT)
    assert "--more" not in text
    assert report(GOOD, LEFT_OUT).what_next == ""


@pytest.mark.parametrize(
    ("out", "calls", "said"),
    [
        (None, None, ("--budget 330", "--out FILE")),
        (None, 1000, ("--calls 11000",)),
        # what is stored need not be looked at again
        ("first.json", None, ("--budget 300", "--resume first.json")),
    ],
)
def test_how_to_go_on_counts_what_was_stored(out, calls, said):
    told = _going_on(30.0, calls, out, 11.0)
    assert all(part in told for part in said)


def test_upper_bounds_are_rounded_up():
    assert [rounded_up(x) for x in (0.1003, 0.1, 0.0472, 1.01, 0.0)] == [
        "0.11",
        "0.1",
        "0.048",
        "1.1",
        "0",
    ]


def test_the_power_card_names_its_steps_and_leaves_out_what_it_cannot_say():
    assert CARD.text == "mean by 0.05 sd in 5 steps (900 samples)"
    none = PowerCard(samples=10, effect=None)
    assert "nothing can be said" in none.text


def nothing(x, energy, step_size, rng):
    """Forgets to return."""


def number_of_chains(x, energy, step_size, rng):
    return x.sum(axis=1)


def half(x, energy, step_size, rng):
    return x[: len(x) // 2]


def other_names(position, model):
    return position


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (nothing, "no numbers but a NoneType"),
        (number_of_chains, r"shape \(7, 2\) and returned \(7,\)"),
        (half, r"shape \(7, 2\) and returned \(3, 2\)"),
        (other_names, r"step\(x, energy, step_size, rng\); it asks for 'position'"),
        (lambda: 0, "takes nothing"),
    ],
)
def test_a_step_that_cannot_be_used_is_told_what_was_required_and_what_came(step, said):
    with pytest.raises(ArgumentError, match=said) as caught:
        check_sampler(step, calls=1000)
    assert "Traceback" not in str(caught.value)


def test_a_library_that_a_step_imports_itself_is_found(monkeypatch):
    torch = pytest.importorskip("torch")
    import sys

    monkeypatch.delitem(sys.modules, "torch")

    def step(x, energy, step_size, rng):
        sys.modules["torch"] = torch
        return x + 0.1 * torch.randn(x.shape, generator=rng, dtype=x.dtype)

    from verification.samplers.kernel import Kernel
    from verification.samplers.targets.gaussians import gaussian

    kernel = Kernel(step)
    kernel.examine(gaussian([[1.0]]), 0.1)
    assert kernel.caller.backend == "torch"


def test_a_step_that_loses_every_chain_is_said_to():
    lost = check_sampler(lambda x, energy, step_size, rng: x * math.nan, calls=1000)
    assert lost.verdict is Verdict.VIOLATED
    assert "NaN or infinity for every chain" in lost.note
