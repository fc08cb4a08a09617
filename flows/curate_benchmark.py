"""A script: lm-eval's tasks on a model that `nightshift curate rung` trained, which starts it.

    python flows/curate_benchmark.py RUN        reads run.json, weights.safetensors and benchmarks.ask.json there

The model's design is ours, so it runs in this process; a candidate's would not. Without any task it uses arch's local
ones, which need no network. Writes benchmarks.json, or ends with one line.

Shapes: T time, V vocabulary.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from adapter import mixer_class
from mixers.trunk import Shape, Trunk
from safetensors.torch import load_file

from arch.language.asker import Question, Reply
from arch.language.evaluate import benchmarked
from arch.language.suites import LOCAL, Benchmark, Suite
from tasks.contract import Failure, MachineFault

LIMIT = 20  # documents of each local task


class Direct:
    """A trained model, asked as arch's benchmarks ask one."""

    def __init__(self, model: Any, vocabulary: int, device: str) -> None:
        self.model, self.vocabulary, self.device = model, vocabulary, device

    @torch.no_grad()
    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in their order."""
        return [self._reply(question) for question in questions]

    def _reply(self, question: Question) -> Reply:
        tokens_T = torch.tensor(question.tokens, device=self.device)
        hidden = self.model(tokens_T[None, :-1])
        logits_TV = self.model.head(hidden)[0, -question.asked :].float()
        wanted_T = tokens_T[-question.asked :]
        logarithms_T = logits_TV.log_softmax(-1).gather(1, wanted_T[:, None])
        return Reply(float(logarithms_T.sum()), bool((logits_TV.argmax(-1) == wanted_T).all()))


def main() -> None:
    """See the module."""
    folder = Path(sys.argv[1])
    plan = json.loads((folder / "run.json").read_text())
    asked = json.loads((folder / "benchmarks.ask.json").read_text())
    if plan["device"] == "cpu":
        torch.set_num_threads(1)
    model = Trunk(mixer_class(plan["program"]), Shape(**plan["shape"]))
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    named = tuple(Benchmark(task, (metric,)) for task, metric in asked["tasks"])
    suite = Suite(named or LOCAL, None if named else LIMIT, asked["tokenizer"], asked["longest"])
    direct = Direct(model.to(plan["device"]).eval(), plan["shape"]["vocabulary"], plan["device"])
    try:
        found = benchmarked(direct, suite)
    except MachineFault as error:
        sys.exit(f"curate_benchmark: {error}")
    if isinstance(found, Failure):
        sys.exit(f"curate_benchmark: {found.reason}")
    (folder / "benchmarks.json").write_text(json.dumps(dict(found.metrics)))


if __name__ == "__main__":
    main()
