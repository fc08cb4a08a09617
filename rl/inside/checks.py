"""Dynamic checks on a loss, run inside the sandbox: they measure and decide nothing.

rl/verdicts.py, outside, holds the numbers against limits. The candidate shares this process, so every number is a
claim; in training it has a process of its own in which there is nothing to forge.

A loss may draw random numbers from `ctx.generator`. Where the result depends on them, order and padding are compared in
the mean over DRAWS seeds, with the standard error of the difference.

Shapes: N completions, G groups, K completions of a group, T completion tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from candidate_module import loaded
from surface import Context
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Numbers = dict[str, Any]
DRAWS = 24
SIGN_BATCHES = 8
SIZES = ((1, 4, 1), (2, 4, 5), (5, 8, 8), (3, 6, 33))  # G, K, T
COST_SIZE = (16, 8, 256)
REFERENCE_BETA = 0.04


@dataclass(frozen=True, slots=True)
class Case:
    """Inputs of both functions."""

    rewards_N: Tensor
    ids_N: Tensor
    logps_NT: Tensor
    old_NT: Tensor
    ref_NT: Tensor | None
    mask_NT: Tensor
    group_size: int
    longest: int

    def context(self, seed: int = 0) -> Context:
        """As the trainer gives it."""
        return Context(
            step=3,
            steps=40,
            iteration=1,
            group_size=self.group_size,
            epsilon_low=0.2,
            epsilon_high=0.2,
            beta=0.0 if self.ref_NT is None else REFERENCE_BETA,
            longest=self.longest,
            tokens=float(self.mask_NT.sum()),
            group_ids=self.ids_N,
            generator=torch.Generator().manual_seed(seed),
        )


def run(candidate_path: str, seed: int, uses_reference: bool) -> dict[str, Numbers]:
    """Every check's numbers; {"error": ...} where the candidate raised."""
    found = loaded(candidate_path)
    setting = Setting(found, seed, uses_reference)
    return {name: _caught(check, setting) for name, check in CHECKS.items()}


@dataclass(frozen=True, slots=True)
class Setting:
    """The candidate, and what the checks run with."""

    module: Any
    seed: int
    uses_reference: bool

    def case(self, size: tuple[int, int, int], salt: int = 0, spread: float = 0.1) -> Case:
        """Random inputs; rewards are 0 or 1, and both occur in every group."""
        groups, each, length = size
        g = torch.Generator().manual_seed(self.seed * 1000 + salt)
        rewards_GK = (torch.rand(groups, each, generator=g) < 0.4).float()
        rewards_GK[:, 0], rewards_GK[:, -1] = 1.0, 0.0
        logps_NT = -2.0 * torch.rand(groups * each, length, generator=g) - 0.05
        lengths_N = torch.randint(1, length + 1, (groups * each,), generator=g)
        noise_NT = torch.randn(logps_NT.shape, generator=g) * spread
        ref_NT = logps_NT + 0.3 * torch.randn(logps_NT.shape, generator=g)
        return Case(
            rewards_GK.flatten(),
            torch.arange(groups).repeat_interleave(each),
            logps_NT,
            logps_NT + noise_NT,
            ref_NT if self.uses_reference else None,
            (torch.arange(length) < lengths_N[:, None]).float(),
            each,
            length,
        )

    def advantages(self, case: Case, seed: int = 0) -> Tensor:
        """What the candidate answers for a case."""
        answer: Tensor = self.module.advantages(case.rewards_N.clone(), case.ids_N.clone(), case.context(seed))
        return answer.detach()

    def loss(self, case: Case, advantages_N: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
        """The loss and its gradient, (N, T)."""
        logps_NT = case.logps_NT.clone().requires_grad_()
        ref_NT = None if case.ref_NT is None else case.ref_NT.clone()
        given = (logps_NT, case.old_NT.clone(), ref_NT, advantages_N.clone(), case.mask_NT.clone())
        loss: Tensor = self.module.policy_loss(*given, case.context(seed))
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return loss, torch.zeros_like(logps_NT)
        (slope,) = torch.autograd.grad(loss.sum(), logps_NT, allow_unused=True)
        return loss.detach(), torch.zeros_like(logps_NT) if slope is None else slope

    def slope(self, case: Case, seed: int = 0) -> Tensor:
        """The gradient through both functions, (N, T)."""
        return self.loss(case, self.advantages(case, seed), seed)[1]


def _caught(check: Callable[[Setting], Numbers], setting: Setting) -> Numbers:
    try:
        numbers = check(setting)
        odd = [name for name, value in numbers.items() if isinstance(value, float) and not math.isfinite(value)]
        return {"error": f"{', '.join(odd)}: not finite"} if odd else numbers
    except Exception as error:  # noqa: BLE001 - the candidate's code raises what it likes; this is the process's edge
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def shapes(setting: Setting) -> Numbers:
    """Sizes tried at which an answer has the wrong form."""
    wrong = []
    for size in SIZES:
        case = setting.case(size)
        advantages_N = setting.advantages(case)
        loss = setting.loss(case, advantages_N)[0]
        if advantages_N.shape != case.rewards_N.shape:
            wrong.append(f"advantages: {tuple(advantages_N.shape)} for {len(case.rewards_N)} rewards")
        elif not isinstance(loss, Tensor) or loss.dim() != 0:
            wrong.append(f"policy_loss: expected a scalar, got {getattr(loss, 'shape', type(loss).__name__)}")
    return {"count": len(wrong), "wrong": wrong[:4]}


def gradients(setting: Setting) -> Numbers:
    """Whether everything is finite, also at the edges, and how large the gradient is."""
    bad, largest = [], 0.0
    for name, case in _edges(setting):
        advantages_N = setting.advantages(case)
        loss, slope_NT = setting.loss(case, advantages_N)
        parts = {"advantages": advantages_N, "loss": loss, "gradient": slope_NT}
        bad += [f"{part} ({name})" for part, value in parts.items() if not bool(torch.isfinite(value).all())]
        if name == "plain":
            largest = float(slope_NT.abs().max())
    return {"bad": bad[:6], "largest": largest if math.isfinite(largest) else 0.0}


def _edges(setting: Setting) -> Iterator[tuple[str, Case]]:
    plain = setting.case((4, 8, 8))
    empty_NT = plain.mask_NT.clone()
    empty_NT[0] = 0.0
    yield "plain", plain
    yield "first pass, ratio 1", replace(plain, old_NT=plain.logps_NT)
    yield "equal rewards", replace(plain, rewards_N=torch.ones_like(plain.rewards_N))
    yield "graded rewards", replace(plain, rewards_N=torch.linspace(0.0, 1.0, len(plain.rewards_N)))
    yield "an empty completion", replace(plain, mask_NT=empty_NT)
    yield "log ratios of 8", replace(plain, old_NT=plain.logps_NT - 8.0 * torch.sign(plain.rewards_N - 0.5)[:, None])
    yield "log-probabilities of -60", replace(plain, logps_NT=plain.logps_NT - 60, old_NT=plain.old_NT - 60)


def sign(setting: Setting) -> Numbers:
    """How the loss moves, at ratio 1, when better completions become more probable and worse ones less; a mean."""
    slopes = []
    for salt in range(SIGN_BATCHES):
        case = setting.case((8, 8, 8), salt)
        case = replace(case, old_NT=case.logps_NT)
        better_N = case.rewards_N - case.rewards_N.view(-1, 8).mean(1).repeat_interleave(8)
        slope_NT = setting.slope(case, seed=salt)
        size = float(slope_NT.norm() * (better_N[:, None] * case.mask_NT).norm())
        slopes.append(float((slope_NT * better_N[:, None] * case.mask_NT).sum()) / max(size, 1e-30))
    return {"mean": sum(slopes) / len(slopes), "worst": max(slopes)}


def order(setting: Setting) -> Numbers:
    """How far advantages and gradients move when the groups come in another order, relative to their size."""
    case, g = setting.case((6, 8, 8)), torch.Generator().manual_seed(setting.seed)
    within_GK = torch.rand(6, 8, generator=g).argsort(1)  # else every group begins and ends alike, and neighbours would
    case = replace(case, rewards_N=case.rewards_N.view(6, 8).gather(1, within_GK).flatten())  # look the same
    moved = torch.arange(48).view(6, 8)[torch.randperm(6, generator=g)].flatten()
    whole = replace(case, rewards_N=case.rewards_N[moved], **_rows(case, moved))  # ids count places, as a trainer's do
    numbers = _compared(
        "advantages", lambda seed: setting.advantages(case, seed)[moved], lambda seed: setting.advantages(whole, seed)
    )
    advantages_N = setting.advantages(case)
    mixed = torch.randperm(48, generator=g)  # as a trainer shuffles completions before the loss
    names_G = torch.randperm(6, generator=g)  # other numbers for the same groups
    shuffled = replace(case, rewards_N=case.rewards_N[mixed], ids_N=names_G[case.ids_N[mixed]], **_rows(case, mixed))
    return numbers | _compared(
        "gradient",
        lambda seed: setting.loss(case, advantages_N, seed)[1][mixed],
        lambda seed: setting.loss(shuffled, advantages_N[mixed], seed)[1],
    )


def _rows(case: Case, moved: Tensor) -> dict[str, Any]:
    names = ("logps_NT", "old_NT", "ref_NT", "mask_NT")
    return {name: None if getattr(case, name) is None else getattr(case, name)[moved] for name in names}


def padding(setting: Setting) -> Numbers:
    """How far the gradient moves when columns without tokens are added, and how large it is on them."""
    case = setting.case((4, 8, 8))
    g = torch.Generator().manual_seed(setting.seed + 1)
    advantages_N = setting.advantages(case)
    wide = replace(
        case,
        logps_NT=_widened(case.logps_NT, g),
        old_NT=_widened(case.old_NT, g),
        ref_NT=None if case.ref_NT is None else _widened(case.ref_NT, g),
        mask_NT=torch.cat([case.mask_NT, torch.zeros(32, 5)], 1),
    )
    noisy = replace(case, logps_NT=torch.where(case.mask_NT > 0, case.logps_NT, case.logps_NT - 1.0))

    def slope(changed: Case, seed: int) -> Tensor:
        return setting.loss(changed, advantages_N, seed)[1]

    outside = max(float((slope(each, 0) * (1 - each.mask_NT)).abs().max()) for each in (case, wide, noisy))
    return {
        "outside": outside / max(float(slope(case, 0).abs().max()), 1e-30),
        **_compared("wide", lambda seed: slope(case, seed), lambda seed: slope(wide, seed)[:, :8]),
        **_compared("content", lambda seed: slope(case, seed), lambda seed: slope(noisy, seed)),
    }


def _widened(value_NT: Tensor, g: torch.Generator) -> Tensor:
    return torch.cat([value_NT, -torch.rand(len(value_NT), 5, generator=g)], 1)


def _compared(name: str, one: Callable[[int], Tensor], other: Callable[[int], Tensor]) -> Numbers:
    """The largest difference relative to the size of `one`; for random ones, in standard errors of their mean."""
    first, second = one(0), other(0)
    size = max(float(first.abs().max()), 1e-30)
    if torch.equal(first, one(1)) and torch.equal(second, other(1)):
        return {name: float((first - second).abs().max()) / size, f"{name}_errors": 0.0}
    draws = torch.stack([torch.stack([one(seed), other(seed + DRAWS)]) for seed in range(DRAWS)]).double()
    gap = (draws[:, 0] - draws[:, 1]).flatten(1).sum(1)  # one number a draw: coordinates share their noise
    error = float(gap.std() / math.sqrt(DRAWS))
    return {name: 0.0, f"{name}_errors": abs(float(gap.mean())) / max(error, 1e-12 * size)}


def inputs(setting: Setting) -> Numbers:
    """Which inputs are changed by the call."""
    case = setting.case((4, 8, 8))
    given = {"rewards": case.rewards_N.clone(), "group_ids": case.ids_N.clone()}
    ctx = case.context()
    kept = {name: value.clone() for name, value in given.items()}
    advantages_N = setting.module.advantages(given["rewards"], given["group_ids"], ctx)
    changed = [name for name, value in given.items() if not torch.equal(value, kept[name])]
    logps_NT = case.logps_NT.clone().requires_grad_()
    rest = {"old": case.old_NT.clone(), "advantages": advantages_N.detach().clone(), "mask": case.mask_NT.clone()}
    kept = {name: value.clone() for name, value in rest.items()}
    ref_NT = None if case.ref_NT is None else case.ref_NT.clone()
    setting.module.policy_loss(logps_NT, rest["old"], ref_NT, rest["advantages"], rest["mask"], ctx)
    changed += [name for name, value in rest.items() if not torch.equal(value, kept[name])]
    if not torch.equal(logps_NT, case.logps_NT):
        changed.append("logps")
    return {"changed": changed}


def memory(setting: Setting) -> Numbers:
    """How far the same call's answer moves after other calls were made: a pure function's does not."""
    case, other = setting.case((4, 8, 8)), setting.case((4, 8, 8), salt=9)
    first = setting.slope(case, seed=5)
    torch.manual_seed(11)
    for seed in range(3):
        setting.slope(other, seed)
    torch.manual_seed(12)  # random numbers that are not drawn from ctx.generator differ now
    gap = float((setting.slope(case, seed=5) - first).abs().max())
    return {"moved": gap / max(float(first.abs().max()), 1e-30)}


def cost(setting: Setting) -> Numbers:
    """Operations, numbers moved and the largest tensor of one call of both functions, forward and backward."""
    case = setting.case(COST_SIZE)
    with _counted() as count:
        setting.slope(case)
    tokens = case.logps_NT.numel()
    return {
        "operations": count.operations,
        "traffic_per_token": count.traffic / tokens,
        "largest_per_token": count.largest / tokens,
    }


@dataclass
class _Count:
    operations: int = 0
    traffic: int = 0
    largest: int = 0


@dataclass
class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch's own
    count: _Count = field(default_factory=_Count)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: wrapped against compilation, the first call would import torch._dynamo, 1.4 CPU s in every job."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.count.operations += 1
        self.count.traffic += sum(sizes)
        self.count.largest = max(self.count.largest, *sizes, 0)
        return out


@contextmanager
def _counted() -> Iterator[_Count]:
    mode = _Counting()
    with mode:
        yield mode.count


CHECKS: dict[str, Callable[[Setting], Numbers]] = {
    "shapes": shapes,
    "gradients": gradients,
    "sign": sign,
    "order": order,
    "padding": padding,
    "inputs": inputs,
    "memory": memory,
    "cost": cost,
}
