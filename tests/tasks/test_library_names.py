"""How programs of arch, rl and drug_target reach libraries: ways around the names, and programs that must pass."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import arch.exchange
import arch.reference
import arch.rules
import problems.drug_target.exchange
import problems.drug_target.reference
import problems.drug_target.rules
import rl.exchange
import rl.reference
import rl.rules
from tasks.contract import Issue
from tasks.library_names import Allowed


@dataclass(frozen=True, slots=True)
class Domain:
    issues: Callable[[str], list[Issue]]
    allowed: Allowed
    seed: str
    inside: Path
    loads: str  # what its sandbox imports

    def found(self, code: str) -> set[str]:
        return {issue.rule for issue in self.issues(code)}


DOMAINS = {
    "arch": Domain(
        arch.rules.issues,
        arch.rules.ALLOWED,
        arch.reference.program("delta_net"),
        arch.exchange.INSIDE,
        "mixers, torch.utils.flop_counter, safetensors.torch, checks, adapter",
    ),
    "rl": Domain(
        rl.rules.issues,
        rl.rules.ALLOWED,
        rl.reference.program("grpo"),
        rl.exchange.INSIDE,
        "candidate_process, checks, training, adapter",
    ),
    "drug_target": Domain(
        problems.drug_target.rules.issues,
        problems.drug_target.rules.ALLOWED,
        problems.drug_target.reference.program("drugban"),
        problems.drug_target.exchange.INSIDE,
        "training, adapter",
    ),
}
ALL = pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)

#: What stands in a function, and the rule that refuses it.
WAYS = {
    "files = torch.glob.glob('/*')": "forbidden-attribute",
    "t = torch": "forbidden-attribute",
    "t = [torch.nn][0]": "forbidden-attribute",
    "(lambda t: t.hash)(torch)": "forbidden-attribute",
    "read = torch.nn.functional.np.fromfile('/x')": "forbidden-attribute",
    "x = torch.nn.functional.torch": "forbidden-attribute",
    "import torch.nn.functional as f; f.np.fromfile('/x')": "forbidden-attribute",
    "x = torch._C": "forbidden-attribute",
    "x = torch.__getattribute__('glob')": "forbidden-attribute",
    "x = torch.nn.functional.linear.__getattribute__('__globals__')": "forbidden-attribute",
    "x = '{0.gi_frame.f_back.f_locals}'.format(y for y in ())": "forbidden-attribute",
    "x = (y for y in ()).gi_frame": "forbidden-attribute",
    "import functools; functools.update_wrapper(x, y)": "forbidden-attribute",
    "x = torch.PyTorchFileReader('/x')": "forbidden-attribute",
    "from torch import glob as mine": "forbidden-import",
    "from torch.nn.functional import torch as t": "forbidden-import",
    "import torch.cuda": "forbidden-import",
    "read = open": "forbidden-call",
    "x = __builtins__": "forbidden-call",
    "layer = torch.nn.Linear; layer.forward = None": "patching",
    "for torch.exp in [max]: pass": "patching",
    "self = torch.nn.Linear; self.forward = None": "patching",
    "del torch.nn.Linear.forward": "patching",
}


@ALL
@pytest.mark.parametrize(("way", "rule"), WAYS.items())
def test_ways_around_the_names_are_closed(domain: Domain, way: str, rule: str) -> None:
    found = domain.issues(f"{domain.seed}\nimport torch\n\ndef helper(x, y):\n    {way}\n")
    assert rule in {issue.rule for issue in found}
    assert all("`" in issue.message for issue in found)  # it names what it refuses


def test_a_message_names_what_is_refused_and_for_what() -> None:
    seed = DOMAINS["rl"].seed
    (issue,) = rl.rules.issues(f"{seed}\ndef helper():\n    return torch.glob.glob('/')\n")
    assert issue.message == "`torch.glob` may not be used in a loss"
    (issue,) = rl.rules.issues(f"{seed}\ndef helper():\n    t = torch\n")
    assert issue.message == "`torch` is used as a value: a library is reached by its name alone"


REACHABLE = """
import importlib, sys, types
allowed = {name: importlib.import_module(name) for name in sys.argv[1].split()}
for name in sys.argv[2].split(", "):
    importlib.import_module(name)
for path, module in allowed.items():
    for name, value in vars(module).items():
        if isinstance(value, types.ModuleType) and f"{path}.{name}" not in allowed:
            print(f"{path}.{name}")
"""


@pytest.mark.domains  # it reads all of torch
@ALL
def test_no_other_module_can_be_read_from_a_library(domain: Domain) -> None:
    """With the versions that are installed, and after all that the sandbox imports."""
    environment = {**os.environ, "PYTHONPATH": str(domain.inside)}
    libraries = " ".join(sorted(domain.allowed.libraries))
    command = [sys.executable, "-c", REACHABLE, libraries, domain.loads]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    paths = done.stdout.split()
    assert len(paths) > 80
    refused = {path: domain.found(f"import {path.rpartition('.')[0]}\nx = {path}.y\n{domain.seed}") for path in paths}
    assert [path for path, rules in refused.items() if "forbidden-attribute" not in rules] == []


LOSSES = {
    "functional, helpers and annotations": """
from __future__ import annotations

import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-6
LOG_MAX = math.log(10.0)


def _masked_mean(x: Tensor, mask: Tensor, dim: Optional[int] = None) -> Tensor:
    if dim is None:
        return (x * mask).sum() / mask.sum().clamp(min=1.0)
    return (x * mask).sum(dim) / mask.sum(dim).clamp(min=1.0)


def advantages(rewards, group_ids, ctx):
    grouped = rewards.view(-1, ctx.group_size)
    ranks = grouped.argsort(dim=1).argsort(dim=1).to(grouped.dtype)
    weights = F.softmax(ranks / ctx.group_size, dim=1)
    return ((grouped - (weights * grouped).sum(1, keepdim=True)) / (grouped.std(dim=1, keepdim=True) + EPS)).flatten()


def policy_loss(logps, old_logps, ref_logps, advantages, mask, ctx):
    log_ratio = torch.clamp(logps - old_logps, -LOG_MAX, LOG_MAX)
    gate = torch.sigmoid(4.0 * (torch.exp(log_ratio.detach()) - 1.0))
    surrogate = F.softplus(-log_ratio) * gate * advantages.unsqueeze(-1)
    return _masked_mean(surrogate, mask)
""",
    "special functions, groups by their numbers": '''
import torch


def advantages(rewards, group_ids, ctx):
    out = torch.zeros_like(rewards)
    for g in torch.unique(group_ids):
        index = (group_ids == g).nonzero(as_tuple=True)[0]
        r = rewards[index]
        out[index] = (r - r.mean()) / (r.std(unbiased=False) + 1e-4)
    return out / torch.linalg.vector_norm(out).clamp(min=1.0)


def policy_loss(logps, old, ref, adv, mask, ctx):
    """Sequence-level with a smooth clip."""
    lengths = mask.sum(dim=-1).clamp(min=1)
    seq = ((logps - old) * mask).sum(-1) / lengths
    with torch.no_grad():
        weight = torch.special.expit(-(seq.abs() - ctx.epsilon_high) / 0.05)
    per_sequence = -torch.min(seq.exp() * adv, seq.exp().clamp(1 - ctx.epsilon_low, 1 + ctx.epsilon_high) * adv)
    return (per_sequence * weight).mean()
''',
    "a penalty on the reference": """
from functools import partial

import torch
from torch.nn import functional as F

USES_REFERENCE = True
BETA = 0.04


def k3(logps, ref):
    delta = ref - logps
    return torch.exp(delta) - delta - 1.0


penalty = partial(max, 0.0)


def advantages(rewards_N, group_ids_N, ctx):
    r = rewards_N.reshape(-1, ctx.group_size)
    k = r.shape[1]
    baseline = (r.sum(1, keepdim=True) - r) / (k - 1)
    return (r - baseline).reshape(-1)


def policy_loss(logps_NT, old_NT, ref_NT, advantages_N, mask_NT, ctx):
    ratio = (logps_NT - old_NT).exp()
    a = advantages_N.view(-1, 1)
    pg = torch.where(a > 0, -torch.minimum(ratio, torch.full_like(ratio, 1.28)) * a, -ratio * a)
    pg = F.huber_loss(pg, torch.zeros_like(pg), reduction="none") * pg.detach().sign() + BETA * k3(logps_NT, ref_NT)
    return (pg * mask_NT).sum() / float(ctx.tokens)
""",
}
MODELS = {
    "attention over both, with a configuration": """
from dataclasses import dataclass
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["Model"]


@dataclass
class Config:
    width: int = 32
    heads: int = 4


class CrossAttention(nn.Module):
    def __init__(self, cfg: Config):
        super(CrossAttention, self).__init__()
        self.cfg = cfg
        self.q, self.k, self.v = (nn.Linear(cfg.width, cfg.width) for _ in range(3))
        self._scale = 1.0 / math.sqrt(cfg.width)

    def forward(self, a, b, mask):
        scores = torch.einsum("bnd,bld->bnl", self.q(a), self.k(b)) * self._scale
        scores = scores.masked_fill(mask[:, None, :] == 0, float("-inf"))
        return scores.softmax(dim=-1) @ self.v(b)


class Model(nn.Module):
    def __init__(self, atom_features, residues):
        super().__init__()
        cfg = Config()
        self.atoms = nn.Linear(atom_features, cfg.width)
        self.residues = nn.Embedding(residues, cfg.width, padding_idx=0)
        self.cross = CrossAttention(cfg)
        self.head = nn.Sequential(nn.LayerNorm(cfg.width), nn.Dropout(0.1), nn.Linear(cfg.width, 1))
        self.apply(self._init_weights)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def _init_weights(self, m):
        if isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, atoms_BNF, bonds_BNN, residues_BL):
        h = F.gelu(self.atoms(atoms_BNF))
        p = self.residues(residues_BL)
        h = h + self.cross(h, p, (residues_BL != 0).float())
        mask = atoms_BNF[..., -1:]
        return self.head((h * mask).sum(1) / mask.sum(1).clamp(min=1)).squeeze(-1)
""",
    "a gradient that is reversed, typed": '''
from __future__ import annotations
from collections import OrderedDict
from typing import List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.autograd import Function


class Reverse(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.alpha * grad, None


class Model(nn.Module):
    """Two towers, with bonds by kind."""

    def __init__(self, atom_features: int, residues: int, hidden: Optional[List[int]] = None) -> None:
        super().__init__()
        hidden = hidden or [32, 16]
        self.kinds = nn.Parameter(torch.empty(5))
        torch.nn.init.uniform_(self.kinds, 0.0, 1.0)
        self.drug = nn.Sequential(OrderedDict(first=nn.Linear(atom_features, hidden[0]), act=nn.ReLU()))
        self.protein = nn.GRU(input_size=16, hidden_size=hidden[0], batch_first=True, bidirectional=False)
        self.embed = nn.Embedding(residues, 16)
        self.out = nn.Bilinear(hidden[0], hidden[0], 1)
        self.register_buffer("step", torch.zeros(()))

    def forward(self, atoms: Tensor, bonds: Tensor, residues: Tensor) -> Tensor:
        adjacency = torch.stack([(bonds == k).float() * self.kinds[k] for k in range(1, 5)]).sum(0)
        h = self.drug(atoms)
        h = h + adjacency @ h
        states, _ = self.protein(self.embed(residues))
        pooled: Tuple[Tensor, Tensor] = (h.amax(dim=1), states.mean(dim=1))
        return self.out(*pooled)[:, 0]
''',
    "convolutions and a loop over layers": """
import itertools
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

conv = partial(nn.Conv1d, kernel_size=5, padding=2)


class Block(nn.Module):
    def __init__(self, d, dilation=1):
        super().__init__()
        self.norm = nn.GroupNorm(1, d)
        self.conv = nn.Conv1d(d, d, 3, padding=dilation, dilation=dilation)

    def forward(self, x):
        return x + self.conv(F.silu(self.norm(x)))


class Model(nn.Module):
    def __init__(self, atom_features, residues):
        super().__init__()
        d = 24
        self.atom = nn.Linear(atom_features, d)
        self.convs = nn.ModuleList([nn.Linear(d, d) for _ in range(3)])
        self.embed = nn.Embedding(residues, d)
        self.stem = conv(d, d)
        self.blocks = nn.Sequential(*[Block(d, 2 ** i) for i in range(3)])
        self.bias = nn.Parameter(torch.zeros(1))
        if not any(p.requires_grad for p in itertools.chain(self.parameters())):
            raise ValueError(f"{type(self).__name__} has no parameters")
        with torch.no_grad():
            self.atom.weight.mul_(0.5)
        self.embed.weight.data[0] = 0.0

    def forward(self, atoms_BNF, bonds_BNN, residues_BL):
        B, N, n_features = atoms_BNF.shape
        near = (bonds_BNN > 0).to(atoms_BNF.dtype)
        near = near / near.sum(-1, keepdim=True).clamp(min=1.0)
        h = self.atom(atoms_BNF)
        for layer in self.convs:
            h = F.relu(layer(near @ h)) + h
        p = self.blocks(self.stem(self.embed(residues_BL).transpose(1, 2)))
        scores = torch.bmm(h, p)
        return scores.flatten(1).logsumexp(dim=1) - torch.log(torch.tensor(float(N))) + self.bias
""",
}


@pytest.mark.parametrize("code", LOSSES.values(), ids=LOSSES)
def test_losses_as_they_are_usually_written_pass(code: str) -> None:
    assert rl.rules.issues(code) == []


@pytest.mark.parametrize("code", MODELS.values(), ids=MODELS)
def test_models_as_they_are_usually_written_pass(code: str) -> None:
    assert problems.drug_target.rules.issues(code) == []
