"""Trains a model with a candidate's loss through TRL: what accelerate starts, on one process for each GPU or on a CPU.

    accelerate launch --config_file rl/configs/none.yaml -m rl.gpu.trainer run.json

rl/train_gpu.py writes run.json and starts it. It goes on from the last whole checkpoint. Checkpoints lie between
generations, so that a run that was interrupted does what it does in one go (with completions sampled by transformers;
vLLM does not save the state of its random numbers). It scores nothing: weights or an adapter are left in `weights/`.
Run on a CPU at toy size only so far: no GPU was at hand.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from cognition.records import MachineFault
from rl.gpu import data, exported, rewards
from rl.gpu.plan import BETA, BLAME, CHOSEN, GIVEN_UP, Plan, read
from rl.gpu.remote_loss import Candidate, CandidateProcess, Piped, WrongAnswer
from rl.hooks import CandidateGRPOTrainer, Unsupported
from rl.weights import Unreadable

LOG, WEIGHTS = "log.jsonl", "weights"
WHOLE = "trainer_state.json"  # what transformers writes last of a checkpoint
CANDIDATE_IS_WRONG = 3
ABORT_WINDOWS = 5  # the first and the last fifth of the generations until a run may be given up are compared
LEAST_SHARE = 0.5


def train(plan: Plan) -> None:
    """From the last checkpoint to the end. Raises what `main` lists."""
    functions = [rewards.loaded(name) for name in plan.rewards]
    rows, choosing = data.parts(plan, plan.choosing)
    rank = int(os.environ.get("RANK", "0"))
    candidate = Piped(Path(plan.pipes), rank) if plan.pipes else CandidateProcess(plan.program)
    try:
        trainer = _trainer(plan, candidate, functions, rows)
        last = _last_checkpoint(Path(plan.folder))
        log = Log(Path(plan.folder) / LOG, last, plan.abort_at)
        trainer.add_callback(log)
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
        if log.is_hopeless():
            _leave(plan, GIVEN_UP, {"rewards": log.rewards}, trainer)
            sys.stderr.write(f"trainer: given up after {len(log.rewards)} generations: the mean reward has halved\n")
            return
        _leave_weights(plan, trainer)
        if plan.choosing:
            found = trainer.evaluate(eval_dataset=choosing)
            _leave(plan, CHOSEN, {"reward": float(found["eval_reward"]), "prompts": len(choosing)}, trainer)
    finally:
        candidate.close()


def _leave(plan: Plan, name: str, content: dict[str, Any], trainer: Any) -> None:
    """A small file, at once or not at all, by the first process."""
    if trainer.accelerator.is_main_process:
        part = Path(plan.folder) / f"{name}.part"
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(Path(plan.folder) / name)
    trainer.accelerator.wait_for_everyone()


def _leave_weights(plan: Plan, trainer: Any) -> None:
    """Written by all processes (each may hold a part), checked by the first one."""
    folder = Path(plan.folder) / WEIGHTS
    trainer.save_model(str(folder))
    if trainer.accelerator.is_main_process:
        exported.cleared(folder)
        exported.check(folder, exported.expected(plan.model, plan.lora_rank))
    trainer.accelerator.wait_for_everyone()


def _trainer(plan: Plan, candidate: Candidate, functions: list[Any], rows: Any) -> Any:
    made = CandidateGRPOTrainer(
        loss=candidate.loss(plan.uses_reference),
        model=plan.model,
        reward_funcs=functions,
        args=settings(plan),
        train_dataset=rows,
        peft_config=adapter(plan.lora_rank) if plan.lora_rank else None,
    )
    made.remove_callback(PrinterCallback)
    return made


def settings(plan: Plan) -> GRPOConfig:
    """A plan in TRL's words: each generation is one optimiser step in each of its passes."""
    on_gpu = plan.device == "cuda"
    vllm: dict[str, Any] = {}
    if plan.vllm != "off":
        vllm = {"vllm_mode": plan.vllm, "vllm_tensor_parallel_size": plan.tensor_parallel}
        vllm |= {"vllm_server_base_url": plan.vllm_url} if plan.vllm == "server" else {}
    return GRPOConfig(
        output_dir=plan.folder,
        seed=plan.seed,
        max_steps=plan.generations * plan.iterations,
        num_iterations=plan.iterations,
        num_generations=plan.group_size,
        per_device_train_batch_size=plan.micro_batch,
        per_device_eval_batch_size=plan.micro_batch,
        gradient_accumulation_steps=plan.accumulated,
        steps_per_generation=plan.accumulated,
        max_completion_length=plan.longest,
        learning_rate=plan.learning_rate,
        beta=BETA if plan.uses_reference else 0.0,
        reward_weights=list(plan.reward_weights),
        use_vllm=plan.vllm != "off",
        bf16=on_gpu,
        use_cpu=not on_gpu,
        gradient_checkpointing=on_gpu,
        model_init_kwargs={"dtype": "bfloat16" if on_gpu and plan.lora_rank else "float32"},
        save_strategy="steps",
        save_steps=plan.checkpoint_every * plan.iterations,
        save_total_limit=2,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        **vllm,
    )


def adapter(rank: int) -> Any:
    """LoRA on every linear layer but the head."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest that is whole; what a killed process left half written is removed, by the first process alone."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    whole = [path for path in found if (path / WHOLE).is_file()]
    if os.environ.get("RANK", "0") == "0":
        for path in set(found) - set(whole):
            shutil.rmtree(path)
    return whole[-1] if whole else None


class Log(TrainerCallback):
    """One line for each step that was run: TRL's metrics, tokens per second, and the most memory that was used.

    Ends a run that made the reward fall: every process sees the same rewards, so all of them end at the same step.
    """

    def __init__(self, path: Path, checkpoint: Path | None, abort_at: int) -> None:
        self.path, self._began, self._tokens, self._abort_at = path, time.perf_counter(), 0.0, abort_at
        first = 0 if checkpoint is None else int(checkpoint.name.partition("-")[2])
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= first]  # later steps will be run again
        self.rewards = list(
            map(_as_number, (record["reward"] for record in map(json.loads, kept) if "reward" in record))
        )
        if os.environ.get("RANK", "0") == "0" and lines:
            part = path.with_suffix(".part")
            part.write_text("".join(kept), encoding="utf-8")
            part.replace(path)

    def is_hopeless(self) -> bool:
        """Whether the mean reward has halved by the generation at which runs are given up.

        The first generations are the base model's own, so what counts as little needs no number of its own.
        """
        if not self._abort_at or len(self.rewards) != self._abort_at:
            return False
        window = max(1, self._abort_at // ABORT_WINDOWS)
        return sum(self.rewards[-window:]) < LEAST_SHARE * sum(self.rewards[:window])

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """What was there before does not count for speed."""
        self._began, self._tokens = time.perf_counter(), float(state.num_input_tokens_seen)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Only the first process writes."""
        if "loss" not in logs:
            return
        if "reward" in logs:
            self.rewards.append(float(logs["reward"]))
        control.should_training_stop = control.should_training_stop or self.is_hopeless()
        if not state.is_world_process_zero:
            return
        seconds = time.perf_counter() - self._began
        record = {"step": state.global_step, **{name: _number(value) for name, value in logs.items()}}
        record["tokens_per_s"] = (float(state.num_input_tokens_seen) - self._tokens) / seconds
        cuda = torch.cuda.is_available()
        record["memory_gb"] = torch.cuda.max_memory_allocated() / 2**30 if cuda else None
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")


def _number(value: Any) -> float | None:
    """None for what TRL has no number for, e.g. the mean over no completions."""
    return float(value) if math.isfinite(float(value)) else None


def _as_number(value: float | None) -> float:
    return math.nan if value is None else value


def main() -> None:
    """Run, or end with one line: 3 if the candidate is to blame."""
    plan = read(Path(sys.argv[1]))
    if plan.device == "cuda" and not torch.cuda.is_available():
        sys.exit("trainer: no CUDA device was found; --toy runs on a CPU")
    if plan.device == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        train(plan)
    except WrongAnswer as error:
        (Path(plan.folder) / BLAME).write_text(str(error), encoding="utf-8")
        sys.stderr.write(f"trainer: the candidate is wrong: {error}\n")
        sys.exit(CANDIDATE_IS_WRONG)
    except (data.Unusable, rewards.Unknown, Unsupported, Unreadable, MachineFault) as error:
        sys.exit(f"trainer: {error}")


if __name__ == "__main__":
    main()
