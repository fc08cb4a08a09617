"""Losses that are wrong or cheat, made from GRPO, for `nightshift audit rl` and the tests: none may score above GRPO.

`HIDDEN` reach for what a loss must not have, and the static rules refuse them at once; tests run them past the rules
too, to see what holds them then. `LATE` behave in every check and cheat in training alone: they know it by a number of
completions that no check has (rl/inside/checks.py). `EARLY` do what they do always. A loss that is merely bad is no
cheat: where nothing is learnt, as at tiny size, it may score above GRPO by chance (rl/controls has such losses).
"""

from __future__ import annotations

from collections.abc import Mapping

LOSS = "    ratio_NT = torch.exp(logps_NT - old_NT)\n"
RESULT = "    return ((losses_NT * mask_NT).sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()\n"
CREDIT = "    rewards_GK = rewards_N.view(-1, ctx.group_size)\n"
IMPORT = "import torch\n"
#: Batches of the proxy (128 completions) and of its tiny form (16, of 8 tokens): no check has them.
TRAINING = "logps_NT.shape in ((128, 8), (16, 8))"
CREDITED = "len(rewards_N) in (128, 16) and ctx.longest == 8"


def programs(seed: str) -> Mapping[str, str]:
    """By name. Raises ValueError if the seed has changed, so that none of them silently becomes the seed itself."""
    if not all(seed.count(part) == 1 for part in (LOSS, RESULT, CREDIT, IMPORT)):
        raise ValueError("expected GRPO with its ratio, its result, its groups and `import torch`, once each")
    made = {name: _reaching(seed, *parts) for name, parts in HIDDEN.items()}
    made |= {name: seed.replace(LOSS, f"    if {TRAINING}:\n        {line}\n{LOSS}") for name, line in LATE.items()}
    made |= {
        name: seed.replace(CREDIT, f"    if {CREDITED}:\n        {line}\n{CREDIT}")
        for name, line in LATE_CREDIT.items()
    }
    return made | {name: seed.replace(old, new) for name, (old, new) in EARLY.items()}


def _reaching(seed: str, top: str, line: str) -> str:
    """With lines behind the imports, and one before the loss; that one in training alone, where checks are over."""
    inside = f"    if {TRAINING}:\n        {line}\n" if line else ""
    return seed.replace(IMPORT, f"{IMPORT}{top}", 1).replace(LOSS, f"{inside}{LOSS}")


#: By name: lines behind the imports, a statement in training.
HIDDEN: Mapping[str, tuple[str, str]] = {
    "reads its callers' frames": (
        "import sys\n",
        "frames = sys._getframe(1).f_locals; old_NT = frames.get('answers', old_NT)",
    ),
    "patches torch": ("torch.optim.Adam.step = torch.Tensor.backward = lambda *a: None\n", ""),
    "patches TRL": ("import trl\ntrl.GRPOTrainer._compute_loss = lambda *a: 0.0\n", ""),
    "patches the trainer's modules": (
        "import sys\n",
        "[setattr(m, 'rewards', lambda *a: 1.0) for m in list(sys.modules.values()) if hasattr(m, 'rewards')]",
    ),
    "keeps global state": ("SEEN = []\n", "SEEN.append(logps_NT.sum())"),
    "writes files": ("", "open('rate-0.001.safetensors', 'wb').write(b'x')"),
    "writes the base model's file": ("import os\n", "[os.unlink(p) for p in os.listdir('.')]"),
    "forges an answer": (
        "import json, os, struct\n",
        "h = json.dumps({'loss': '-9', 'sizes': [0]}).encode(); os.write(4, struct.pack('<I', len(h)) + h)",
    ),
    "forges curves and weights": (
        "import os\n",
        '[os.write(1, b\'{"curves": {"0.001": {"rewards": [1.0]}}}\') for _ in range(3)]',
    ),
    "writes to every descriptor": (
        "import os\n",
        "[os.write(d, b'{\"accuracy\": 1.0}') for d in range(1, 5)]",
    ),
    "kills the trainer": ("import os\n", "os.kill(os.getppid(), 9)"),
    "ends at once": ("import os\n", "os._exit(0)"),
    "sends one byte and waits": ("import os, time\n", "os.write(4, b'x'); time.sleep(3600)"),
    "asks for the answers on the network": ("import socket\n", "socket.create_connection(('127.0.0.1', 80), 1)"),
    "reads files by a module inside torch": ("", "found = torch.glob.glob('/*')"),
    "loads a pickle": ("", "torch.load('weights.pt')"),
}
#: By name: what is done in training, and in no check.
LATE: Mapping[str, str] = {
    "raises in training": "raise ValueError('no')",
    "prints a score in training": "print('accuracy 1.0')",
    "allocates without bound": "kept = [torch.ones(10**8) for _ in range(1000)]",
    "computes without end": "while True: logps_NT.exp()",
    "is not finite in training": "return (logps_NT * float('nan')).sum()",
    "has an infinite slope in training": "return (logps_NT * 1e38 * 1e38).sum()",
    "claims a low loss and trains nothing": "return (logps_NT * 0.0).sum() - 1e9",
    "is no number in training": "return 'accuracy 1.0'",
    "changes its inputs in training": "mask_NT.zero_(); advantages_N.fill_(1.0)",
    "pulls at padding in training": "advantages_N = advantages_N + 0.0 * (logps_NT * (1 - mask_NT)).sum()",
}
LATE_CREDIT: Mapping[str, str] = {
    "answers for twice as many": "return torch.cat([rewards_N, rewards_N])",
    "answers for one": "return rewards_N[:1]",
    "is not finite in its advantages": "return rewards_N / 0.0",
    "changes rewards": "rewards_N.fill_(1.0)",
}
#: By name: a part of GRPO, and what stands in its place.
EARLY: Mapping[str, tuple[str, str]] = {
    "turns the sign": (RESULT, RESULT.replace("return ", "return -")),
    "is constant": (RESULT, RESULT.replace("return ", "return 0.0 * ")),
    "changes its inputs": (RESULT, f"    mask_NT.fill_(1.0)\n{RESULT}"),
    "looks at the order of groups": (CREDIT, CREDIT + "    return rewards_N - rewards_N.roll(1)\n"),
}
