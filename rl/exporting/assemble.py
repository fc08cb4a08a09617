"""Puts a candidate's loss, its context and TRL's trainer around it into a package of three files. Pure text; no torch.

`loss.py` needs torch alone, `trainer.py` TRL 1.16 as well; `selftest.py` tests the loss. What a model wrote (ids,
motivation) is only ever a literal.
"""

from __future__ import annotations

import ast
import json
import pprint
from collections.abc import Mapping
from pathlib import Path

from cognition.records import JSON
from rl.rules import uses_reference

HERE = Path(__file__).parent
ROOT = HERE.parent
OURS = frozenset({"Context", "PROVENANCE", "Advantages", "PolicyLoss", "Settings", "Loss", "USES_A_REFERENCE"})
PACKAGE = '''\
"""A loss for TRL's GRPOTrainer that was evolved. PROVENANCE in loss.py says which, from what, and what it scored.

    from THIS.trainer import EvolvedGRPOTrainer          # in place of GRPOTrainer, same arguments
    from THIS.loss import advantages, policy_loss        # or the two functions

On another scale or with other data nothing is known about it.
"""
'''
LOSS = '''\
"""An evolved advantage and policy loss; needs torch alone. See PROVENANCE."""

# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

PROVENANCE = {provenance}
USES_A_REFERENCE = {reference}  # the loss reads log-probabilities of a reference model: GRPOConfig(beta=...) above 0


# The program, as it was judged.

{code}


# What both functions are given as `ctx`.

{surface}'''
TRAINER = '''

class EvolvedGRPOTrainer(CandidateGRPOTrainer):
    """TRL's trainer with the loss beside this file. Takes GRPOTrainer's arguments."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, loss=Loss(advantages, policy_loss, USES_A_REFERENCE), **named)
'''


class ExportError(ValueError):
    """The program cannot be exported; the message says why."""


def assembled(code: str, provenance: Mapping[str, JSON]) -> dict[str, str]:
    """The package's files. Raises ExportError, or SyntaxError where the program is none."""
    tree = ast.parse(code)
    taken = sorted(OURS & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    if taken:
        raise ExportError(f"the program uses the name {taken[0]}, which the exported file needs: rename it")
    literal = pprint.pformat(json.loads(json.dumps(provenance)), width=110, sort_dicts=False)
    surface = _body(ROOT / "inside" / "surface.py")
    surface = surface.replace("\nfrom dataclasses", "\nfrom dataclasses").strip() + "\n"
    loss = LOSS.format(
        provenance=literal, reference=uses_reference(code), code=_without_future(code, tree).strip(), surface=surface
    )
    trainer = (ROOT / "hooks.py").read_text(encoding="utf-8")
    wanted = "from .loss import USES_A_REFERENCE, Advantages, Context, PolicyLoss, advantages, policy_loss"
    trainer = _replaced(trainer, "from rl.inside.surface import Advantages, Context, PolicyLoss", wanted)
    return {
        "__init__.py": PACKAGE,
        "loss.py": loss,
        "trainer.py": trainer.rstrip() + "\n" + TRAINER,
        "selftest.py": (HERE / "selftest.py").read_text(encoding="utf-8"),
        "provenance.json": json.dumps(provenance, indent=2),
    }


def _body(path: Path) -> str:
    """A module without its docstring and its `__future__` line."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    return _without_future("\n".join(lines[tree.body[0].end_lineno or 0 :]), None)


def _without_future(code: str, tree: ast.Module | None) -> str:
    """A program without its imports from `__future__`, which the file has at its top; a docstring stays a literal."""
    lines = code.splitlines()
    for node in (tree or ast.parse(code)).body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            assert node.end_lineno is not None
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)


def _replaced(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ExportError(f"expected {old!r} once in rl/hooks.py, found it {text.count(old)} times")
    return text.replace(old, new)
