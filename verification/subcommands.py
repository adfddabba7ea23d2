"""Subcommands that other packages bring, through the entry-point group ``lvebm.commands``.

An entry point names a typer app or a plain function. It is loaded only when it is called, or when
help is asked for, so that a slow or broken package costs nothing to the commands here.
"""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
import typer.core

GROUP = "lvebm.commands"
log = logging.getLogger(__name__)


def brought() -> dict[str, EntryPoint]:
    """Entry points by the name of their subcommand."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> Any:
    """The command of an entry point, None (and a warning) where it cannot be loaded."""
    try:
        found = point.load()
    except Exception as error:  # whatever a foreign package raises while it is imported
        log.warning("the subcommand %r (%s) cannot be loaded: %s", point.name, point.value, error)
        return None
    app = found
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name=point.name)(found)
    command = typer.main.get_command(app)
    command.name = point.name
    return command


class OpenGroup(typer.core.TyperGroup):
    """A command group that also holds what other packages bring."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Own commands first."""
        own = super().list_commands(ctx)
        return own + sorted(name for name in brought() if name not in own)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """An own command, else one that another package brings, else None."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        point = brought().get(cmd_name)
        return None if point is None else _load(point)
