"""The trainer's own AdamW against torch's. In a process of its own: the trainer's modules have other names outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import arch.exchange

SCRIPT = """
import torch
from training import AdamW

def parameters():
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 4), (5,))]

ours, theirs = parameters(), parameters()
mine = AdamW(ours)
reference = torch.optim.AdamW(theirs, lr=1e-2, weight_decay=0.01, betas=(0.9, 0.98))
for step in range(20):
    for group in (ours, theirs):
        sum((value - step / 7).pow(4).sum() for value in group).backward()
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    mine.step(1e-2, most_norm=1.0)
    reference.step()
    reference.zero_grad()
for others in (theirs, parameters()):
    print(max(float((a - b).abs().max()) for a, b in zip(ours, others)))
"""


@pytest.mark.slow
def test_the_optimiser_is_adamw_with_clipping() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(arch.exchange.INSIDE))}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    difference, moved = map(float, done.stdout.split())
    assert difference < 1e-6
    assert moved > 0.1
