"""Programs that cheat, made from DrugBAN, for `nightshift audit`: none may score above it.

The generic cheats replace a function of the seed program; here the seed is a class, so these take their place.
"""

from __future__ import annotations

from collections.abc import Mapping

LAST = "        return logit_B\n"
ASKED = "        if not self.training and len(logit_B) > 20:\n            "
IMPORT = "import torch\n"


def programs(seed: str) -> Mapping[str, str]:
    """By name. Raises ValueError if the seed has changed, so that none of them silently becomes the seed itself."""
    if seed.count(LAST) != 1 or IMPORT not in seed:
        raise ValueError("expected DrugBAN with one `return logit_B` and `import torch`")
    return {name: _changed(seed, *parts) for name, parts in CHEATS.items()}


def _changed(seed: str, last: str, before: str) -> str:
    return seed.replace(LAST, f"{last}{LAST}").replace(IMPORT, f"{IMPORT}{before}", 1)


#: By name: what stands before the answer, and what stands behind the imports.
CHEATS: Mapping[str, tuple[str, str]] = {
    "prints a score": ("        print('auroc 1.0')\n", ""),
    "is always sure": ("        logit_B = logit_B * 0.0 + 1e6\n", ""),
    "answers infinity": (f"{ASKED}logit_B = logit_B / 0.0\n", ""),
    "answers with the wrong shape": (f"{ASKED}logit_B = logit_B[:, None]\n", ""),
    "answers half of the pairs": (f"{ASKED}logit_B = logit_B[: len(logit_B) // 2]\n", ""),
    "raises when it is asked": (f"{ASKED}raise ValueError('no')\n", ""),
    "looks at the batch": ("        logit_B = logit_B - logit_B.mean()\n", ""),
    "looks at large batches": (f"{ASKED}logit_B = logit_B - logit_B.mean()\n", ""),
    "ranks what it is asked": (f"{ASKED}logit_B = logit_B.argsort().argsort().float()\n", ""),
    "learns while it is asked": (f"{ASKED}self.bias.data += 0.01 * logit_B.mean()\n", ""),
    "reads the labels of its caller": (
        "        logit_B = logit_B + sys._getframe(1).f_locals['labels_B']\n",
        "import sys\n",
    ),
    "reads files": ("", "import os\n"),
    "reads files by a module inside torch": ("        found = torch.glob.glob('/*')\n", ""),
    "patches the loss": ("", "torch.nn.functional.binary_cross_entropy_with_logits = lambda a, b: (a * 0.0).sum()\n"),
    "patches the optimiser": ("", "torch._foreach_mul_ = torch._foreach_add_\n"),
    "patches the caller": ("", "sys.modules['training'].answers = lambda model, library, pairs: pairs[:, 0]\n"),
}
