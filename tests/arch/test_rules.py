"""The static rules against programs that look for a way around them, and the cheats of `nightshift audit arch`."""

from __future__ import annotations

import pytest

from arch import cheats, rules
from arch.domain import Arch
from arch.reference import program
from tasks.contract import Sandbox

SEED = program("delta_net")
PROGRAMS = cheats.programs(SEED)


def found(code: str) -> set[str]:
    return {issue.rule for issue in rules.issues(code)}


@pytest.mark.parametrize(
    "way",
    [
        "from torch import sys",
        "from functools import update_wrapper",
        "import typing\nkinds = typing.get_type_hints(object)",
        "match math:\n    case object(sys=found):\n        pass",
        "match math:\n    case object(__dict__=found):\n        pass",
        "text = '{0.sys}'.format(torch)",
        "from torch import *",
        "import collections as c\nframe = c._sys._getframe(1)",
        "frame = (lambda: (yield))().gi_frame.f_back",
        "object.__setattr__(SEED, 'x', 1)",
        "found = math.modules",
        "found = torch.PyTorchFileReader('/x')",
        "best = torch.initial_seed() == 7",
    ],
)
def test_ways_around_the_rules_are_closed(way: str) -> None:
    assert "forbidden-attribute" in found(f"import math\nimport torch\n{way}\n{SEED}")


@pytest.mark.parametrize(
    "way", ["read = open", "run = [eval][0]", "get = __builtins__['getattr']", "text = __spec__.loader.get_data('/x')"]
)
def test_what_may_not_be_called_may_not_be_named(way: str) -> None:
    assert "forbidden-call" in found(f"{way}\n{SEED}")


@pytest.mark.parametrize(
    "way",
    [
        "F.cross_entropy, other = None, None",
        "for F.cross_entropy in [None]:\n    pass",
        "with torch.no_grad() as F.cross_entropy:\n    pass",
        "layer = nn.Linear\nlayer.forward = None",
        "del nn.Linear.forward",
        "F.cross_entropy += 1",
    ],
)
def test_nothing_of_a_library_is_set_in_any_kind_of_statement(way: str) -> None:
    assert "patching" in found(f"{SEED}\n{way}\n")


@pytest.mark.parametrize("way", ["import mixers.memory", "from mixers.memory import use", "from mixers import memory",
                                 "from . import training", "import torch.cuda", "from torch import _C",
                                 "from torch import glob as mine", "from dataclasses import re",
                                 "import torch as ctx", "from torch import nn as ctx",
                                 "import torch.nn as self", "x = torch.nn.functional.torch",
                                 "from torch.nn.functional import torch as t", "class A:\n    import torch",
                                 "class A:\n    if True:\n        from torch import nn"])  # fmt: skip
def test_modules_beside_those_that_are_allowed_are_not_imported(way: str) -> None:
    assert found(f"{way}\n{SEED}") & {"forbidden-import", "forbidden-attribute"}


@pytest.mark.parametrize(
    "line",
    [
        "self.conv.data = self.conv.data * 0.5",
        "self._kept = torch.linalg.norm(self.conv)",
        "self.write.bias.requires_grad = False",
        "self.layers = nn.ModuleList()",
        "self.memory = torch.nn.init.normal_(self.conv)",
        "slope = torch.autograd.grad(self.conv.sum(), self.conv)",
        "input, format = self.conv, type(self).__name__",
        "import torch.fft\n        self.spectrum = torch.fft.fft(self.conv)",
        "sizes = [part for part in self.modules() if isinstance(part, nn.Linear)]",
    ],
)
def test_what_mixers_need_is_not_refused(line: str) -> None:
    assert found(SEED.replace(cheats.INIT_END, f"{cheats.INIT_END}        {line}\n")) == set()


def test_every_cheat_differs_from_the_seed_program_and_parses() -> None:
    assert len(set(PROGRAMS.values()) | {SEED}) == len(PROGRAMS) + 1
    assert all("syntax" not in found(code) for code in PROGRAMS.values())
    with pytest.raises(ValueError, match="once in the seed program"):
        cheats.programs(SEED.replace("bias=False", "bias=True"))


HIDDEN_STATES = ["keeps its state in a global", "keeps its state in a function", "keeps its state behind a view",
                 "has a second memory later", "has a second memory in float32"]  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN_STATES)
def test_a_state_that_is_not_handed_over_is_found(name: str, torch_sandbox: Sandbox) -> None:
    assert rules.issues(PROGRAMS[name]) == []
    assert [issue.rule for issue in Arch().probe(PROGRAMS[name], torch_sandbox)] == ["recurrent"]
