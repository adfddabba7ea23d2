"""report.html: one page that needs no network, no script and no other file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from lvebm_theory.bibliography import bibliography

from .. import wording
from ..finding import Finding
from ..gather import settings_shown
from ..plan import Plan
from ..store import Folder
from ..summary import Exit, exit_status, summarise
from .claim_section import anchor, badges, claim_section, known
from .html import Html, join, table, tag
from .results import read_curves


def render(folder: Folder, plan: Plan, content: Mapping[str, Any]) -> str:
    """The page of a run, from what its folder holds.

    Parameters
    ----------
    content : mapping
        What findings.json holds; fewer findings than planned for a run that is not finished.
    """
    findings = [Finding.from_json(row) for row in content["findings"]]
    summaries = summarise(findings)
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    title = f"lvebm verify: {content['energy']}"
    sections = [
        claim_section(plan, summary, _pictures(folder, plan, summary.claim))
        for summary in summaries
    ]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(style)),
    )
    body = tag(
        "body",
        tag("h1", title),
        *(tag("p", said, class_="banner status-1") for said in wording.disagreements(findings)),
        _banner(plan, findings),
        tag("p", wording.ASSUMED, class_="banner status-2") if plan.request.assumed else "",
        _facts(plan, content),
        _constants(content["constants"]),
        _summary(summaries),
        _omitted(plan),
        *sections,
        _references(plan, [summary.claim for summary in summaries]),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _pictures(folder: Folder, plan: Plan, claim: str) -> list[str]:
    """What the run drew while it went on; later, drawn from the stored curves."""
    drawn = folder.read_pictures(plan, claim)
    if drawn is not None:
        return drawn
    curves = read_curves(folder, claim)
    if not curves:
        return []
    from .plots import plots_of

    return list(plots_of(claim, curves, settings_shown(plan, claim)))


def _banner(plan: Plan, findings: list[Finding]) -> Html:
    missing = plan.findings - len(findings)
    if missing:
        said = f"This run is not finished: {missing} of {plan.findings} findings are missing."
        return tag("p", said, class_="banner status-2")
    status: Exit = exit_status(findings)
    said = f"{status.sentence} (exit status {int(status)})"
    return tag("p", said, class_=f"banner status-{int(status)}")


def _facts(plan: Plan, content: Mapping[str, Any]) -> Html:
    request = plan.request
    facts = {
        "version": content["version"],
        "budget": content["budget"],
        "seed": str(content["seed"]),
        "alpha": f"{content['alpha']:g}, spent over {plan.measured} planned findings",
        "particles": f"{request.backend} on {request.device}",
        "exp(-U) normalisable": request.normalisable,
        "plan": plan.digest[:16],
    }
    if request.times:
        facts["times"] = ", ".join(f"{t:g}" for t in request.times)
    return tag(
        "dl",
        *(tag(k, v) for pair in facts.items() for k, v in zip(("dt", "dd"), pair, strict=True)),
    )


def _constants(constants: Mapping[str, Mapping[str, Any]]) -> Html:
    if not constants:
        return Html()
    rows = [
        [
            name,
            *(wording.number(c[k], 9) for k in ("value", "lower", "upper")),
            c["how"],
            c["source"],
        ]
        for name, c in constants.items()
    ]
    head = ("constant", "value", "lower", "upper", "how", "source")
    return tag("section", tag("h2", "Constants"), table(head, rows, numeric=(1, 2, 3)))


def _summary(summaries: list[Any]) -> Html:
    rows = []
    for summary in summaries:
        telling = summary.telling
        rows.append(
            [
                tag("a", summary.claim, href=f"#{anchor(summary.claim)}"),
                badges(summary),
                "—" if telling is None else wording.comparison(telling),
                "—" if telling is None else wording.number(telling.slack, 3),
                wording.per_cent(summary.sensitivity),
                wording.caught(summary),
            ]
        )
    head = (
        "claim",
        "verdict",
        "measured against predicted",
        "slack",
        "sensitivity",
        "controls",
    )
    note = tag(
        "p",
        "Slack is bound over measured. Sensitivity is the smallest falsification, of 1, 3, 10, 30 "
        "and 100 per cent, that would have been caught. A control is a statement or a solver made "
        "false on purpose; it must come out VIOLATED.",
        class_="quiet",
    )
    return tag("section", tag("h2", "Claims"), table(head, rows, numeric=(3, 4)), note)


def _references(plan: Plan, names: list[str]) -> Html:
    """Sources of the statements above, in full."""
    theorems = [t for name in names if (c := known(plan, name)) is not None for t in c.theorems]
    keys = {key for t in theorems for key in (t.reference.key, *t.inspired_by)}
    entries = sorted(bibliography()[key].full for key in keys & bibliography().keys())
    if not entries:
        return Html()
    items = [tag("li", entry) for entry in entries]
    return tag("section", tag("h2", "Sources"), tag("ul", *items))


def _omitted(plan: Plan) -> Html:
    if not plan.omitted:
        return Html()
    items = [tag("li", f"{name}: {reason}") for name, reason in plan.omitted.items()]
    return join([tag("h3", "Left out"), tag("ul", *items)])
