"""A combination of blocks as a standalone, readable program. Blocks keep their author's text, comments included."""

from __future__ import annotations

import ast
import textwrap

from tasks.contract import Template
from tasks.recombine.genome import Catalogue, Gene, Genome

PLACE = "# {blocks}"
LABEL = "recombined from blocks"


def render(genome: Genome, template: Template, blocks: Catalogue, label: str = LABEL) -> str:
    """The template with the chosen functions and `SLOT = partial(BLOCK, constant=value, ...)` in its place.

    Raises ValueError if the template lacks its place, or if the result does not parse.
    """
    lines = template.program.splitlines()
    if PLACE not in lines:
        raise ValueError(f"expected a line `{PLACE}` in the template's program, found none: add it to the brief")
    place = lines.index(PLACE)
    before, after = "\n".join(lines[:place]), "\n".join(lines[place + 1 :])
    functions = [blocks.block(slot, gene.block).source.strip() for slot, gene in genome.genes]
    choices = "\n".join(_choice(slot, gene) for slot, gene in genome.genes)
    sections = [_with_partial(before).rstrip(), *functions, f"# the slots of the template\n{choices}", after.strip()]
    program = f"{_header(genome, label)}\n" + "\n\n\n".join(section for section in sections if section) + "\n"
    try:
        ast.parse(program)
    except SyntaxError as error:
        raise ValueError(f"the template with blocks {genome.basin} does not parse: {error}") from error
    return program


def _header(genome: Genome, label: str) -> str:
    text = f"{label} {', '.join(genome.basin)}; no language model involved"
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, 110))


def _choice(slot: str, gene: Gene) -> str:
    """One assignment.

    >>> _choice("start", Gene("rows", (("jitter", 0.05),)))
    'start = partial(rows, jitter=0.05)'
    """
    keywords = [ast.keyword(name, ast.Constant(value)) for name, value in gene.constants]
    call = ast.Call(ast.Name("partial", ast.Load()), [ast.Name(gene.block, ast.Load())], keywords)
    assign = ast.Assign([ast.Name(slot, ast.Store())], call, lineno=0)
    return ast.unparse(ast.fix_missing_locations(assign))


def _with_partial(before: str) -> str:
    """The part above the blocks with `from functools import partial` after its last `from __future__` line."""
    lines = before.splitlines()
    line = max((node.end_lineno or 0 for node in ast.parse(before).body if _goes_first(node)), default=0)
    return "\n".join([*lines[:line], "", "from functools import partial", *lines[line:]]).lstrip("\n")


def _goes_first(node: ast.stmt) -> bool:
    """Docstrings and `__future__` imports have to stay above everything else."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
