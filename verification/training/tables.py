"""A TOML table as a frozen dataclass: unknown keys, wrong types and ranges are said at once.

A field's annotation gives the type; ``entry(...)`` adds its range and the sentence that explains
it. Every message says where in the file, what was required and what came.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lvebm_theory.errors import ArgumentError

from ..discovery import nearest

Table = TypeVar("Table")
# letters of a value that a message shows
MOST_SHOWN = 80
# what machines count with
LARGEST = 2**63 - 1
_WORDS = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
    """What a value must satisfy besides its type."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()

    def broken(self, value: Any) -> bool:
        """True where a value of the right type is refused."""
        if self.choices:
            return value not in self.choices
        return (
            (self.least is not None and value < self.least)
            or (self.above is not None and value <= self.above)
            or (self.most is not None and value > self.most)
        )

    @property
    def sentence(self) -> str:
        """The requirement in words; empty where there is none."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        parts = [
            f"at least {self.least:g}" if self.least is not None else "",
            f"above {self.above:g}" if self.above is not None else "",
            f"at most {self.most:g}" if self.most is not None else "",
        ]
        return " and ".join(part for part in parts if part)


def entry(
    text: str,
    default: Any = dataclasses.MISSING,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    choices: Sequence[str] = (),
    network: Any = None,
) -> Any:
    """A key of a table: what it says, its default, and what its value must satisfy.

    ``network`` is the default of a run that trains a network, where that is another.
    """
    meta = {
        "text": text,
        "range": Range(least=least, most=most, above=above, choices=tuple(choices)),
        "network": network,
    }
    if isinstance(default, list | dict):
        kept = default
        return dataclasses.field(default_factory=lambda: type(kept)(kept), metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def read_table(kind: type[Table], content: Any, where: str) -> Table:
    """The dataclass that a table describes.

    Parameters
    ----------
    kind : dataclass whose fields are made by ``entry``
    content : what ``tomllib`` or JSON made of the table
    where : str
        Name of the table, such as ``training.rate``; empty for the whole file.

    Raises
    ------
    ArgumentError
        A key that is unknown or missing, a value of another type or out of its range.
    """
    if not isinstance(content, Mapping):
        raise ArgumentError(f"{where} must be a table of keys, got {_shown(content)}")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for name in content:
        if name not in fields:
            raise ArgumentError(
                f"{_place(where, name)} is unknown{nearest(name, fields)} "
                f"(there are {', '.join(fields)})"
            )
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in content:
            place = _place(where, name)
            values[name] = _value(hints[name], content[name], place, field.metadata["range"])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ArgumentError(f"{_place(where, name)} is missing: {field.metadata['text']}")
    return kind(**values)


def network_defaults(kind: Any) -> dict[str, Any]:
    """Defaults of a table's keys in a run that trains a network, where they differ."""
    return {
        f.name: f.metadata["network"]
        for f in dataclasses.fields(kind)
        if f.metadata["network"] is not None
    }


def plain(table: Any) -> Any:
    """A dataclass of tables as plain JSON; what was left out (None) stays out."""
    if dataclasses.is_dataclass(table) and not isinstance(table, type):
        rows = {f.name: plain(getattr(table, f.name)) for f in dataclasses.fields(table)}
        return {name: value for name, value in rows.items() if value is not None}
    if isinstance(table, tuple):
        return [plain(value) for value in table]
    return dict(table) if isinstance(table, Mapping) else table


def _place(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def _value(hint: Any, value: Any, place: str, limits: Range) -> Any:
    """A value checked against its annotation; sequences become tuples."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(inside, value, place, limits)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read_table(hint, value, place)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ArgumentError(f"{place} must be a list, got {_shown(value)}")
        return tuple(_value(inside[0], item, f"each of {place}", limits) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ArgumentError(f"{place} must be a table of keys, got {_shown(value)}")
        return {k: _value(inside[1], v, f"{place}.{k}", limits) for k, v in value.items()}
    if not _fits(hint, value):
        raise ArgumentError(f"{place} must be {_required(hint, limits)}, got {_shown(value)}")
    if limits.broken(value):
        raise ArgumentError(
            f"{place} must be {_required(hint, limits)}, got {_shown(value)}"
            f"{nearest(value, limits.choices) if limits.choices else ''}"
        )
    return float(value) if hint is float else value


def _one_of(hints: tuple[Any, ...], value: Any, place: str, limits: Range) -> Any:
    """The first alternative that the value's shape allows."""
    real = [hint for hint in hints if hint is not type(None)]
    for hint in real:
        origin = get_origin(hint)
        table = dataclasses.is_dataclass(hint) or (
            origin is not None and issubclass(origin, Mapping)
        )
        sequence = origin is tuple
        if (
            (table and isinstance(value, Mapping))
            or (sequence and isinstance(value, list | tuple))
            or (origin is None and not table and _fits(hint, value))
        ):
            return _value(hint, value, place, limits)
    return _value(real[0], value, place, limits)


def _fits(hint: Any, value: Any) -> bool:
    if hint is bool:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return False
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, hint)


def _required(hint: Any, limits: Range) -> str:
    if limits.choices:
        return limits.sentence
    words = _WORDS.get(hint, str(hint))
    if hint is float:
        words = "a finite number"
    return f"{words}, {limits.sentence}" if limits.sentence else words


def key_rows(kind: Any, where: str = "") -> list[tuple[str, str, str]]:
    """(key, default, what it says) of a table and of the tables in it, in Markdown."""
    hints = get_type_hints(kind)
    rows: list[tuple[str, str, str]] = []
    for field in dataclasses.fields(kind):
        place, hint = _place(where, field.name), hints[field.name]
        inner = [h for h in (hint, *get_args(hint)) if dataclasses.is_dataclass(h)]
        text = field.metadata["text"]
        limits = field.metadata["range"].sentence
        if inner != [hint]:
            said = f"{text} ({limits})" if limits and limits not in text else text
            default = _default(field)
            if field.metadata["network"] is not None:
                default += f" (network: `{json.dumps(field.metadata['network'])}`)"
            rows.append((place, default, said))
        for table in inner:
            rows += key_rows(table, place)
    return rows


def _default(field: Any) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{json.dumps(field.default_factory())}`"
    if field.default is dataclasses.MISSING:
        return "required"
    return "" if field.default is None else f"`{json.dumps(plain(field.default))}`"
