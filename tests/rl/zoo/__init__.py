"""Losses that must not pass, each with the check that catches it. Every one is GRPO with a single fault.

`MUTANTS` maps a name to the fault; `program(name)` is the source. They are text: nothing here runs outside a sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from rl.reference import program as reference

RESULT = "    return ((losses_NT * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()\n"
SCALED = "    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()\n"
IMPORTS = "import torch\n"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: another last expression of one of the functions, lines before it, or lines at the top."""

    check: str  # the name of the check, static or dynamic, that has to catch it
    loss: str = ""  # replaces policy_loss's result; `stock` is GRPO's
    advantages: str = ""  # replaces advantages' result; `stock` is GRPO's
    before_loss: str = ""  # a statement before policy_loss's result
    top: str = ""


MUTANTS: dict[str, Mutant] = {
    # shapes
    "loss per completion": Mutant("shapes", loss="losses_NT.mean(1)"),
    "a float, no tensor": Mutant("shapes", loss="float(stock)"),
    "advantages per group": Mutant("shapes", advantages="rewards_GK.mean(1)"),
    "only groups of eight": Mutant("shapes", advantages="stock.view(-1, 8).flatten()"),
    # gradients
    "constant": Mutant("gradients", loss="stock * 0.0"),
    "detached": Mutant("gradients", loss="stock.detach()"),
    "no floor under the deviation": Mutant(
        "gradients", advantages="(centred_GK / rewards_GK.std(1, keepdim=True)).flatten()"
    ),
    "no floor under the length": Mutant("gradients", loss="((losses_NT * mask_NT).sum(1) / mask_NT.sum(1)).mean()"),
    "overflows": Mutant("gradients", loss="stock + torch.exp(40 * (logps_NT - old_NT)).mean()"),
    "root at zero": Mutant("gradients", loss="stock + ((logps_NT - old_NT).square() * mask_NT).sum().sqrt()"),
    "one over the probability": Mutant("gradients", loss="stock + 1e-9 * (mask_NT / torch.exp(2 * logps_NT)).sum()"),
    # sign
    "sign of the loss": Mutant("sign", loss="-stock"),
    "sign of the advantages": Mutant("sign", advantages="-stock"),
    "random advantages": Mutant("sign", advantages="torch.randn(rewards_N.shape, generator=ctx.generator)"),
    "imitates everything": Mutant("sign", loss="-(logps_NT * mask_NT).sum() / ctx.tokens"),
    # order
    "earlier groups count more": Mutant("order", advantages="stock / (1.0 + group_ids_N)"),
    "compares neighbours": Mutant("order", advantages="rewards_N - rewards_N.roll(ctx.group_size)"),
    "compares with the one before": Mutant("order", advantages="rewards_N - rewards_N.roll(1)"),
    "first completion counts": Mutant(
        "order", loss="stock + 0.1 * losses_NT[0].mean() - 0.1 * losses_NT[-1].mean()"
    ),
    "groups by place in the loss": Mutant(
        "order", loss="(losses_NT.view(-1, ctx.group_size, losses_NT.shape[1])[:, 0] * 0.5).mean() + stock"
    ),
    # padding
    "no mask": Mutant("padding", loss="losses_NT.mean()"),
    "mean over the width": Mutant("padding", loss="(losses_NT * mask_NT).mean()"),
    "reads behind the end": Mutant(
        "padding", loss="stock * (1.0 + (logps_NT.detach() * (1 - mask_NT)).mean().abs())"
    ),
    # inputs
    "changes the rewards": Mutant("inputs", advantages="(rewards_N.sub_(0.0).mul_(2.0) - rewards_N.mean())"),
    "changes the advantages": Mutant("inputs", before_loss="advantages_N.mul_(0.5)"),
    "changes the old log-probabilities": Mutant("inputs", before_loss="old_NT.add_(0.01)"),
    "changes the mask": Mutant("inputs", before_loss="mask_NT[:, 0] = 0.0"),
    # memory
    "random numbers of its own": Mutant("memory", loss="stock * (1.0 + 0.1 * torch.rand(()))"),
    "a function's attribute, unseen": Mutant(
        "memory", loss="stock * counted(policy_loss)", top=
        "def counted(function):\n    function.calls = function.calls + 1 if hasattr(function, 'calls') else 1\n"
        "    return 1.0 + 0.1 * function.calls\n",
    ),
    "an iterator as default": Mutant(
        "state", loss="stock * remembered()", top=
        "def remembered(kept=(iter(range(1000)),)):\n    return 1.0 + 0.01 * next(kept[0])\n",
    ),
    # cost
    "all pairs of tokens": Mutant(
        "cost", loss="stock + 0 * (logps_NT.flatten()[:, None] - logps_NT.flatten()).square().mean()"
    ),
    "a loop over tokens": Mutant(
        "cost", loss="stock + 0 * sum((losses_NT[:, t] * mask_NT[:, t]).sum() for t in range(mask_NT.shape[1]))"
    ),
    # static
    "keeps a list": Mutant("state", before_loss="SEEN.append(1)", top="SEEN = []\n"),
    "keeps a global": Mutant("state", before_loss="global CALLS; CALLS = 1", top="CALLS = 0\n"),
    "a mutable default": Mutant("state", top="def helper(kept=[]):\n    kept.append(1)\n"),
    "counts on itself": Mutant("patching", before_loss="policy_loss.calls = 1"),
    "patches torch": Mutant("patching", before_loss="torch.exp = None"),
    "patches by setattr": Mutant("forbidden-call", before_loss="setattr(torch, 'exp', None)"),
    "patches TRL": Mutant("forbidden-import", before_loss="import trl; trl.GRPOTrainer.train = None"),
    "reads files": Mutant("forbidden-import", top="import pathlib\n"),
    "walks frames": Mutant("forbidden-import", top="import sys\n"),
    "walks frames through torch": Mutant("forbidden-attribute", before_loss="torch.sys._getframe()"),
    "walks frames of an error": Mutant("forbidden-attribute", before_loss="error = None; error.__traceback__.tb_frame"),
    "caches": Mutant("forbidden-attribute", top="from functools import lru_cache\n"),
    "no policy_loss": Mutant("contract", top="del_me = 1\n"),
}  # fmt: skip


def program(name: str) -> str:
    """The source of a mutant. Raises KeyError."""
    mutant = MUTANTS[name]
    code = reference("grpo")
    if name == "no policy_loss":
        return code.replace("def policy_loss", "def policy")
    code = _replaced(code, IMPORTS, IMPORTS + mutant.top)
    stock = RESULT.replace("return", "stock =")
    result = f"    return {mutant.loss or 'stock'}\n"
    before = f"    {mutant.before_loss}\n" if mutant.before_loss else ""
    code = _replaced(code, RESULT, before + stock + result)
    stock = SCALED.replace("return", "stock =")
    return _replaced(code, SCALED, f"{stock}    return {mutant.advantages or 'stock'}\n")


def _replaced(code: str, old: str, new: str) -> str:
    if code.count(old) != 1:
        raise ValueError(f"expected {old!r} once in the reference, found it {code.count(old)} times")
    return code.replace(old, new)
