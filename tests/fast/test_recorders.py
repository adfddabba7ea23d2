"""Recorders: what they remember is what the whole ensemble would have said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.energies.bottleneck import bottleneck
from lvebm_theory.errors import ArgumentError
from solvers.evolve import ParticleRun, simulate
from solvers.noise import Noise
from solvers.particles import Histogram, Moments, Snapshots, TestFunctions, mala, ula, watch
from solvers.particles.language import cos, exp, maximum
from solvers.particles.numba_watch import Watched
from solvers.particles.record_kernel import neumaier
from solvers.particles.records import Sums, finish

torch = pytest.importorskip("torch")
BACKENDS = [("numba", "cpu"), ("numpy", "cpu"), ("torch", "cpu")]
if torch.cuda.is_available():
    BACKENDS.append(("torch", "cuda"))

N = 1500  # not a whole number of blocks
TIMES = np.arange(0, 13, 3) * 0.01


def run(*recorders: Any, scheme: Any = ula, **options: Any) -> ParticleRun:
    x = Noise(1).normals(N, 0, 2)
    defaults: dict[str, Any] = {"step_size": 0.01, "steps": 12, "noise": Noise(2)}
    return simulate(bottleneck().joint(), scheme, x, recorders=recorders, **(defaults | options))


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return run(Snapshots(every=3)).records["snapshots"].positions


def test_snapshots_and_saves_agree(whole: np.ndarray) -> None:
    saved = run(save_at=[0.12, 0.03, 0.0])
    assert np.array_equal(saved.times, [0.0, 0.03, 0.12])
    assert np.array_equal(saved.snapshots, whole[[0, 1, 4]])
    assert np.array_equal(saved.final, whole[4])
    assert np.array_equal(whole[0], Noise(1).normals(N, 0, 2))


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize("scheme", [ula, mala], ids=lambda s: s.name)
def test_moments_are_those_of_the_ensemble(backend: Any, device: str, scheme: Any) -> None:
    result = run(
        Moments(every=3), Snapshots(every=3), scheme=scheme, backend=backend, device=device
    )
    record, x = result.records["moments"], result.records["snapshots"].positions
    assert np.allclose(record.times, TIMES, atol=1e-15)
    assert np.allclose(record.position, x.mean(axis=1), rtol=1e-13, atol=1e-15)
    for t in range(len(TIMES)):
        assert np.allclose(record.covariance[t], np.cov(x[t].T, bias=True), rtol=1e-12, atol=1e-14)
    assert np.allclose(
        record.standard_error[:, :2], x.std(axis=1, ddof=1) / math.sqrt(N), rtol=1e-11
    )


def test_moments_without_cross_terms_leave_them_unknown() -> None:
    covariance = run(Moments(every=12, cross=False)).records["moments"].covariance
    assert np.all(np.isnan(covariance[:, 0, 1]))
    assert np.all(np.isfinite(covariance[:, 0, 0]))


FUNCTIONS = {
    "both": lambda x: cos(x[0]) * exp(-(x[1] ** 2)),
    "larger": lambda x: maximum(x[0], x[1]),
    "one": lambda x: 1.0,
}


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_test_functions_are_means_over_the_ensemble(
    backend: Any, device: str, whole: np.ndarray
) -> None:
    recorder = TestFunctions(functions=FUNCTIONS, every=3)
    record = run(recorder, backend=backend, device=device).records["functions"]
    x = whole.transpose(2, 0, 1)
    expected = {
        "both": np.cos(x[0]) * np.exp(-(x[1] ** 2)),
        "larger": np.maximum(x[0], x[1]),
        "one": np.ones_like(x[0]),
    }
    for name, values in expected.items():
        assert np.allclose(record.of(name), values.mean(axis=1), rtol=1e-12)
        column = record.names.index(name)
        assert np.allclose(record.variance[:, column], values.var(axis=1, ddof=1), atol=1e-12)


def test_numpy_functions_of_the_same_names_are_compiled() -> None:
    ours = {"f": lambda x: maximum(cos(x[0]), exp(-x[1]))}
    numpys = {"f": lambda x: np.maximum(np.cos(x[0]), np.exp(-x[1]))}
    results = [
        run(TestFunctions(functions=f, every=4)).records["functions"] for f in (ours, numpys)
    ]
    assert np.array_equal(results[0].mean, results[1].mean)


def test_functions_that_cannot_be_compiled_are_called_on_arrays(whole: np.ndarray) -> None:
    def rank(x: Any) -> Any:
        return np.arctan(x[0]) + np.sort(x[1]).mean()

    record = run(TestFunctions(functions={"rank": rank}, every=3)).records["functions"]
    expected = [(np.arctan(x[:, 0]) + x[:, 1].mean()).mean() for x in whole]
    assert np.allclose(record.of("rank"), expected, rtol=1e-12)


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_averages_over_time_come_with_the_error_of_independent_groups(
    backend: Any, device: str, whole: np.ndarray
) -> None:
    record = run(
        Moments(every=3, after=0.06, over_time=True), backend=backend, device=device
    ).records["moments"]
    groups = whole[2:].mean(axis=0)[: N // 256 * 256]
    means = groups.reshape(-1, 256, 2).mean(axis=1)
    assert record.count == len(means)
    assert np.allclose(record.mean[0, :2], means.mean(axis=0), rtol=1e-12)
    expected = means.std(axis=0, ddof=1) / math.sqrt(len(means))
    assert np.allclose(record.standard_error[0, :2], expected, rtol=1e-9)


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_histograms_count_every_particle_once(backend: Any, device: str, whole: np.ndarray) -> None:
    recorder = Histogram(edges=((-1.0, 1.5, 10), (-2.0, 2.0, 7)), axes=(1, 0), every=3)
    record = run(recorder, backend=backend, device=device).records["histogram"]
    for t, x in enumerate(whole):
        expected, _ = np.histogramdd(x[:, [1, 0]], bins=record.edges)
        assert np.array_equal(record.counts[t], expected)
    assert np.all(record.counts.sum(axis=(1, 2)) + record.outside == N)
    assert record.outside.min() > 0
    assert np.allclose(record.masses.sum(axis=(1, 2)) + record.outside / N, 1.0)


def test_records_do_not_depend_on_threads_or_progress_chunks() -> None:
    recorders = (Moments(every=1), Histogram(edges=((-2.0, 2.0, 9),), every=2))
    one, two = (run(*recorders, threads=t).records for t in (1, 2))
    assert np.array_equal(one["moments"].mean, two["moments"].mean)
    assert np.array_equal(one["histogram"].counts, two["histogram"].counts)


def test_sums_taken_inside_the_loop_are_those_taken_between_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorders = (
        Moments(every=1, after=0.05),
        TestFunctions(functions=FUNCTIONS, every=2),
        Moments(every=3, over_time=True, name="average"),
        Histogram(edges=((-2.0, 2.0, 9),), every=50),
    )
    options: dict[str, Any] = {"steps": 301, "scheme": mala, "first_step": 5}
    inside = run(*recorders, **options)
    monkeypatch.setattr(watch, "_DENSE", 10**9)
    between = run(*recorders, Snapshots(every=1), **options)
    for name in ("moments", "functions", "average"):
        one, two = inside.records[name], between.records[name]
        assert np.array_equal(one.times, two.times)
        assert np.array_equal(one.mean, two.mean)
        assert np.array_equal(one.second, two.second)
    assert np.array_equal(inside.final, between.final)
    assert inside.info["accepted"] == pytest.approx(between.info["accepted"], rel=1e-12)
    positions = between.records["snapshots"].positions
    assert np.allclose(inside.records["moments"].position, positions[5:].mean(axis=1), atol=1e-14)


COUNTED = (
    Histogram(edges=((-2.0, 2.0, 9),), every=1, name="line"),
    Histogram(edges=((-1.0, 1.5, 10), (-2.0, 2.0, 7)), axes=(1, 0), every=3, name="plane"),
    Histogram(edges=((-0.5, 0.5, 5),), axes=(1,), every=2, after=0.3, over_time=True, name="sum"),
)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_counts_taken_inside_the_loop_are_those_of_the_ensembles(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_calls: list[int] = []
    look = watch.Watch.look

    def looked(self: Any, ensemble: Any, step: int) -> None:
        between_calls.append(step)
        look(self, ensemble, step)

    monkeypatch.setattr(watch.Watch, "look", looked)
    recorders = (Moments(every=1), *COUNTED)
    options: dict[str, Any] = {"steps": 301, "scheme": mala, "first_step": 5, "threads": threads}
    inside = run(*recorders, **options)
    assert len(between_calls) < 20  # else nothing was counted inside
    monkeypatch.setattr(watch, "_DENSE", 10**9)
    between = run(*recorders, Snapshots(every=1), **options)
    assert np.array_equal(inside.final, between.final)
    assert np.array_equal(inside.records["moments"].mean, between.records["moments"].mean)
    whole = between.records["snapshots"].positions
    for recorder in COUNTED:
        one, two = inside.records[recorder.name], between.records[recorder.name]
        assert np.array_equal(one.times, two.times)
        assert np.array_equal(one.counts, two.counts)
        assert np.array_equal(one.outside, two.outside)
        steps = recorder.when.steps(301, 0.01)
        expected = np.array(
            [np.histogramdd(whole[s][:, list(recorder.axes)], bins=one.edges)[0] for s in steps]
        )
        if recorder.over_time:
            expected = expected.sum(axis=0, keepdims=True)
        assert np.array_equal(one.counts, expected)
        assert one.counts.sum() + one.outside.sum() == N * len(steps)
        assert one.outside.max() > 0


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_counts_over_time_are_one_row_on_every_back_end(backend: Any, device: str) -> None:
    edges = ((-2.0, 2.0, 9),)
    record, rows = (
        run(Histogram(edges=edges, every=1, over_time=o), backend=backend, device=device).records[
            "histogram"
        ]
        for o in (True, False)
    )
    assert np.array_equal(record.counts[0], rows.counts.sum(axis=0))
    assert record.outside[0] == rows.outside.sum()
    assert np.array_equal(record.times, rows.times[-1:])
    assert record.masses.sum() + record.outside[0] / (13 * N) == pytest.approx(1.0, rel=1e-14)


def test_long_runs_need_no_room_for_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    count = Watched.count

    def counted(self: Any, histograms: Any, steps: int) -> None:
        count(self, histograms, steps)
        held.append(sum(c.counts.nbytes for c in self.counted))

    monkeypatch.setattr(Watched, "count", counted)
    recorder = Histogram(edges=((-2.0, 2.0, 400),), every=1, over_time=True)
    record = run(recorder, steps=3000).records["histogram"]
    assert max(held) == 401 * 8
    assert record.counts.shape == (1, 400)
    assert record.counts.sum() + record.outside.sum() == 3001 * N


def test_sums_inside_the_loop_survive_a_change_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(Moments(every=1), steps=150)
    monkeypatch.setattr(watch, "_ROOM", 1)  # one slot: a call per observation
    pieces = run(Moments(every=1), steps=150)
    assert np.array_equal(whole.records["moments"].mean, pieces.records["moments"].mean)


def test_recorders_change_nothing_in_the_run(whole: np.ndarray) -> None:
    result = run(Moments(every=1), Histogram(edges=((-2.0, 2.0, 9),), times=[0.05]), scheme=ula)
    assert np.array_equal(result.final, whole[-1])


def test_energies_without_a_formula_are_recorded_too() -> None:
    plain = CallableEnergy(
        name="bowl",
        dim=2,
        potential_function=lambda x: 0.5 * (x**2).sum(axis=1),
        gradient_function=lambda x: x,
    )
    x = Noise(1).normals(N, 0, 2)
    result = simulate(
        plain, ula, x, step_size=0.1, steps=4, noise=Noise(2), recorders=[Moments(every=4)]
    )
    assert np.allclose(result.records["moments"].position[-1], result.final.mean(axis=0))


def test_compensated_sums_keep_what_plain_sums_lose() -> None:
    rng = np.random.default_rng(0)
    terms = rng.normal(size=(4001, 2)) * 10.0 ** rng.integers(-8, 9, size=(4001, 2))
    terms = np.concatenate([terms, -terms[::-1], np.full((1, 2), 1e-7)])
    exact = np.array([math.fsum(column) for column in terms.T])
    assert np.allclose(neumaier(terms), exact, rtol=1e-9, atol=0)
    assert not np.allclose(terms.sum(axis=0), exact, rtol=1e-9, atol=0)


def test_running_sums_keep_what_plain_sums_lose() -> None:
    sums = Sums(Moments(every=1, over_time=True), dim=1, count=10)
    for value in (1.0, 1e17, 1.0, -1e17):
        sums.add(np.full((1, 2, 2), value))
    record = finish(sums, np.arange(4.0), np.array([10]))
    assert record.mean[0, 0] == 2.0 / (10 * 4)


def test_long_averages_lose_no_digits() -> None:
    """A constant recorded 20,000 times comes back to the last place."""
    x = np.full((300, 1), 0.1)
    still = CallableEnergy(
        name="flat",
        dim=1,
        potential_function=lambda x: 0.0 * x[:, 0],
        gradient_function=lambda x: 0.0 * x,
    )
    frozen = type(ula)(
        name="frozen",
        step=lambda s, e, h, d: ({"x": 1.0 * s["x"]}, {}),
        weak_order=1.0,
        strong_order=1.0,
        reference="none",
    )
    recorder = Moments(every=1, over_time=True)
    result = simulate(
        still, frozen, x, step_size=1.0, steps=20_000, noise=Noise(0), recorders=[recorder]
    )
    assert result.records["moments"].mean[0, 0] == pytest.approx(0.1, rel=4e-16)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: [Moments()], "either"),
        (lambda: [Moments(every=2, times=[0.1])], "either"),
        (lambda: [Moments(every=0)], "at least 1"),
        (lambda: [Moments(times=[0.015])], "whole number"),
        (lambda: [Moments(every=2), Moments(every=3)], "distinct names"),
        (lambda: ["moments"], "recorders are"),
        (lambda: [Histogram(edges=((0.0, 0.0, 5),), every=1)], "low < high"),
        (lambda: [Histogram(edges=((0.0, 1.0, 5),), axes=(0, 1), every=1)], "per axis"),
        (lambda: [Histogram(edges=((0.0, 1.0, 5),), axes=(2,), every=1)], "coordinate"),
    ],
)
def test_unusable_recorders_are_refused(make: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        run(*make())


def test_times_to_record_extend_the_run() -> None:
    result = run(Moments(times=[0.2]), steps=5)
    assert result.info["steps"] == 20
    assert result.records["moments"].times == pytest.approx([0.2])
