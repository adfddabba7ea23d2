"""An energy's scalar source as straight-line code for the inside of a particle loop.

``gradient(x, p, g)`` indexes arrays; in a loop over particles that hides from the compiler that
neighbouring particles do the same. Inlined with plain names (x_0, p_1, g_0) it vectorises.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass


@dataclass(frozen=True)
class ScalarFunction:
    """Body of one function of an energy's source.

    ``statements`` are assignments; ``result`` is the returned expression or None.
    """

    statements: tuple[ast.Assign, ...]
    result: ast.expr | None


class _Rename(ast.NodeTransformer):
    """x[i] -> {x}_i, p[i] -> {p}_i, g[i] -> {g}_i; local names get a suffix."""

    def __init__(self, arrays: dict[str, str], local: dict[str, str]) -> None:
        self._arrays = arrays
        self._local = local

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        array, index = node.value, node.slice
        if isinstance(array, ast.Name) and isinstance(index, ast.Constant):
            name = f"{self._arrays[array.id]}_{index.value!r}"
            return ast.copy_location(ast.Name(id=name, ctx=node.ctx), node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name(id=self._local.get(node.id, node.id), ctx=node.ctx), node)


def _constant_subscripts(tree: ast.AST, names: tuple[str, ...]) -> bool:
    """True if the arrays are used only as name[whole number]."""
    inside = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, int)
    }
    return all(
        id(node) in inside
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in names
    )


@functools.lru_cache(maxsize=4)
def _parsed(text: str) -> ast.Module:
    """Shared by the functions of one source; nobody changes it."""
    return ast.parse(text)


def scalar_function(text: str, name: str) -> ScalarFunction | None:
    """The function if it is straight-line code, else None."""
    for function in _parsed(text).body:
        if not (isinstance(function, ast.FunctionDef) and function.name == name):
            continue
        names = tuple(a.arg for a in function.args.args)
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        result = None
        if body and isinstance(body[-1], ast.Return):
            result, body = body[-1].value, body[:-1]
        plain = [s for s in body if isinstance(s, ast.Assign) and len(s.targets) == 1]
        if len(plain) != len(body) or not _constant_subscripts(function, names):
            return None
        return ScalarFunction(tuple(plain), result)
    return None


def inlined(
    function: ScalarFunction, *, x: str, p: str, g: str, suffix: str
) -> tuple[list[str], str | None]:
    """Statements with plain names, and the returned expression."""
    local = {
        node.id: f"{node.id}_{suffix}"
        for statement in function.statements
        for node in ast.walk(statement.targets[0])
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    rename = _Rename({"x": x, "p": p, "g": g}, local)

    def text(node: ast.AST) -> str:
        copy = ast.parse(ast.unparse(node)).body[0]
        return ast.unparse(rename.visit(copy))

    lines = [text(statement) for statement in function.statements]
    return lines, None if function.result is None else text(function.result)


def parameters_read(function: ScalarFunction) -> set[int]:
    """Which entries of p are used."""
    nodes: list[ast.AST] = [*function.statements]
    if function.result is not None:
        nodes.append(function.result)
    return {
        node.slice.value
        for top in nodes
        for node in ast.walk(top)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "p"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, int)
    }


def header_of(text: str) -> str:
    """Everything outside the three functions of the protocol: imports, constants, helpers."""
    tree = _parsed(text)
    public = ("potential", "gradient", "potential_gradient")
    keep = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and node.name in public)
    ]
    return ast.unparse(ast.Module(body=keep, type_ignores=[]))
