"""Who wins where, in words that follow from the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from solvers.learning.systems import system_named

from .methods import TITLES
from .plan import METHODS, SYSTEMS
from .table import SCORES, Result, best, cells, told_apart

# the ratio is the sliced distance over a constant of the system
COMPARED = tuple(score for score in SCORES if score.key != "ratio")


def in_words(results: Sequence[Result]) -> str:
    """The latent-variable energy against each baseline: how often better, worse, or level."""
    lines = []
    for other in METHODS[1:]:
        better, worse, level = against(results, other)
        count = better + worse + level
        if count:
            lines.append(
                f"- against {TITLES[other]}: better in {better}, worse in {worse} and not told "
                f"apart in {level} of {count} comparisons;"
            )
    if not lines:
        return ""
    head = (
        f"In short, {TITLES[METHODS[0]]}, where a comparison is a score on a system and intervals "
        "that overlap tell nothing apart:"
    )
    return "\n".join([head, "", *lines])[:-1] + "."


def against(results: Sequence[Result], other: str) -> tuple[int, int, int]:
    """In how many comparisons the first method is better than another, worse, not told apart."""
    better = worse = level = 0
    for score in COMPARED:
        table = cells(results, score)
        for system in SYSTEMS:
            ours, theirs = table.get((system, METHODS[0])), table.get((system, other))
            if ours is None or theirs is None:
                continue
            if not told_apart(ours, theirs):
                level += 1
            elif (ours.value > theirs.value) == score.larger_is_better:
                better += 1
            else:
                worse += 1
    return better, worse, level


def verdicts(results: Sequence[Result]) -> str:
    """Where the latent-variable energy wins and where a baseline does."""
    lines = ["## Who wins", ""]
    for score in COMPARED:
        table = cells(results, score)
        texts = []
        for system in SYSTEMS:
            winner = best(table, system, score)
            if winner is None:
                continue
            own = table.get((system, "latent_energy"))
            text = f"{system_named(system).name.replace('_', ' ')}: {TITLES[winner]}"
            if winner != "latent_energy" and own is not None:
                apart = told_apart(own, table[system, winner])
                text += " (told from LV-EBM)" if apart else " (not told from LV-EBM)"
            texts.append(text)
        lines.append(f"- {score.title}: " + "; ".join(texts) + ".")
    return "\n".join(lines)
