"""Plain tables as TOML text (the standard library reads TOML and does not write it)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml_text(content: Mapping[str, Any], where: str = "") -> str:
    """Keys first, then tables, empty ones left out."""
    tables = {k: v for k, v in content.items() if isinstance(v, Mapping) and v}
    plain = {k: v for k, v in content.items() if not isinstance(v, Mapping)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    text = "\n".join(lines) + "\n" if lines else ""
    for name, table in tables.items():
        place = f"{where}.{_key(name)}" if where else _key(name)
        inside = toml_text(table, place)
        # a table of tables needs no head of its own
        head = (
            "" if table and all(isinstance(v, Mapping) for v in table.values()) else f"[{place}]\n"
        )
        text += f"\n{head}{inside}" if head else inside
    return text


def _key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if bare else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)
