"""The bibliography: ``references.bib``, read once, and the sentence that cites a theorem.

The file keeps to a small part of BibTeX: ``@kind{key, field = {value}, ...}`` with one field per
line and balanced braces. Anything else is an error, so that a damaged entry is seen at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from .errors import ArgumentError
from .theorem import Reference

__all__ = ["Entry", "bibliography", "cite", "parse_bibtex"]

_HEAD = re.compile(r"@(\w+)\{([a-z0-9-]+),")
_FIELD = re.compile(r"(\w+) = \{(.*)\},?")
_ACCENTS = {
    "'": "\u0301",
    "`": "\u0300",
    '"': "\u0308",
    "^": "\u0302",
    "~": "\u0303",
    "c": "\u0327",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One source: its key, kind (article, book, ...) and fields in plain Unicode."""

    key: str
    kind: str
    fields: Mapping[str, str]

    @property
    def family_names(self) -> tuple[str, ...]:
        """Family names of the authors, in order."""
        return tuple(a.split(",")[0].strip() for a in self.fields["author"].split(" and "))

    @property
    def short(self) -> str:
        """Authors and year: "Otto and Villani (2000)"; "Tang et al. (2025)" from four on."""
        names = self.family_names
        if len(names) > 3:
            who = f"{names[0]} et al."
        elif len(names) > 1:
            who = ", ".join(names[:-1]) + " and " + names[-1]
        else:
            who = names[0]
        return f"{who} ({self.fields['year']})"

    @property
    def full(self) -> str:
        """Authors, title, where it appeared, year, DOI: one line for a list of references."""
        f = self.fields
        where = f.get("journal") or f.get("booktitle") or f.get("publisher") or ""
        parts = [", ".join(self.family_names), f["title"], where]
        if "volume" in f:
            parts.append(f"volume {f['volume']}")
        if "pages" in f:
            parts.append(f"pages {f['pages'].replace('--', '-')}")
        parts += [f["year"], f.get("note", "")]
        if "doi" in f:
            parts.append(f"doi:{f['doi']}")
        return ". ".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Unicode for the LaTeX accents and braces that the file uses."""

    def accent(match: re.Match[str]) -> str:
        return unicodedata.normalize("NFC", match.group(2) + _ACCENTS[match.group(1)])

    accented = re.sub(r"\{\\(['`\"^~c]) ?(\w)\}", accent, text)
    return accented.replace("{", "").replace("}", "")


def parse_bibtex(text: str) -> dict[str, Entry]:
    """Entries by key.

    Raises
    ------
    ArgumentError
        For a line that is neither head, field, end nor comment, for a key given twice, and for
        an entry without author, title or year.
    """
    entries: dict[str, Entry] = {}
    head: re.Match[str] | None = None
    fields: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("%"):
            continue
        if head is None and (match := _HEAD.fullmatch(line)):
            head, fields = match, {}
        elif head is not None and line == "}":
            kind, key = head.groups()
            if key in entries:
                raise ArgumentError(f"the bibliography has {key} twice")
            if missing := {"author", "title", "year"} - fields.keys():
                raise ArgumentError(f"bibliography entry {key} lacks {', '.join(sorted(missing))}")
            entries[key] = Entry(key=key, kind=kind, fields=MappingProxyType(fields))
            head = None
        elif head is not None and (match := _FIELD.fullmatch(line)):
            name, value = match.groups()
            if value.count("{") != value.count("}"):
                raise ArgumentError(f"unbalanced braces in line {number} of the bibliography")
            fields[name] = _plain(value)
        else:
            raise ArgumentError(f"line {number} of the bibliography is not understood: {line}")
    if head is not None:
        raise ArgumentError(f"the bibliography ends inside the entry {head.group(2)}")
    return entries


@cache
def bibliography() -> Mapping[str, Entry]:
    """The entries of ``references.bib`` by key."""
    text = Path(__file__).with_name("references.bib").read_text(encoding="utf-8")
    return MappingProxyType(parse_bibtex(text))


def cite(reference: Reference) -> str:
    """ "Otto and Villani (2000), Theorem 1", with the erratum where there is one.

    Raises
    ------
    ArgumentError
        When the key is not in the bibliography.
    """
    entries = bibliography()
    if reference.key not in entries:
        raise ArgumentError(f"no bibliography entry {reference.key}")
    text = f"{entries[reference.key].short}, {reference.place}"
    return f"{text} (erratum: {reference.erratum})" if reference.erratum else text
