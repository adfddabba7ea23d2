"""One claim in the report: statement, assumptions, curves, findings, controls, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lvebm_theory.errors import ArgumentError
from lvebm_theory.theorem import Theorem

from .. import wording
from ..claim import Claim
from ..decide import Verdict
from ..discovery import claims
from ..finding import Finding
from ..log_sobolev_from_above import NAME as FROM_ABOVE
from ..log_sobolev_from_above import TITLE as FROM_ABOVE_TITLE
from ..meeting import CONTROLS
from ..meeting import NAME as WITNESSES_AGREE
from ..meeting import TITLE as WITNESSES_AGREE_TITLE
from ..plan import Plan
from ..summary import WORST_FIRST, ClaimSummary
from .html import Html, join, table, tag
from .mathematics import rendered

BUILT_IN = {WITNESSES_AGREE: WITNESSES_AGREE_TITLE, FROM_ABOVE: FROM_ABOVE_TITLE}
HEAD = (
    "verdict",
    "setting",
    "time",
    "quantity",
    "measured against predicted",
    "resolution",
    "slack",
    "sensitivity",
    "witness",
)


def anchor(claim: str) -> str:
    """Id of a claim's section."""
    return f"claim-{claim}"


def badge(verdict: Verdict) -> Html:
    """The verdict as a word in its colour."""
    return tag("span", verdict.value, class_=f"badge {verdict.value}", title=verdict.sentence)


def badges(summary: ClaimSummary) -> Html:
    """``HOLDS 12`` and so on: how often each verdict occurs, the gravest first."""
    found = summary.counts
    if not found:
        return tag("span", "controls only", class_="badge none")
    return join(
        tag("span", f"{v.value} {found[v]}", class_=f"badge {v.value}", title=v.sentence)
        for v in WORST_FIRST
        if found[v]
    )


def claim_section(plan: Plan, summary: ClaimSummary, pictures: Sequence[str]) -> Html:
    """The section of one claim, with these pictures (svg in HTML)."""
    claim = known(plan, summary.claim)
    titled = BUILT_IN.get(summary.claim) if claim is None else claim.title
    title = summary.claim if titled is None else f"{summary.claim}: {titled}"
    parts = [tag("h2", title), tag("p", badges(summary))]
    if claim is not None and summary.findings:
        parts.append(tag("p", _witnesses(plan, summary), class_="quiet"))
    if claim is not None:
        parts += [_theorem(theorem) for theorem in claim.theorems]
    parts += [_constants(summary.findings), _reasons(summary), _plots(pictures)]
    parts += [_findings(summary.findings), _controls(claim, summary), _provenance(summary)]
    return tag("section", *parts, id=anchor(summary.claim))


def known(plan: Plan, name: str) -> Claim | None:
    """The claim, None where the library that now runs does not have it any more."""
    try:
        return claims(plan.request.package).get(name)
    except ArgumentError:
        return None


def _witnesses(plan: Plan, summary: ClaimSummary) -> str:
    """Which quantities two witnesses measured, and which one alone."""
    met = [m for m in plan.meetings if m.claim == summary.claim and m.control is None]
    twice: dict[str, dict[str, None]] = {}
    for m in met:
        twice.setdefault(m.first.quantity, {}).update(
            {m.first.witness: None, m.second.witness: None}
        )
    alone: dict[str, dict[str, None]] = {}
    bounds = {m.second.quantity for m in met}
    for f in summary.findings:
        if f.quantity not in twice and f.quantity not in bounds:
            alone.setdefault(f.quantity, {})[f.witness] = None
    said = [
        f"{words} {', '.join(f'{name} ({_listed(by)})' for name, by in found.items())}."
        for words, found in (
            ("Measured by two witnesses and compared:", twice),
            ("Measured by one witness, with no second to check it:", alone),
        )
        if found
    ]
    return " ".join(said)


def _listed(witnesses: Iterable[str]) -> str:
    return ", ".join(witnesses)


def _theorem(theorem: Theorem) -> Html:
    source = f"Proved in {wording.cited(theorem.reference)}."
    if theorem.inspired_by:
        source += f" Inspired by {', '.join(wording.known_as(key) for key in theorem.inspired_by)}."
    if theorem.loose:
        source += " Known to be loose by orders of magnitude."
    parts = [
        tag("h3", theorem.title),
        rendered(theorem.statement),
        tag("p", source, class_="quiet"),
    ]
    if theorem.assumptions:
        items = [tag("li", assumption.text) for assumption in theorem.assumptions]
        parts += [tag("p", "Assumes:"), tag("ul", *items)]
    return join(parts)


def _constants(findings: Sequence[Finding]) -> Html:
    """Constants that the bounds rest on, per setting, and how each is known."""
    rows: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        for name, c in finding.provenance.get("constants", {}).items():
            numbers = (wording.number(c[k], 6) for k in ("value", "lower", "upper"))
            rows[finding.setting, name] = [finding.setting, name, *numbers, c["how"], c["source"]]
    if not rows:
        return Html()
    head = ("setting", "constant", "value", "lower", "upper", "how", "source")
    listed = table(head, list(rows.values()), numeric=(2, 3, 4))
    return tag("details", tag("summary", "Constants found, and how"), listed)


def _reasons(summary: ClaimSummary) -> Html:
    items = [
        tag("li", f"{reason} ({wording.places(rows, 4)})")
        for reason, rows in wording.reasons(summary.findings).items()
    ]
    return tag("ul", *items) if items else Html()


def _plots(pictures: Sequence[str]) -> Html:
    return tag("div", *map(Html, pictures), class_="plots") if pictures else Html()


def _row(finding: Finding) -> list[str]:
    return [
        badge(finding.verdict),
        finding.setting,
        "" if finding.time is None else f"{finding.time:g}",
        finding.quantity,
        wording.comparison(finding),
        wording.number(finding.resolution, 2),
        wording.number(finding.slack, 3),
        wording.per_cent(finding.sensitivity),
        wording.seen_by(finding),
    ]


def _findings(findings: Sequence[Finding]) -> Html:
    if not findings:
        return Html()
    listed = table(HEAD, [_row(f) for f in findings], numeric=(2, 5, 6, 7))
    label = f"{len(findings)} findings"
    return tag("details", tag("summary", label), listed, open=len(findings) <= 12)


def _controls(claim: Claim | None, summary: ClaimSummary) -> Html:
    if not summary.controls:
        return Html()
    meaning = CONTROLS if claim is None else claim.controls
    items = []
    for control in summary.controls:
        word = "caught" if control.caught else "missed" if control.missed else "not tried"
        hits = sum(f.verdict is Verdict.VIOLATED for f in control.findings)
        told = f" {control.name}: {meaning.get(control.name, '')} "
        score = f"({hits} of {len(control.findings)} findings VIOLATED)"
        items.append(tag("li", tag("span", word, class_=f"badge {word}"), told, score))
    rows = [[f.control or "", *_row(f)] for c in summary.controls for f in c.findings]
    listed = table(("control", *HEAD), rows, numeric=(3, 6, 7, 8))
    return join(
        [
            tag("h3", "Negative controls"),
            tag("ul", *items),
            tag("details", tag("summary", f"{len(rows)} findings of controls"), listed),
        ]
    )


def _provenance(summary: ClaimSummary) -> Html:
    rows = []
    everything = [*summary.findings, *(f for c in summary.controls for f in c.findings)]
    for finding in everything:
        p: Mapping[str, Any] = finding.provenance
        rows.append(
            [
                wording.place(finding),
                str(p.get("part") or p.get("run") or ""),
                str(p.get("grade", "")),
                str(p.get("energy", "")),
                str(p.get("start") or ""),
                str(p.get("looks", "")),
                wording.number(p.get("alpha_spent"), 2),
                wording.number(finding.seconds, 2),
                str(p.get("note") or p.get("reason") or ""),
            ]
        )
    head = (
        "finding",
        "part",
        "grade",
        "energy",
        "start",
        "looks",
        "alpha spent",
        "seconds",
        "note",
    )
    traces = {str(f.provenance["traceback"]) for f in everything if "traceback" in f.provenance}
    return tag(
        "details",
        tag("summary", "Provenance"),
        table(head, rows, numeric=(5, 6, 7)),
        *(tag("pre", trace) for trace in sorted(traces)),
    )
