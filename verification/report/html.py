"""HTML by functions, with everything escaped that is not already HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# a table cell longer than this is prose, which may wrap
PROSE = 45
EMPTY = frozenset({"meta", "br", "hr", "link"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(content: str) -> Html:
    """Escaped text; HTML passes unchanged."""
    return content if isinstance(content, Html) else Html(escape(content))


def join(parts: Iterable[str]) -> Html:
    """Parts one after another."""
    return Html("".join(text(part) for part in parts))


def tag(name: str, /, *children: str, **attributes: str | bool | None) -> Html:
    """``<name attribute="value">children</name>``; ``class_`` stands for ``class``.

    An attribute that is True stands alone, one that is None or False is left out.
    """
    written = "".join(
        f" {key.rstrip('_')}" if value is True else f' {key.rstrip("_")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in EMPTY:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Sequence[int] = ()
) -> Html:
    """A table in a box of its own that scrolls sideways; ``numeric`` columns align right."""

    def cell(kind: str, column: int, content: str) -> Html:
        prose = not isinstance(content, Html) and len(content) > PROSE
        look = "number" if column in numeric else "prose" if prose else None
        return tag(kind, content, class_=look)

    header = tag("tr", *(cell("th", i, c) for i, c in enumerate(head)))
    body = [tag("tr", *(cell("td", i, c) for i, c in enumerate(row))) for row in rows]
    return tag(
        "div",
        tag("table", tag("thead", header), tag("tbody", *body)),
        class_="scroll",
        tabindex="0",
    )
