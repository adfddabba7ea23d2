"""An energy's scalar loops, lifted from one particle to a block of particles.

Where an energy is written with loops (a matrix product in d = 100), a call per particle adds up
in a single chain of dependent sums. Lifted, every scalar that differs between particles becomes
a row over the block, every innermost run of statements one loop over the particles: the compiler
vectorises it, and each particle still sees the same operations in the same order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .contraction import TILE, Contraction, product_lines, recognised, tiles_text
from .fuse import fused

_ARRAYS = ("x", "g")


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _assigned(statement: ast.stmt) -> tuple[ast.expr, ast.expr] | None:
    """(target, value) of an assignment to a name or an entry of g."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0], statement.value
    if isinstance(statement, ast.AugAssign):
        return statement.target, statement.value
    return None


def _walk(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.For):
            yield from _walk(statement.body)


def _lane_names(body: list[ast.stmt], own_parameters: bool) -> set[str]:
    """Names whose value differs between particles."""
    lane = {*_ARRAYS, *(("p",) if own_parameters else ())}
    while True:
        found = {
            pair[0].id
            for statement in _walk(body)
            if (pair := _assigned(statement)) is not None
            and isinstance(pair[0], ast.Name)
            and _names(pair[1]) & lane
        }
        if found <= lane:
            return lane
        lane |= found


class _Row(ast.NodeTransformer):
    """Entries of arrays and of lifted scalars, in the loop over particles b."""

    def __init__(
        self, lane: set[str], hoisted: dict[str, str], places: dict[str, str] | None = None
    ) -> None:
        self._lane = lane
        self._hoisted = hoisted
        self._places = places or {}

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        assert isinstance(node.value, ast.Name)
        array, index = node.value.id, ast.unparse(node.slice)
        if array in self._lane:
            text = f"{array}[np.uint64(({index}) * BLOCK + b)]"
        else:
            text = self._hoisted.setdefault(ast.unparse(node), f"hoisted_{len(self._hoisted)}")
        return _expression(text, node.ctx)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self._lane:
            return node
        return _expression(self._places.get(node.id, f"{node.id}[b]"), node.ctx)


def _expression(text: str, ctx: ast.expr_context) -> ast.expr:
    node = ast.parse(text, mode="eval").body
    node.ctx = ctx  # type: ignore[attr-defined]
    return node


def _row(statement: ast.stmt, rewrite: _Row) -> str:
    if isinstance(statement, ast.Return):
        assert statement.value is not None
        return f"u[b] = {ast.unparse(rewrite.visit(statement.value))}"
    return ast.unparse(rewrite.visit(statement))


class _Unliftable(Exception):
    pass


def _lines(
    body: list[ast.stmt], lane: set[str], depth: int, places: dict[str, str] | None = None
) -> list[str]:
    pad = "    " * depth
    lines: list[str] = []
    run: list[ast.stmt] = []

    def flush() -> None:
        if not run:
            return
        hoisted: dict[str, str] = {}
        rows = [fused(_row(s, _Row(lane, hoisted, places))) for s in run]
        lines.extend(f"{pad}{name} = {value}" for value, name in hoisted.items())
        lines.append(f"{pad}for b in range(BLOCK):")
        lines.extend(f"{pad}    {row}" for row in rows)
        run.clear()

    for statement in body:
        pair = _assigned(statement)
        if (isinstance(statement, ast.Return) and statement.value is not None) or (
            pair is not None and _names(pair[0]) & lane
        ):
            run.append(statement)
        elif pair is not None:
            flush()
            lines.append(pad + ast.unparse(statement))
        elif isinstance(statement, ast.For) and not _names(statement.iter) & lane:
            flush()
            lines.append(
                f"{pad}for {ast.unparse(statement.target)} in {ast.unparse(statement.iter)}:"
            )
            lines.extend(_lines(statement.body, lane, depth + 1, places))
        else:
            raise _Unliftable
    flush()
    return lines


def _blocked(found: Contraction, lane: set[str]) -> list[str]:
    """The body of a function that is a matrix product."""
    term = ast.parse(f"terms = {ast.unparse(found.term)}").body
    at = f"terms[np.uint64({found.column} * BLOCK + b)]"
    lines = _lines(found.before, lane, 1)
    product = _lines(term, lane | {"terms"}, 0, {"terms": at})
    lines += [f"    {line}" for line in product_lines(found, product)]
    if found.after:
        lines += [
            f"        for r in range(min({TILE}, {found.rows} - k * {TILE})):",
            f"            {found.row} = k * {TILE} + r",
            *_lines(found.after, lane, 3, {found.target: "sums[np.uint64(r * BLOCK + b)]"}),
        ]
    if found.result is not None:
        lines += _lines([found.result], lane, 1)
    return lines


def lifted(text: str, name: str, own_parameters: bool) -> str | None:
    """Source of ``{name}_block(x, p, g, u)`` on flat rows of a block; None if it cannot be.

    x and g have d rows of BLOCK numbers, u one; p too if every particle has its own parameters.
    Where the loops are a matrix product, it takes ``tiles = {name}_tiles(p)`` too, whose text
    comes along.
    """
    for function in ast.parse(text).body:
        if not (isinstance(function, ast.FunctionDef) and function.name == name):
            continue
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        lane = _lane_names(body, own_parameters)
        found = recognised(body, lane)
        try:
            lines = _lines(body, lane, 1) if found is None else _blocked(found, lane)
        except _Unliftable:
            return None
        scalars = sorted(lane - {*_ARRAYS, "p"})
        if found is not None:
            scalars.remove(found.target)
        head = "" if found is None else f"{tiles_text(name, found)}\n\n"
        tiles = "" if found is None else ", tiles"
        rows = [f"    {scalar} = room(BLOCK)" for scalar in scalars]
        return head + "\n".join([f"def {name}_block(x, p, g, u{tiles}):", *rows, *lines])
    return None
