"""Which libraries a mixer may import, and that it reaches them by their dotted names alone. Static; no torch.

A library's namespace holds whatever it imported itself: `torch.glob`, `dataclasses.re.enum.bltns`. So a part of a
library that is a module may be read only if it is in `LIBRARIES`, and a library may not be a value (`t = torch`,
`f(torch)`), since then its parts would be read from a name that nobody follows. `SUBMODULES` are the modules that torch
and Python keep in these namespaces; tests/arch/test_rules.py compares them with those that are installed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tasks.contract import Issue

LIBRARIES = frozenset({
    "__future__", "collections", "collections.abc", "dataclasses", "functools", "itertools", "math", "mixers", "torch",
    "torch.autograd", "torch.fft", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.special",
    "typing",
})  # fmt: skip
#: Modules in those namespaces, beside the libraries themselves and what arch/rules.py refuses under any name.
SUBMODULES = frozenset({
    "abc", "accelerator", "amp", "anomaly_mode", "ao", "attention", "chunked", "classes", "common_types", "compiler",
    "contextlib", "copy", "cpp", "cpu", "cuda", "distributions", "export", "forward_ad", "func", "function",
    "functional", "futures", "fx", "glob", "grad", "grad_mode", "graph", "intrinsic", "keyword", "layers", "masked",
    "memory", "monitor", "mps", "mtia", "nested", "np", "operator", "optim", "package", "parallel", "parameter",
    "platform", "profiler", "profiler_legacy", "profiler_util", "qat", "quantizable", "quantization", "quantized",
    "quasirandom", "random", "re", "return_types", "signal", "sparse", "stdlib_re", "stepwise", "storage", "testing",
    "textwrap", "torch_version", "trunk", "version", "warnings", "windows", "xpu",
})  # fmt: skip
FUNCTIONS = frozenset({"torch.autograd.grad", "torch.fft.fft"})  # of the same name as a module elsewhere
#: A library by another way than its own: `torch.nn.functional.torch`, whose parts nobody would follow.
LAST_NAMES = frozenset({name.rpartition(".")[2] for name in LIBRARIES})


def issues(tree: ast.Module) -> list[Issue]:
    """Imports of anything else, parts that are other modules, and libraries that are handed on."""
    known = _names(tree)
    bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = list[Issue]()
    for node in ast.walk(tree):
        found += [*_imports(node), *_of_classes(node)]
        if isinstance(node, ast.Name | ast.Attribute) and (path := _path(node, known)):
            found += _read(node, path, is_base=id(node) in bases)
    return found


def _imports(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module if node.module and not node.level else "."
        names = [base if not _is_module(f"{base}.{alias.name}") else f"{base}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        if name not in LIBRARIES:
            message = f"`{name}` may not be imported; mixers, torch and math are there"
            yield Issue("forbidden-import", message, node.lineno)


def _of_classes(node: ast.AST) -> Iterator[Issue]:
    """Imports among the statements of a class, which make a library an attribute."""
    statements = list(node.body) if isinstance(node, ast.ClassDef) else []
    for each in statements:  # it grows
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield Issue("forbidden-import", "imports stand at the top or in functions, not in a class", each.lineno)
        elif not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            statements += [inner for inner in ast.walk(each) if isinstance(inner, ast.Import | ast.ImportFrom)]


def _names(tree: ast.Module) -> dict[str, str]:
    """Which library each name stands for."""
    found = dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops = {alias.name.partition(".")[0] for alias in node.names if not alias.asname}
            found |= {top: top for top in tops}
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            paths = {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name: path for name, path in paths.items() if path in LIBRARIES}
    return found


def _path(node: ast.AST, known: dict[str, str]) -> str:
    """The dotted name from a library on, if that is what the node is; "" else."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute) and (before := _path(node.value, known)):
        return f"{before}.{node.attr}" if before in LIBRARIES else ""
    return ""


def _read(node: ast.Name | ast.Attribute, path: str, *, is_base: bool) -> Iterator[Issue]:
    if path in LIBRARIES and not is_base:
        message = f"`{ast.unparse(node)}` is used as a value: a library is reached by its name alone"
        yield Issue("forbidden-attribute", message, node.lineno)
    elif _is_module(path):
        yield Issue("forbidden-attribute", f"`{path}` may not be used in a mixer", node.lineno)


def _is_module(path: str) -> bool:
    """Whether that part of a library is a module of its own that mixers may not read."""
    return path.rpartition(".")[2] in SUBMODULES | LAST_NAMES and path not in LIBRARIES | FUNCTIONS
