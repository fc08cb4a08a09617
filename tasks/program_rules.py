"""What the domains' static rules have in common: which names a piece of a program reads. Pure; nothing is executed."""

from __future__ import annotations

import ast


def root(node: ast.AST) -> str:
    """The name that a chain of attributes, subscripts and calls begins with; "" if it begins with none.

    >>> root(ast.parse("torch.nn.init(x)[0].data", mode="eval").body)
    'torch'
    """
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def parts_read(node: ast.AST) -> list[str]:
    """Names of attributes that this node alone reads: by a dot, by `from x import name`, by `case Class(name=...)`.

    >>> parts_read(ast.parse("x.data.grad", mode="eval").body)
    ['grad']
    """
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.MatchClass):
        return node.kwd_attrs
    return []
