"""What ``lvebm train`` shows while it runs, and one screen at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..wording import duration
from .diagnosis import Reading
from .watch import LEAST_ACCEPTANCE, Sign

if TYPE_CHECKING:
    from .run import Step

# a line at most this often where the output is no terminal
SECONDS_BETWEEN_LINES = 10.0
MOST_COORDINATES = 6
MOST_SIGNS = 4


class LiveTraining:
    """The run so far, kept current by listening to it."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._step: Step | None = None

    def hear(self, step: Step) -> None:
        """Takes in the latest step."""
        self._step = step

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        step = self._step
        if step is None:
            yield Text(f"{self._title}: starting")
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        table.add_row("done", ProgressBar(step.total, step.reading.update, width=40))
        for name, words in described(step.reading):
            table.add_row(name, words)
        table.add_row("time left", time_left(step))
        yield Group(
            Text(f"{self._title}: update {step.reading.update} of {step.total}"),
            table,
            *sign_lines(step.signs),
        )


def described(reading: Reading) -> list[tuple[str, str | Text]]:
    """Names and values of a reading, for a reader."""
    means, sds = reading.pool_mean[:MOST_COORDINATES], reading.pool_sd[:MOST_COORDINATES]
    more = " …" if len(reading.pool_mean) > MOST_COORDINATES else ""
    colour = "yellow" if reading.acceptance < LEAST_ACCEPTANCE else ""
    return [
        ("J, energy part", f"{reading.contrast:.4g}"),
        ("gradient norm", f"{reading.gradient_norm:.3g}"),
        ("pool acceptance", Text(f"{100 * reading.acceptance:.0f} %", colour)),
        ("pool mean", " ".join(f"{m:.2f}" for m in means) + more),
        ("pool sd", " ".join(f"{s:.2f}" for s in sds) + more),
    ]


def time_left(step: Step) -> str:
    """How long the remaining updates will take at the speed so far."""
    left = step.seconds_left
    return "not known yet" if left is None else duration(left)


def sign_lines(signs: Sequence[Sign]) -> list[RenderableType]:
    """Signs of divergence, in words."""
    if not signs:
        return []
    lines: list[RenderableType] = [
        Text("signs of divergence; the checkpoint stays at the last good state", "bold yellow")
    ]
    return lines + [
        Text(f"  {sign.name}: {sign.sentence}", "yellow") for sign in signs[:MOST_SIGNS]
    ]


class Lines:
    """One line now and then, for output that is not a terminal."""

    def __init__(self) -> None:
        self._last = -SECONDS_BETWEEN_LINES
        self._warned: set[str] = set()

    def line(self, step: Step) -> str | None:
        """What to say of this step; None to stay silent."""
        fresh = [sign for sign in step.signs if sign.name not in self._warned]
        now = time.monotonic()
        done = step.reading.update == step.total
        if not fresh and not done and now - self._last < SECONDS_BETWEEN_LINES:
            return None
        self._last = now
        self._warned |= {sign.name for sign in fresh}
        reading = step.reading
        said = (
            f"update {reading.update}/{step.total}: J's energy part {reading.contrast:.4g}, "
            f"gradient {reading.gradient_norm:.3g}, acceptance {100 * reading.acceptance:.0f} %, "
            f"time left: {time_left(step)}"
        )
        warnings = [f"warning: {sign.name}: {sign.sentence}" for sign in fresh]
        return "\n".join([said, *warnings])


def last_screen(title: str, scores: Mapping[str, Any], where: Sequence[str]) -> Group:
    """What was learned, in a few lines."""
    table = Table(box=None, pad_edge=False, show_header=False, title=title, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column()
    for name, words in scores.items():
        table.add_row(name, str(words))
    return Group(table, Text(), *(Text(line) for line in where))
