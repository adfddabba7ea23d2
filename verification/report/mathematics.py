"""Statements in LaTeX as MathML, which browsers render without any script."""

from __future__ import annotations

import logging

from .html import Html, tag

log = logging.getLogger(__name__)


def rendered(latex: str) -> Html:
    """A displayed formula; its source in a code box where it cannot be converted."""
    from latex2mathml.converter import convert

    try:
        mathml = Html(convert(latex, display="block"))
    except Exception as error:  # the converter raises many kinds
        log.warning("cannot render %r: %s", latex, error)
        return tag("div", tag("code", latex), class_="formula")
    return tag("div", mathml, class_="formula", tabindex="0")
