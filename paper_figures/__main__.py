"""The command ``lvebm figures``: draws figures from a results folder."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

SHARED = {"__main__", "canvas", "experiment_panels"}


def names() -> list[str]:
    """Every figure, found by walking the package."""
    package = importlib.import_module(__package__ or "paper_figures")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in SHARED)


def figure_module(name: str) -> ModuleType:
    """The module of a figure; its ``draw(results)`` returns a matplotlib Figure."""
    return importlib.import_module(f"{__package__ or 'paper_figures'}.{name}")


def caption(name: str) -> str:
    """What is drawn, and the statements it is drawn against, in LaTeX."""
    from verification.discovery import claims as all_claims

    claims = all_claims()
    module = figure_module(name)
    first = (module.__doc__ or "").strip().splitlines()[0]
    statements = [f"${claims[c].theorems[0].statement}$" for c in module.CLAIMS if c in claims]
    return " ".join([first, *statements])


def newest(folder: Path = Path("lvebm-results")) -> Path | None:
    """The newest finished run below the default results folder."""
    runs = sorted(folder.glob("**/findings.json"), key=lambda p: p.stat().st_mtime)
    return runs[-1].parent if runs else None


def command(
    figures: Annotated[
        list[str] | None, typer.Argument(help="Names of figures; all when left out.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Results folder of `lvebm verify`; the newest by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where PDF, PNG and captions go.")] = Path("figures"),
) -> None:
    """Draw publication figures (PDF and PNG) from stored results."""
    import difflib

    from lvebm_theory.errors import LvebmError
    from verification.report.results import Results

    from .canvas import save

    def refuse(message: str) -> typer.Exit:
        typer.echo(f"error: {message}", err=True)
        return typer.Exit(3)

    known = names()
    chosen = figures or known
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise refuse(f"no figure named {name!r}{hint}")
    folder = results or newest()
    if folder is None and any(figure_module(name).CLAIMS for name in chosen):
        raise refuse("no results to draw from: run `lvebm verify` first, or name --results DIR")
    try:
        run = None if folder is None else Results(folder)
        for name in chosen:
            paths = save(figure_module(name).draw(run), out, name)
            text = out / f"{name}.tex"
            text.write_text(caption(name) + "\n", encoding="utf-8")
            typer.echo("\n".join(str(path) for path in [*paths, text]))
    except LvebmError as error:
        raise refuse(str(error)) from error


if __name__ == "__main__":
    typer.run(command)
