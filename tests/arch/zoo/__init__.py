"""Mixers that must not pass, each with the check that catches it. Every one is DeltaNet with a single fault.

`MUTANTS` maps a name to the fault; `program(name)` is the source. They are text: nothing here runs outside a sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from arch.reference import program as reference

FORWARD = "        return self.mix(x_BTD, (None, None), steps=False)[0]\n"
INIT_END = "        self.out = nn.Linear(inner, d_model, bias=False)\n"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: lines added to the end of `__init__`, the body of `forward`, or another text replaced."""

    check: str  # the name of the check, static or dynamic, that has to catch it
    forward: str = ""  # replaces forward's body; `y` is what DeltaNet answers
    init: str = ""
    replace: tuple[str, str] | None = None
    append: str = ""


MUTANTS: dict[str, Mutant] = {
    "gated leak, zero at the start": Mutant(
        "causality", "y + self.gate * x_BTD.mean(1, keepdim=True)", "self.gate = nn.Parameter(torch.zeros(1))"
    ),
    "detached leak": Mutant("causality", "y + 0.1 * x_BTD.flip(1).detach()"),
    "leak in train mode only": Mutant("causality", "y + (0.1 * x_BTD.roll(-1, 1) if self.training else 0.0)"),
    "leak in eval mode only": Mutant("causality", "y if self.training else y + 0.1 * x_BTD.roll(-1, 1)"),
    "leak at the training length only": Mutant(
        "causality", "y + 0.1 * x_BTD.roll(-1, 1) if x_BTD.shape[1] == 64 else y"
    ),
    "mean of the own chunk": Mutant("causality", "y + self.chunk_means(x_BTD)", append="""
    def chunk_means(self, x_BTD):
        parts = [part.mean(1, keepdim=True).expand_as(part) for part in x_BTD.split(16, dim=1)]
        return 0.1 * torch.cat(parts, 1)
"""),
    "norm over the whole sequence": Mutant("causality", "y / (y.square().mean(1, keepdim=True) + 1e-6).sqrt()"),
    "softmax over time": Mutant("causality", "y * self.write(x_BTD).softmax(1).sum(-1, keepdim=True)"),
    "spectral filter": Mutant(
        "causality", "torch.fft.irfft(self.low(torch.fft.rfft(y, dim=1)), n=y.shape[1], dim=1)", append="""
    def low(self, spectrum):
        return spectrum * torch.linspace(1, 0, spectrum.shape[1])[:, None]
"""),
    "convolution that looks ahead": Mutant(
        "causality",
        "y + F.pad(x_BTD, (0, 0, 0, 2))[:, 2:] * self.ahead",
        "self.ahead = nn.Parameter(torch.full((d_model,), 0.01))",
    ),
    "scaled by the length": Mutant("prefix", "y / x_BTD.shape[1]"),
    "norm over the batch": Mutant("batch", "y / (y.square().mean(0, keepdim=True) + 1e-6).sqrt()"),
    "BatchNorm": Mutant("batch", "self.bn(y.mT).mT", "self.bn = nn.BatchNorm1d(d_model)"),
    "fixed length": Mutant("shapes", "y + self.places", "self.places = nn.Parameter(torch.zeros(64, d_model))"),
    "fixed length, literal": Mutant("fixed-shape", "y.reshape(-1, 64, y.shape[2])"),
    "odd lengths fail": Mutant("shapes", "y.unflatten(1, (-1, 2)).flatten(1, 2)"),
    "fixed dtype": Mutant("fixed-dtype", "y.to(torch.float32)"),
    "fixed dtype, hidden": Mutant("shapes", "y + torch.tensor([0.5] * y.shape[2])"),
    "T x T attention": Mutant("quadratic", "y + ((x_BTD @ x_BTD.mT).tril().softmax(-1)) @ x_BTD"),
    "T x T attention, hidden": Mutant("cost", "y + self.scores(x_BTD, x_BTD)", append="""
    def scores(self, a_BTD, b_BTD):
        weight = torch.einsum('btd,bsd->bts', a_BTD, b_BTD)
        keep = torch.arange(a_BTD.shape[1])
        return torch.einsum('bts,bsd->btd', weight * (keep[:, None] >= keep), b_BTD) * 0.001
"""),
    "element-wise T x T": Mutant("cost", "y + self.pairs(x_BTD)", append="""
    def pairs(self, x_BTD):
        level = x_BTD.mean(-1)
        keep = torch.arange(level.shape[1])
        both = (level[:, :, None] - level[:, None, :]).abs() * (keep[:, None] >= keep)
        return 0.01 * both.sum(-1, keepdim=True) / (keep[:, None] + 1)
"""),
    "loop over growing prefixes": Mutant(
        "cost", "y + torch.cat([x_BTD[:, : t + 1].mean(1, keepdim=True) for t in range(x_BTD.shape[1])], 1)"
    ),
    "loop over time": Mutant("cost", "self.mix(x_BTD, (None, None), steps=True)[0]"),
    "no parameters": Mutant("parameters", replace=("", """import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, head_dim):
        super().__init__()

    def forward(self, x_BTD):
        return x_BTD

    def recurrent(self, x_BTD, state=None):
        return x_BTD, state
""")),
    "gradient that is not a number": Mutant(
        "gradients",
        "y * torch.where(self.zero == 0, torch.ones_like(self.zero), self.zero.sqrt() / self.zero)",
        "self.zero = nn.Parameter(torch.zeros(1))",
    ),
    "parameter that is never used": Mutant("gradients", "y", "self.spare = nn.Parameter(torch.ones(d_model))"),
    "explodes": Mutant("growth", "y * torch.linspace(0, 40, x_BTD.shape[1] + 1, dtype=y.dtype).exp()[1:, None]"),
    "recurrent is another function": Mutant("recurrent", replace=(
        "return self.mix(x_BTD, state or (None, None), steps=True)",
        "y, state = self.mix(x_BTD, state or (None, None), steps=True)\n        return 1.1 * y, state",
    )),
    "recurrent hides its state": Mutant("recurrent", replace=(
        "return self.mix(x_BTD, state or (None, None), steps=True)",
        "y, self.kept = self.mix(x_BTD, getattr_free(self), steps=True)\n        return y, ()",
    ), append="""

def getattr_free(mixer):
    return mixer.kept if hasattr(mixer, 'kept') else (None, None)
"""),
    "patches torch": Mutant("patching", "y", "F.cross_entropy = lambda *a, **k: torch.zeros(())"),
    "patches by setattr": Mutant("forbidden-call", "y", "setattr(F, 'cross_entropy', None)"),
    "reads files": Mutant("forbidden-import", "y", append="\n\nimport pathlib\n"),
}  # fmt: skip


def program(name: str) -> str:
    """The source of a mutant. Raises KeyError."""
    mutant = MUTANTS[name]
    if mutant.replace is not None and not mutant.replace[0]:
        return mutant.replace[1]
    code = reference("delta_net")
    if mutant.replace is not None:
        code = _replaced(code, *mutant.replace)
    if mutant.init:
        code = _replaced(code, INIT_END, f"{INIT_END}        {mutant.init}\n")
    if mutant.forward:
        body = f"        y = self.mix(x_BTD, (None, None), steps=False)[0]\n        return {mutant.forward}\n"
        code = _replaced(code, FORWARD, body)
    return code + mutant.append


def _replaced(code: str, old: str, new: str) -> str:
    if code.count(old) != 1:
        raise ValueError(f"expected {old!r} once in the reference, found it {code.count(old)} times")
    return code.replace(old, new)
