"""How numbers, verdicts and relations are written for a reader, on the screen and in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lvebm_theory.bibliography import bibliography, cite
from lvebm_theory.errors import ArgumentError
from lvebm_theory.theorem import Reference

from .agreement import disagreements as disagreeing
from .agreement import disagrees
from .decide import Verdict
from .finding import Finding
from .summary import WORST_FIRST, ClaimSummary

ASSUMED = "That exp(-U) is normalisable was ASSUMED, not proved: so is all that follows from it."
SIGNS = {"AT_MOST": "≤", "AT_LEAST": "≥", "EQUAL": "=", "RATE": "="}


def number(x: float | None, digits: int = 4) -> str:
    """``x`` to a few significant digits; an em dash where there is none."""
    return "—" if x is None else f"{x:.{digits}g}"


def per_cent(x: float | None) -> str:
    """``x`` as a percentage; an em dash where there is none."""
    return "—" if x is None else f"{100 * x:g} %"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 20 s``."""
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60} s"


def width(finding: Finding) -> float | None:
    """Total half-width of the measurement."""
    if finding.statistical is None or finding.numerical is None:
        return None
    return finding.statistical + finding.numerical


def comparison(finding: Finding) -> str:
    """``0.01234 ± 1e-05 ≤ 0.015``: what was measured against what was predicted."""
    if finding.measured is None:
        return "—"
    half = width(finding)
    digits = 4
    if half and finding.measured and finding.verdict is not Verdict.HOLDS:
        # as many digits as the width lets one see, so that a small contradiction shows
        digits = min(max(4, math.ceil(math.log10(abs(finding.measured) / half)) + 1), 9)
    bound = "∞" if finding.bound is None else number(finding.bound, digits)
    spread = "" if not half else f" ± {half:.1e}"
    return f"{number(finding.measured, digits)}{spread} {SIGNS[finding.relation]} {bound}"


def disagreements(findings: Sequence[Finding]) -> list[str]:
    """One line per pair of witnesses that disagree; what rests on either is UNDECIDED."""
    return [
        f"WITNESSES DISAGREE at {row.setting}{at(row)}: {row.provenance['reason']}"
        for row in disagreeing(findings)
    ]


def at(finding: Finding) -> str:
    """``, t = 0.3``; nothing where time plays no part."""
    return "" if finding.time is None else f", t = {finding.time:g}"


def place(finding: Finding) -> str:
    """``double-well, t = 0.3, grid``: where a finding was made."""
    return f"{finding.setting}{at(finding)}, {seen_by(finding)}"


def seen_by(finding: Finding) -> str:
    """The witness, or the two that meet."""
    against = finding.provenance.get("against")
    return finding.witness if against is None else f"{finding.witness} and {against}"


def caught(summary: ClaimSummary) -> str:
    """``2/2``, or ``1/2, not caught: lost-factor``, or ``1/2, not tried: shifted-witness``."""
    if not summary.controls:
        return "none planned"
    said = [f"{sum(c.caught for c in summary.controls)}/{len(summary.controls)}"]
    lost = [c.name for c in summary.controls if c.missed]
    mute = [c.name for c in summary.controls if not c.caught and not c.missed]
    for words, names in (("not caught", lost), ("not tried", mute)):
        if names:
            said.append(f"{words}: {', '.join(names)}")
    return ", ".join(said)


def reasons(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings that ended without HOLDS, by the reason; the gravest first.

    Disagreements of witnesses are left out: they are said before all else.
    """
    by_reason: dict[str, list[Finding]] = {}
    own = [
        f
        for f in findings
        if f.control is None and f.verdict is not Verdict.HOLDS and not disagrees(f)
    ]
    for finding in sorted(own, key=lambda f: WORST_FIRST.index(f.verdict)):
        reason = finding.provenance.get("reason") or f"measured {comparison(finding)}"
        by_reason.setdefault(f"{finding.verdict.value}: {reason}", []).append(finding)
    return by_reason


def places(findings: Sequence[Finding], most: int = 1) -> str:
    """``kl-decay at double-well, t = 0.3, grid, and 3 more``."""
    shown = "; ".join(f"{f.claim} at {place(f)}" for f in findings[:most])
    more = len(findings) - most
    return f"{shown}, and {more} more" if more > 0 else shown


def cited(reference: Reference) -> str:
    """Authors, year, place and erratum; the key where the bibliography lacks it."""
    try:
        return cite(reference)
    except ArgumentError:
        return f"{reference.key}, {reference.place}"


def known_as(key: str) -> str:
    """Authors and year of a source; the key where the bibliography lacks it."""
    entry = bibliography().get(key)
    return key if entry is None else entry.short
