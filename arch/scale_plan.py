"""The plan of a training run, as arch/inside/scale_training.py reads it; by hand (run.json) or in a campaign. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from arch.scales import MLP_RATIO, PEAK_FLOPS, Scale
from cognition.records import JSON

WARM_UP_SHARE = 0.02
CHECKPOINTS = 20  # in a whole run


def shape(scale: Scale) -> dict[str, int]:
    """The model's sizes, as arch/inside/mixers/trunk.py wants them."""
    return {
        "d_model": scale.d_model,
        "n_heads": scale.n_heads,
        "head_dim": scale.head_dim,
        "n_layers": scale.n_layers,
        "vocabulary": scale.vocabulary,
        "mlp_ratio": MLP_RATIO,
    }


def plan(scale: Scale, program: Path, shards: Path, folder: Path, toy: bool, until: int | None) -> dict[str, JSON]:
    """For a run by hand. Raises FileNotFoundError where there are no shards."""
    found = sorted(shards.glob("*.bin"))
    if not found:
        raise FileNotFoundError(f"no shards (*.bin) in {shards}; `python -m arch.shards` makes them")
    told = of_files(scale, [path.resolve() for path in found], folder.resolve(), toy)
    return {**told, "program": str(program.resolve()), "until": min(scale.steps, until or scale.steps)}


def of_files(scale: Scale, shards: Sequence[Path], folder: Path, toy: bool) -> dict[str, JSON]:
    """All but the program."""
    return {
        "shape": shape(scale),
        "shards": [str(path) for path in shards],
        "folder": str(folder),
        "length": scale.length,
        "sequences": scale.sequences,
        "micro_batch": scale.micro_batch,
        "steps": scale.steps,
        "until": scale.steps,
        "learning_rate": scale.learning_rate,
        "warm_up": max(1, round(WARM_UP_SHARE * scale.steps)),
        "decay": 0.1,
        "seed": 0,
        "precision": "no" if toy else "bf16",
        "compiled": not toy,
        "backend": "torch",
        "device": "cpu" if toy else "cuda",
        "checkpoint_every": max(1, scale.steps // CHECKPOINTS),
        "flops_per_token": scale.flops_per_token,
        "peak_flops": PEAK_FLOPS,
    }
