"""The rungs on GPUs as recipes: campaigns, accelerate's configurations, the forecast, refusals in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows import config, registry
from flows.forecast import before_start
from flows.home import open_home
from rl import train_gpu
from rl.domain import NotHere, Rl
from rl.gpu import needs, plan
from rl.gpu.chosen import GpuOptions, Wrong, from_campaign
from rl.gpu.needs import Missing
from rl.scales import SCALES, forecast

ROOT = Path(__file__).parents[2]
CAMPAIGNS = {"rl-one-gpu": "one-gpu", "rl-explore": "explore-4b", "rl-verify": "verify-14b"}
GRPO = ROOT / "rl" / "reference" / "grpo.py"
OFF = GpuOptions(vllm="off", data="x/y")


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_campaign_refuses_in_one_line_with_its_forecast(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path))
    monkeypatch.setattr(needs, "DEVICES", tmp_path)
    settings = config.load(str(ROOT / "campaigns" / f"{name}.toml"), {})
    assert settings.evaluate.rung == CAMPAIGNS[name]
    domain = registry.load(settings.problem, settings.options)
    with pytest.raises(NotHere, match=r"GPU-hours.*assumed, not measured") as raised:
        before_start(settings, domain, open_home())
    assert "\n" not in str(raised.value)


def test_where_nothing_is_missing_the_forecast_is_printed_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch)
    monkeypatch.setattr(needs, "gpus", lambda: 8)
    monkeypatch.setattr(needs, "models", lambda name: iter(()))
    assert Rl().outlook("explore-4b") == forecast("explore-4b", SCALES["explore-4b"])
    with pytest.raises(NotHere, match="on several machines is started by hand on each"):
        Rl().outlook("verify-14b")


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_the_trainer_reads_the_same_file(name: str) -> None:
    rung, options = from_campaign(ROOT / "campaigns" / f"{name}.toml")
    assert rung == CAMPAIGNS[name]
    assert options.rewards == ("math",)
    assert options.parallel_of(SCALES[rung]) == SCALES[rung].parallel


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("problem = 'arch'", "is a campaign of 'arch', not of rl"),
        ("problem = 'rl'", "evaluate Field required"),
        ("problem = ", "Invalid value"),
        ("problem = 'rl'\n[options.gpu]\nvlm = 'off'\n[evaluate]\nrung = 'one-gpu'", "Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(Wrong, match=said) as raised:
        from_campaign(tmp_path / "a.toml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rewards": ["math", "a.py:f"], "reward_weights": [1.0]}, {"vllm": "server"}, {"vllm_url": "http://x"},
        {"rewards": ["nothing"]}, {"rewards": []}, {"parallel": "megatron"},
    ],
)  # fmt: skip
def test_choices_that_do_not_agree_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GpuOptions(**wrong)


@pytest.mark.parametrize("name", ["cpu", "none", "fsdp", "deepspeed"])
def test_accelerate_reads_every_configuration(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    found = load_config_from_file(str(train_gpu.CONFIGS / f"{name}.yaml"))  # raises for a key that it does not know
    kinds = {"cpu": "NO", "none": "MULTI_GPU", "fsdp": "FSDP", "deepspeed": "DEEPSPEED"}
    assert found.distributed_type.value == kinds[name]
    assert found.mixed_precision == ("no" if name == "cpu" else "bf16")
    assert {scale.parallel for scale in SCALES.values()} <= set(kinds)


def test_the_command_has_the_rungs_gpus_and_machines(tmp_path: Path) -> None:
    def argument(name: str, command: list[str]) -> str:
        return command[command.index(name) + 1]

    explore = train_gpu.command(tmp_path / "run.json", SCALES["explore-4b"], "fsdp")
    assert [argument(f"--num_{what}", explore) for what in ("processes", "machines")] == ["8", "1"]
    verify = train_gpu.command(tmp_path / "run.json", SCALES["verify-14b"], "deepspeed", 1, "10.0.0.1")
    assert [argument(f"--num_{what}", verify) for what in ("processes", "machines")] == ["16", "2"]
    assert (argument("--machine_rank", verify), argument("--main_process_ip", verify)) == ("1", "10.0.0.1")
    assert verify[-3:] == ["-m", "rl.gpu.trainer", str(tmp_path / "run.json")]


@pytest.mark.parametrize("name", SCALES)
def test_a_plan_has_the_rungs_numbers(name: str, tmp_path: Path) -> None:
    scale = SCALES[name]
    made = plan.planned(scale, GpuOptions(data="x/y"), GRPO, tmp_path, scale.gpus, seed=1, on_a_cpu=False)
    assert made.micro_batch * made.accumulated * scale.gpus == scale.prompts * scale.group_size
    assert made.generations == scale.steps
    assert made.iterations == 2  # else the ratio is always 1
    assert (made.model, made.device, made.uses_reference) == (scale.model, "cuda", False)
    plan.written(made, tmp_path / "run.json")
    assert plan.read(tmp_path / "run.json") == made


def test_completions_that_cannot_be_divided_are_refused(tmp_path: Path) -> None:
    with pytest.raises(plan.Uneven, match="128 completions of a generation cannot be divided over 3 x 16"):
        plan.planned(SCALES["one-gpu"], OFF, GRPO, tmp_path, 3, 1, False)


def test_the_users_choices_replace_the_rungs(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    chosen = GpuOptions(
        model="my/model", data=str(tmp_path / "rows.jsonl"), answer_column="gold", rewards=("m.rewards:f",), vllm="off"
    )
    made = plan.planned(SCALES["explore-4b"], chosen, GRPO, tmp_path, 8, 1, False)
    assert (made.model, made.answer_column, made.prompt_column) == ("my/model", "gold", "prompt")
    assert (made.rewards, made.reward_weights) == (("m.rewards:f",), (1.0,))


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    there: dict[str, str | None] = {
        "trl": "1.16.0",
        "accelerate": "1",
        "math-verify": "0.9",
        "peft": "0",
        "vllm": "0",
        "deepspeed": "0",
    }
    there |= {name.replace("_", "-"): value for name, value in versions.items()}
    monkeypatch.setattr(needs, "_version", there.__getitem__)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"trl": "1.17.0"}, r"expected trl 1.16.x, found 1.17.0: pip install"),
        ({"trl": None}, r"expected trl 1.16.x, found none"),
        ({"vllm": None}, r"vllm is not installed: .*or vllm = \"off\""),
        ({"math_verify": None}, "math-verify is not installed"),
        ({"peft": None}, "peft is not installed"),
        ({}, "needs 1 GPU on each machine, found 0"),
    ],
)
def test_what_is_missing_is_one_line(
    missing: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(monkeypatch, **missing)
    monkeypatch.setattr(needs, "DEVICES", tmp_path)
    with pytest.raises(Missing, match=said) as raised:
        needs.refuse(SCALES["one-gpu"], GpuOptions())
    assert "\n" not in str(raised.value)


def test_gpus_are_counted_on_each_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch)
    monkeypatch.setattr(needs, "DEVICES", tmp_path)
    monkeypatch.setattr(needs, "models", lambda name: iter(()))
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(8))):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    needs.refuse(SCALES["verify-14b"], GpuOptions())  # 16 on two machines
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(Missing, match="needs 8 GPUs on each machine, found 3"):
        needs.refuse(SCALES["verify-14b"], GpuOptions())


def test_data_rewards_and_models_that_are_not_there_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scale = SCALES["one-gpu"]
    assert "data of your own" in next(needs.choices(scale, GpuOptions()))
    assert "no file none.jsonl" in next(needs.choices(scale, GpuOptions(data="none.jsonl")))
    assert "no file none.py" in next(needs.choices(scale, GpuOptions(data="x/y", rewards=("none.py:f",))))
    assert "config.json is missing" in next(needs.models(str(tmp_path)))
    (tmp_path / "config.json").touch()
    assert list(needs.models(str(tmp_path))) == []
    assert "cannot be fetched, and is no folder here" in next(needs.models("a/b/c"))  # no name that a hub could have


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(self: Any, name: str, timeout: float) -> Any:
        raise ConnectionError("no route\nto it")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    (said,) = needs.models("nobody/nothing-at-all")
    assert said == "the model nobody/nothing-at-all cannot be fetched, and is no folder here: no route"


def started(*more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rl.train_gpu", "--program", str(GRPO), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def test_without_consent_the_command_prints_the_forecast_and_starts_nothing(tmp_path: Path) -> None:
    done = started("--campaign", "campaigns/rl-explore.toml", "--out", str(tmp_path / "no"))
    assert done.returncode == 1
    assert done.stdout == forecast("explore-4b", SCALES["explore-4b"], rates=1) + "\n"
    assert done.stderr.startswith("train_gpu: by hand the loss runs without a sandbox")
    assert not (tmp_path / "no").exists()


def test_a_plan_can_be_written_for_other_machines(tmp_path: Path) -> None:
    done = started(
        "--campaign", "campaigns/rl-verify.toml", "--out", str(tmp_path), "--write-only", "--unsafe-no-sandbox"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run.json").read_text())["generations"] == 300


def test_a_program_that_breaks_a_rule_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\n" + GRPO.read_text())
    done = started("--program", str(tmp_path / "bad.py"), "--out", str(tmp_path / "no"), "--unsafe-no-sandbox")
    assert "the program is refused (forbidden-import)" in done.stderr


def test_no_secret_goes_to_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "secret" not in train_gpu.environment().values()


def test_every_learning_rate_is_forecast_and_reserved() -> None:
    scale = SCALES["explore-4b"]
    assert len(scale.learning_rates) == 3
    assert f"at each of 3 learning rates, {3 * scale.gpu_h():.3g} in all" in forecast("explore-4b", scale)
    assert "learning rate" not in forecast("explore-4b", scale, rates=1)
    one = Rl(Rl.Options(gpu=GpuOptions(learning_rates=(1e-6,)))).needs("train", "explore-4b")
    three = Rl().needs("train", "explore-4b")
    assert three.gpu_s == pytest.approx(3 * (one.gpu_s or 0.0))
    for wrong in ((0.0,), (1e-6, 1e-6), (-1.0, 1e-6)):
        with pytest.raises(ValidationError, match="learning_rates"):
            GpuOptions(learning_rates=wrong)


def test_a_plan_is_of_one_learning_rate_and_keeps_prompts_apart_where_one_is_chosen(tmp_path: Path) -> None:
    scale = SCALES["one-gpu"]
    plans = [plan.planned(scale, OFF, GRPO, tmp_path, 1, 1, False, rate) for rate in (None, *scale.learning_rates)]
    assert [made.learning_rate for made in plans] == [scale.learning_rates[0], *scale.learning_rates]
    assert [made.choosing for made in plans] == [0, 64, 64, 64]
    assert {made.abort_at for made in plans} == {30}  # a fifth of 150 generations
    alone = plan.planned(SCALES["verify-14b"], OFF, GRPO, tmp_path, 16, 1, False, 1e-6)
    assert (alone.choosing, alone.abort_at) == (0, 60)
    assert train_gpu.TOY.abort_at == 0  # too short


def test_the_forecast_counts_both_passes() -> None:
    full = SCALES["explore-4b"]
    assert forecast("explore-4b", full).startswith("explore-4b: Qwen/Qwen3-4B-Base, 150 steps x 64 prompts x 8")
    assert replace(full, lora_rank=8).gpu_h() < full.gpu_h()
    assert replace(full, steps=300).gpu_h() == pytest.approx(2 * full.gpu_h())
