"""Products that are added, rounded once: a b + c as one operation, decided in the text.

A compiler that contracts on its own decides by what surrounds the expression, so that the same
step could round differently in two loops. Written out, it is the same number in every loop, on
every width of vector.
"""

from __future__ import annotations

import ast


def _product(node: ast.expr) -> tuple[ast.expr, ast.expr, bool] | None:
    """(a, b, negative) of a product, or of minus a product."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inside = _product(node.operand)
        return None if inside is None else (inside[0], inside[1], not inside[2])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return node.left, node.right, False
    return None


def _minus(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(op=ast.USub(), operand=node)


class _Fuse(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node  # indices are whole numbers

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add | ast.Sub):
            return node
        subtracted = isinstance(node.op, ast.Sub)
        left, right = _product(node.left), _product(node.right)
        if right is not None:
            a, b, negative = right
            return _call(_minus(a) if negative != subtracted else a, b, node.left)
        if left is not None:
            a, b, negative = left
            rest = _minus(node.right) if subtracted else node.right
            return _call(_minus(a) if negative else a, b, rest)
        return node


def _call(a: ast.expr, b: ast.expr, c: ast.expr) -> ast.Call:
    return ast.Call(func=ast.Name(id="fma", ctx=ast.Load()), args=[a, b, c], keywords=[])


def fused(line: str) -> str:
    """An assignment with every sum that has a product in it as ``fma``.

    ``fma(a, b, c)`` is to be in scope, with real arguments of one type. Sums of two products keep
    the first product's own rounding.
    """
    statement = ast.parse(line).body[0]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add | ast.Sub):
        old = ast.parse(ast.unparse(statement.target), mode="eval").body
        value: ast.expr = ast.BinOp(left=old, op=statement.op, right=statement.value)
        statement = ast.Assign(targets=[statement.target], value=value)
    if isinstance(statement, ast.Assign):
        statement.value = _Fuse().visit(statement.value)
    return ast.unparse(ast.fix_missing_locations(statement))
