"""One call for every particle run: time, saving, recording, divergence and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .noise import Noise
from .noise.backends import Real
from .particles.array_engine import ArrayEngine
from .particles.recorders import (
    Histogram,
    Moments,
    Recorder,
    Snapshots,
    TestFunctions,
    step_of,
)
from .particles.scheme import Scheme
from .particles.watch import Watch

Array = npt.NDArray[Any]
Engine = Any
Progress = Callable[[int, int], None]
Backend = Literal["numba", "torch", "triton", "numpy"]

# checks for divergence: soon, since a start too far out explodes at once, then every so many
# steps; the exact step is found by replay
_FIRST_CHECKS, _CHECK_EVERY = (16, 128), 1000
_KEEP_EVERY = 100  # steps, at least, between the copies from which a replay starts


@dataclass(frozen=True, kw_only=True)
class ParticleRun:
    """What a run leaves behind.

    Attributes
    ----------
    times : array (T,)
        Times of the snapshots asked for by ``save_at``.
    snapshots : array (T, n, d)
    records : dict
        One record per recorder, by its name.
    final : array (n, d)
    info : dict
        ``backend``, ``steps``, ``step_size``, ``time``, the mean of every entry of the scheme's
        info (``accepted`` for MALA), and ``note`` where the asked back end could not compile.
    """

    times: npt.NDArray[np.float64]
    snapshots: Array
    records: dict[str, Any]
    final: Array
    info: dict[str, Any] = field(default_factory=dict)


def simulate(
    energy: Energy,
    scheme: Scheme,
    start: InitialLaw | npt.ArrayLike,
    *,
    step_size: float,
    noise: Noise,
    steps: int | None = None,
    time: float | None = None,
    particles: int | None = None,
    recorders: Iterable[Recorder] = (),
    save_at: Sequence[float] = (),
    backend: Backend = "numba",
    dtype: Real = "float64",
    device: str = "cpu",
    threads: int | None = None,
    parameters: npt.ArrayLike | None = None,
    first_step: int = 0,
    progress: Progress | None = None,
) -> ParticleRun:
    """Particles X_{k+1} = step(X_k) from time 0 to the last step.

    Parameters
    ----------
    energy : Energy
    scheme : Scheme
    start : InitialLaw or array (n, d)
        An initial law is drawn from ``noise.derive("start")``.
    step_size : float
        h > 0.
    noise : Noise
        The same noise couples runs synchronously, on every back end.
    steps, time : int or float
        Length of the run, one of the two; ``save_at`` and recorders extend it.
    particles : int, optional
        Needed with an initial law.
    recorders : iterable of Recorder
        ``Moments``, ``TestFunctions``, ``Histogram``, ``Snapshots``.
    save_at : sequence of float
        Times of snapshots, whole numbers of steps.
    backend : {"numba", "torch", "triton", "numpy"}
        An energy without a formula runs on numpy arrays where numba was asked for, and on torch
        tensors where triton was; ``info`` says so. triton makes all steps of a particle in the
        registers of a GPU; it needs the optional extra ``gpu``.
    dtype : {"float64", "float32"}
    device : str
        For torch: "cpu" or "cuda"; for triton: "cuda".
    threads : int, optional
        None means every core for numba and one for torch; the result does not depend on it.
    parameters : array (n_p,) or (n, n_p), optional
        In place of the energy's own, at no compilation; one row per particle if
        two-dimensional.
    first_step : int
        Where on the noise's tape the run begins; a run goes on where another ended.
    progress : callable (done, total), optional

    Returns
    -------
    ParticleRun

    Raises
    ------
    ArgumentError
        Unusable arguments.
    SolverError
        A coordinate stopped being finite; carries the step and the last finite ensemble (n, d).
    """
    recorders = tuple(recorders)
    _validate(energy, step_size, backend, dtype, device, recorders)
    total = _length(steps, time, save_at, recorders, step_size)
    x = _start(energy, start, particles, noise)
    engine, note = _engine(
        energy, scheme, backend, noise, step_size, dtype, device, threads, parameters
    )
    try:
        return _run(
            engine, x, total, step_size, recorders, save_at, first_step, progress, scheme, note
        )
    finally:
        engine.close()


def _checks(total: int) -> list[int]:
    return [s for s in (*_FIRST_CHECKS, *range(0, total, _CHECK_EVERY)) if s < total]


def _run(
    engine: Engine,
    x: Array,
    total: int,
    step_size: float,
    recorders: tuple[Recorder, ...],
    save_at: Sequence[float],
    first_step: int,
    progress: Progress | None,
    scheme: Scheme,
    note: str | None,
) -> ParticleRun:
    ids = np.arange(len(x), dtype=np.int64)
    ensemble = engine.begin(x, ids)
    saves = sorted({step_of(float(t), step_size, "the time to save at") for t in save_at})
    watch = Watch(engine, recorders, total, step_size, len(x))
    snapshots: list[Array] = []
    infos: dict[str, float] = {}
    before, kept = ensemble, 0
    events = sorted({0, total, *saves, *watch.stops, *_checks(total)})
    for k, step in enumerate(events):
        watch.look(ensemble, step)
        if step in saves:
            snapshots.append(engine.positions(ensemble))
        if progress is not None:
            progress(step, total)
        if k + 1 == len(events):
            break
        if k == 0 or step - kept >= _KEEP_EVERY:
            before, kept = ensemble.copy(), step
        high = first_step + events[k + 1]
        info = watch.advance(ensemble, step, events[k + 1], first_step)
        if info.pop("not finite"):
            raise _diverged(engine, before, first_step + kept, high, first_step, scheme)
        for name, value in info.items():
            infos[name] = infos.get(name, 0.0) + value
    scale = 1.0 / max(1, total * len(x))
    return ParticleRun(
        times=np.array([s * step_size for s in saves]),
        snapshots=np.array(snapshots).reshape(len(saves), *x.shape),
        records=watch.records(ensemble),
        final=engine.positions(ensemble),
        info={
            "backend": engine.backend,
            "scheme": scheme.name,
            "steps": total,
            "step_size": step_size,
            "time": total * step_size,
            **({} if note is None else {"note": note}),
            **{name: value * scale for name, value in infos.items()},
        },
    )


def _diverged(
    engine: Engine, before: Any, low: int, high: int, first_step: int, scheme: Scheme
) -> SolverError:
    """Replay from the last good ensemble to the first step that leaves the finite numbers."""
    good, bad = low, high
    while bad - good > 1:
        middle = (good + bad) // 2
        trial = before.copy()
        if engine.advance(trial, good, middle)["not finite"]:
            bad = middle
        else:
            before, good = trial, middle
    return SolverError(
        f"{scheme.name} diverged: a coordinate stopped being finite",
        step=bad - first_step,
        last_state=engine.positions(before),
    )


def _validate(
    energy: Energy,
    step_size: float,
    backend: str,
    dtype: str,
    device: str,
    recorders: tuple[Recorder, ...],
) -> None:
    if not (np.isfinite(step_size) and step_size > 0):
        raise ArgumentError(f"the step size needs to be positive and finite, got {step_size}")
    if backend not in ("numba", "torch", "triton", "numpy"):
        raise ArgumentError(f"a back end is triton, numba, torch or numpy, got {backend!r}")
    if dtype not in ("float64", "float32"):
        raise ArgumentError(f"particles are float64 or float32, got {dtype!r}")
    if backend not in ("torch", "triton") and device != "cpu":
        raise ArgumentError(f"{backend} runs on the CPU only; ask for backend='torch' on {device}")
    if backend == "triton":
        _validate_triton(device)
    if backend in ("torch", "triton"):
        import torch

        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ArgumentError(f"the device {device!r} was asked for, and torch sees no GPU")
    if any(not isinstance(r, Moments | TestFunctions | Histogram | Snapshots) for r in recorders):
        raise ArgumentError("recorders are Moments, TestFunctions, Histogram or Snapshots")
    names = [r.name for r in recorders]
    if len(set(names)) != len(names):
        raise ArgumentError(f"recorders need distinct names, got {names}")
    for r in recorders:
        if isinstance(r, Histogram) and not all(0 <= a < energy.dim for a in r.axes):
            raise ArgumentError(
                f"a histogram's axes are coordinates 0 to {energy.dim - 1}, got {r.axes}"
            )


def _validate_triton(device: str) -> None:
    from .particles.triton_engine import installed, interpreted

    if not installed():
        raise ArgumentError("the back end triton needs the optional extra: lvebm-theory[gpu]")
    if not device.startswith("cuda") and not interpreted():
        raise ArgumentError(
            f"triton runs on a GPU: ask for device='cuda', not {device!r} "
            "(its interpreter, TRITON_INTERPRET=1, runs on 'cpu')"
        )


def _length(
    steps: int | None,
    time: float | None,
    save_at: Sequence[float],
    recorders: tuple[Recorder, ...],
    step_size: float,
) -> int:
    if steps is not None and time is not None:
        raise ArgumentError("the length of a run is given by steps or by time, not both")
    given = [step_of(float(t), step_size, "the time to save at") for t in save_at]
    for r in recorders:
        given += [step_of(float(t), step_size, "the time") for t in r.when.times or ()]
    if steps is not None:
        given.append(int(steps))
    if time is not None:
        given.append(step_of(float(time), step_size, "the time"))
    if not given or min(given) < 0:
        raise ArgumentError("a run needs its length: steps=, time=, or times to save or record at")
    return max(given)


def _start(
    energy: Energy, start: InitialLaw | npt.ArrayLike, particles: int | None, noise: Noise
) -> Array:
    if isinstance(start, InitialLaw):
        if particles is None or particles < 1:
            raise ArgumentError(f"an initial law needs particles >= 1, got {particles}")
        own = noise.derive("start")
        x = start.push_normals(
            own.uniforms(particles, 0, backend="numba")[:, 0],
            own.normals(particles, 0, start.dim, backend="numba"),
        )
    else:
        x = np.asarray(start)
        if x.ndim != 2 or len(x) == 0 or (particles is not None and particles != len(x)):
            raise ArgumentError(
                f"starting particles need shape (n, d) with n = {particles or 'at least 1'}, "
                f"got {x.shape}"
            )
    if x.shape[1] != energy.dim:
        raise ArgumentError(f"{energy.name} has dimension {energy.dim}, the start has {x.shape[1]}")
    if not np.all(np.isfinite(x)):
        raise ArgumentError("starting particles need finite coordinates")
    return x


def _engine(
    energy: Energy,
    scheme: Scheme,
    backend: Backend,
    noise: Noise,
    step_size: float,
    dtype: Real,
    device: str,
    threads: int | None,
    parameters: npt.ArrayLike | None,
) -> tuple[Engine, str | None]:
    """The engine, and a note where it is not the one asked for."""
    if backend == "numba" and energy.source("numba") is not None:
        from .particles.numba_engine import NumbaEngine

        engine = NumbaEngine(
            energy,
            scheme,
            noise=noise,
            step_size=step_size,
            dtype=dtype,
            threads=threads,
            parameters=parameters,
        )
        return engine, None
    note = None
    if backend == "triton":
        from .particles.triton_engine import TritonEngine, straight_source

        if straight_source(energy) is not None:
            fused = TritonEngine(
                energy,
                scheme,
                noise=noise,
                step_size=step_size,
                dtype=dtype,
                device=device,
                parameters=parameters,
            )
            return fused, None
        note = f"{energy.name} has no formula for Triton's loops; ran on torch tensors"
    kind: Literal["numpy", "torch"] = "torch" if backend in ("torch", "triton") else "numpy"
    if backend == "numba":
        note = f"{energy.name} has no formula to compile; ran on numpy arrays"
    elif backend == "torch" and energy.source("torch") is None:
        note = f"{energy.name} has no torch formula; its gradient ran through numpy"
    return (
        ArrayEngine(
            energy,
            scheme,
            backend=kind,
            noise=noise,
            step_size=step_size,
            dtype=dtype,
            device=device,
            threads=threads,
            parameters=parameters,
        ),
        note,
    )
