"""A user's sampler behind one face, whatever its arrays and layout; every chain step is counted."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, LvebmError

from .arguments import arguments_of
from .callers import Caller, Layout, Noise
from .meter import Meter, OutOfTime
from .portable import Backend, arrays
from .targets.exact_target import ExactTarget
from .targets.maps import with_momenta

_OURS = str(Path(__file__).parent)
# an odd number of chains, so that a broadcast against d cannot pass for a chain axis
_PROBE = 7
#: chains of a call that share something on purpose
SHARING = 16


class StepError(LvebmError, RuntimeError):
    """The step raised; the message holds the step's own traceback."""


def told(error: BaseException) -> str:
    """What an exception inside a step says, from the step's first frame on."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, f in enumerate(frames) if not f.filename.startswith(_OURS)), 0)
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[first:])]
    return "".join(lines + traceback.format_exception_only(error)).rstrip()


@dataclass
class Kernel:
    """One step of a sampler, as the laws call it.

    Parameters
    ----------
    step : callable
        Takes arguments named as in ``arguments.WORDS``, x first, and returns x' or (x', info);
        with momenta v it returns (x', v') or (x', v', info).
    vectorised : bool or None
        Whether x is (n, d), all chains at once; None finds out.
    backend : {"numpy", "torch", "jax"} or None
        None finds out.
    walkers : int or None
        Chains that interact in ensembles of this many; one ensemble is then one sample.
    shared : str
        What the chains of one call share on purpose; they then are one sample.
    unit : float
        The step is given this many times the step size of the laws: 2 for a rule that is written
        x - (s/2) grad U + sqrt(s) xi.
    meter : Meter
        Counts what is spent.
    """

    step: Callable[..., Any]
    vectorised: bool | None = None
    backend: Backend | None = None
    walkers: int | None = None
    shared: str = ""
    unit: float = 1.0
    meter: Meter = field(default_factory=Meter)
    note: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.names = arguments_of(self.step)
        if self.backend is not None:
            arrays(self.backend)
        if self.walkers is not None and self.walkers < 2:
            raise ArgumentError(f"an ensemble has at least 2 walkers, got {self.walkers}")
        if self.walkers is not None and self.vectorised is False:
            raise ArgumentError("walkers that interact come in one call: vectorised must be True")
        if self.shared and self.walkers is None:
            self.walkers = SHARING
        self._caller: Caller | None = None
        self._ran = False

    @property
    def calls(self) -> int:
        """Chain steps so far."""
        return self.meter.steps

    @property
    def is_compiled(self) -> bool:
        """Whether numba compiles the step."""
        return hasattr(self.step, "py_func")

    @property
    def with_momenta(self) -> bool:
        """Whether the state is (position, momentum)."""
        return "v" in self.names

    @property
    def takes_noise(self) -> bool:
        """Whether the step is a function of its noise: no randomness of its own."""
        return bool({"xi", "u"} & set(self.names)) and not {"rng", "key"} & set(self.names)

    @property
    def takes_data(self) -> bool:
        """Whether the step asks for the data of its target."""
        return bool({"y", "data"} & set(self.names))

    @property
    def caller(self) -> Caller:
        """How the step is called; known once ``examine`` has run."""
        if self._caller is None:
            raise ArgumentError("the layout of the step is not known before it was examined")
        return self._caller

    @property
    def rounding(self) -> float:
        """Spacing of the coarsest floats that the step takes or returns, relative to one."""
        caller = self.caller
        return max(caller.rounding, float(np.finfo(caller.dtype).eps))

    def state_target(self, target: ExactTarget) -> ExactTarget:
        """The target of the whole state: with momenta when the step takes them."""
        return with_momenta(target) if self.with_momenta else target

    def examine(self, target: ExactTarget, step_size: float) -> None:
        """Finds layout and back end by trying, before any work starts.

        Raises
        ------
        ArgumentError
            When the step runs in none of the layouts allowed, with the step's own traceback.
        """
        if self._caller is not None:
            return
        target = self.state_target(target)
        if self.takes_data and not target.data:
            raise ArgumentError(
                "a step that takes the data y needs targets that have some: "
                "targets=[from_model(draw_parameters, draw_data, log_joint)]"
            )
        failures: list[tuple[str, Exception]] = []
        for caller in self._candidates(bool(target.data)):
            self.note = ""
            try:
                shared = self._rows_agree(caller, target, step_size)
            except OutOfTime:
                raise
            except Exception as error:  # whatever a user's step raises in a layout not its own
                failures.append((f"{caller.backend}, {_WORDS[caller.layout]}", error))
                continue
            if shared and self.vectorised is None and self.walkers is None:
                single = self._single(caller, target, step_size)
                if single is not None:
                    self.note = (
                        "taken for a step of one chain: as whole chains all of them would share "
                        "their noise (say vectorised=True if that is what it is)"
                    )
                    caller = single
            self._caller = caller
            return
        raise ArgumentError(_no_layout(failures)) from failures[0][1]

    def _candidates(self, with_data: bool) -> Iterator[Caller]:
        # every chain has data of its own, and a model is mostly written for one data set
        layouts: tuple[Layout, ...] = ("one", "whole") if with_data else ("whole", "one")
        if self.walkers is not None or self.vectorised is not None:
            layouts = ("one",) if self.vectorised is False else ("whole",)
        for backend in self._backends():
            for layout in layouts:
                yield self._caller_of(backend, layout)

    def _backends(self) -> Iterator[Backend]:
        if self.backend is not None:
            yield self.backend
        elif self.is_compiled:
            yield "numba"
        elif "key" in self.names or type(self.step).__module__.startswith("jax"):
            yield "jax"
        else:
            yield "numpy"
            # asked late: a step may import its library when it first runs
            others: tuple[Backend, ...] = ("torch", "jax")
            for backend in others:
                if backend in sys.modules:
                    yield backend

    def _caller_of(self, backend: Backend, layout: Layout) -> Caller:
        if backend == "jax":
            from .jax_caller import JaxCaller

            return JaxCaller(self.step, self.names, backend, layout, meter=self.meter)
        if backend == "numba":
            from .numba_caller import NumbaCaller

            return NumbaCaller(self.step, self.names, backend, layout, meter=self.meter)
        return Caller(self.step, self.names, backend, layout, meter=self.meter)

    def _rows_agree(self, caller: Caller, target: ExactTarget, h: float) -> bool:
        """Runs the step on equal rows; True when they moved, and all alike."""
        for scale in (1.0, 1e-2, 1e-4):
            probe = np.random.default_rng(5)
            x = np.repeat(target.draw(probe, 1), self.walkers or _PROBE, axis=0)
            if self.walkers is not None:
                x = target.draw(probe, self.walkers)
            with np.errstate(all="ignore"):
                self.meter.count(len(x))
                before = self.meter.clock()
                after = caller(x, target.for_step, self.unit * h * scale, np.random.default_rng(6))
                if not self._ran:  # the first compilation is nobody's fault
                    self.meter.began += self.meter.clock() - before
                    self._ran = True
            if not np.isfinite(after).any():
                self.note = (
                    "the step returned NaN or infinity for every chain on "
                    f"{target.name} with step size {h * scale:.3g}: look at that first"
                )
            if np.any(after != x):
                return bool(np.all(after == after[0]))
        return False

    def _single(self, caller: Caller, target: ExactTarget, h: float) -> Caller | None:
        if caller.layout == "one":
            return None
        single = self._caller_of(caller.backend, "one")
        try:
            return None if self._rows_agree(single, target, h) else single
        except Exception:  # it is no step of one chain, then
            return None

    def in_single_precision(self) -> Kernel:
        """The same sampler on positions in single precision; its calls are counted here."""
        again = replace(self)
        again._caller = replace(self.caller, dtype="float32", views={})
        return again

    def with_noise(
        self, state: FloatArray, target: ExactTarget, step_size: float, noise: Noise
    ) -> FloatArray:
        """One step with given noise, for steps that take xi or u; else as ``advance``."""
        unused = np.random.default_rng(0)
        with np.errstate(all="ignore"):
            return self._guarded(state, target, step_size, unused, noise)

    def advance(
        self,
        state: FloatArray,
        target: ExactTarget,
        step_size: float,
        rng: np.random.Generator,
        steps: int = 1,
    ) -> FloatArray:
        """The state (n, k) after some steps; not-a-number where the sampler left the numbers.

        Raises
        ------
        StepError
            When the step raises, with its own traceback.
        """
        self.examine(target, step_size)
        with np.errstate(all="ignore"):
            for _ in range(steps):
                state = self._guarded(state, target, step_size, rng, None)
        return state

    def _guarded(
        self,
        state: FloatArray,
        target: ExactTarget,
        h: float,
        rng: np.random.Generator,
        noise: Noise | None,
    ) -> FloatArray:
        """One step; whatever it raises is told as its own fault."""
        if self.walkers is not None and len(state) % self.walkers:
            raise ArgumentError(f"{len(state)} chains are no ensembles of {self.walkers}")
        self.meter.count(len(state))
        try:
            if self.walkers is None:
                return self.caller(state, target.for_step, self.unit * h, rng, noise)
            ends = []
            for group in state.reshape(-1, self.walkers, state.shape[1]):
                self.meter.check()
                ends.append(self.caller(group, target.for_step, self.unit * h, rng))
            return np.concatenate(ends)
        except OutOfTime:
            raise
        except Exception as error:  # a fault of the step, told as such
            ours = isinstance(error, LvebmError)
            raise StepError(
                f"the step raised on {target.name} with step size {h:.6g}\n"
                + (str(error) if ours else told(error))
            ) from error


_WORDS = {"whole": "all chains at once", "one": "one chain at a time"}


def _no_layout(failures: list[tuple[str, Exception]]) -> str:
    """What was tried and how it failed; a traceback only of what the step itself raised."""
    tried = "\n".join(
        f"  as {how}: "
        + ("" if isinstance(error, LvebmError) else f"{type(error).__name__}: ")
        + next(iter(str(error).splitlines()), "")
        for how, error in failures
    )
    own = next((error for _, error in failures if not isinstance(error, LvebmError)), None)
    first = failures[0][1]
    return (
        "the step runs in no layout: it needs x of shape (n, d) for all chains at once or (d,) "
        f"for one, and returns positions of that shape. Tried\n{tried}"
        + ("" if own is not first else f"\nThe first of them:\n{told(own)}")
    )
