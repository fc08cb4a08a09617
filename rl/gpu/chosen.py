"""What a user chooses about a rung on GPUs: the section [options.gpu] of a campaign. Settings only.

    [options.gpu]
    data = "my_problems.jsonl"                # or a name on the hub; columns `prompt` and `answer` unless said
    rewards = ["math", "my_rewards.py:short"] # `math` is math-verify; else FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION

A reward function is TRL's: `f(completions, **columns) -> list[float | None]`. It runs in the trainer's process.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rl.scales import Parallel, Scale

MATH = "math"


class GpuOptions(BaseModel):
    """Left out, a value is the rung's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("", description="A name on the hub or a folder; empty: the rung's")
    data: str = Field("", description="A .jsonl or .parquet file, or a name on the hub; empty: the rung's")
    split: str = Field("", description="Of a data set on the hub; empty: the rung's")
    prompt_column: str = Field("", description="Text or a list of messages; empty: the rung's")
    answer_column: str = Field("", description="The right answer; a dot leads into a record; empty: the rung's")
    rewards: tuple[str, ...] = Field((MATH,), min_length=1, description="math, FILE.py:FUNCTION, MODULE:FUNCTION")
    reward_weights: tuple[float, ...] = Field((), description="One for each reward; empty: all 1")
    learning_rates: tuple[float, ...] = Field((), description="Each is trained with; empty: the rung's")
    vllm: Literal["colocate", "server", "off"] = Field("colocate", description="Where completions are sampled")
    vllm_url: str = Field("", description="Of `trl vllm-serve`, for vllm = server")
    parallel: Parallel | None = Field(None, description="none, fsdp or deepspeed; left out: the rung's")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.reward_weights and len(self.reward_weights) != len(self.rewards):
            raise ValueError(f"{len(self.reward_weights)} reward_weights for {len(self.rewards)} rewards")
        if (self.vllm == "server") != bool(self.vllm_url):
            raise ValueError('vllm_url belongs to vllm = "server", and there it is needed')
        if min(self.learning_rates, default=1.0) <= 0 or len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError("learning_rates: expected numbers above 0, each once")
        for name in self.rewards:
            if name != MATH and not all(name.rpartition(":")[::2]):
                raise ValueError(f"reward {name!r}: expected math, FILE.py:FUNCTION or MODULE:FUNCTION")
        return self

    def rates_of(self, scale: Scale) -> tuple[float, ...]:
        """The learning rates; the best is chosen on prompts that are not trained on."""
        return self.learning_rates or scale.learning_rates

    def parallel_of(self, scale: Scale) -> Parallel:
        """The accelerate configuration's name."""
        return self.parallel or scale.parallel


class Wrong(ValueError):
    """A campaign file that cannot be used here; the message says why, in one line."""


class _Options(BaseModel):
    gpu: GpuOptions = GpuOptions()


class _File(BaseModel):
    """The parts of a campaign file that matter here; flows/config.py reads the whole."""

    evaluate: dict[str, Any]
    options: _Options = _Options()


def from_campaign(path: Path) -> tuple[str, GpuOptions]:
    """The rung and the choices of a campaign file. Raises Wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table["problem"] != "rl":
            raise Wrong(f"{path} is a campaign of {table['problem']!r}, not of rl")
        found = _File(**{name: table[name] for name in ("options", "evaluate") if name in table})
        return found.evaluate["rung"], found.options.gpu
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Wrong(f"{path}: {error}") from None
    except KeyError as error:
        raise Wrong(f"{path} has no {error.args[0]}") from None
    except ValueError as error:
        raise Wrong(f"{path}: {' '.join(str(error).split())}") from None
