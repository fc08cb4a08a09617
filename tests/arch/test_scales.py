"""The rungs on GPUs: their sizes are the paper's, their forecast is arithmetic, and none starts without a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from arch import shards
from arch.domain import Arch, NoGpu
from arch.language.suites import DEVELOPMENT, HELD_OUT
from arch.language.tokens import Bytes
from arch.reference import program
from arch.scales import SCALES, forecast
from flows import config, registry
from flows.cli import app
from flows.forecast import before_start
from flows.home import open_home
from tasks.artefacts import UriWorkspace
from tasks.contract import MachineFault, Sandbox, gpu_problem

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"


@pytest.mark.parametrize(
    ("name", "layers", "width", "millions", "billions"),
    [
        ("explore-20m", 8, 256, (18, 25), 1.0),
        ("middle-130m", 12, 768, (120, 140), 1.0),
        ("verify-340m", 24, 1024, (320, 380), 1.0),
        ("scale-1300m", 24, 2048, (1250, 1400), 100.0),
    ],
)
def test_sizes_are_those_of_the_paper(
    name: str, layers: int, width: int, millions: tuple[int, int], billions: float
) -> None:
    scale = SCALES[name]
    assert (scale.n_layers, scale.d_model) == (layers, width)
    assert millions[0] < scale.parameters / 1e6 < millions[1]
    assert scale.tokens / 1e9 == pytest.approx(billions, rel=0.05)
    assert scale.sequences % (scale.micro_batch * scale.gpus) == 0


def test_the_forecast_says_what_it_assumes() -> None:
    text = forecast("scale-1300m", SCALES["scale-1300m"])
    assert "551 GPU-hours on 8 GPUs" in text  # the paper's rung: some 550 for each design
    assert "assumed, not measured: MFU 40%" in text
    assert SCALES["scale-1300m"].gpu_h(0.2) == pytest.approx(2 * SCALES["scale-1300m"].gpu_h(0.4))


def test_needs_are_gpus_and_a_bound() -> None:
    for name, scale in SCALES.items():
        needs = Arch().needs("train", name)
        assert needs.gpus == scale.gpus
        assert needs.gpu_s == pytest.approx(max(8 * 3600 * scale.gpus, 2 * 3600 * scale.gpu_h()))
    assert Arch().needs("train", "laptop").gpus == 0


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arch.domain.gpu_problem", lambda gpus: gpu_problem(gpus, tmp_path))


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["explore", "middle", "verify", "scale"])
def test_the_campaigns_refuse_in_one_line_before_they_start(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path))
    settings = config.load(str(CAMPAIGNS / f"arch-{name}.toml"), {})
    domain = registry.load(settings.problem, settings.options)
    with pytest.raises(NoGpu, match=r"needed, and this machine has none .*GPU-hours") as raised:
        before_start(settings, domain, open_home())
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("no_gpu")
def test_training_there_is_refused_and_never_a_score(torch_sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(NoGpu):
        Arch().train(program("delta_net"), "explore-20m", 1, torch_sandbox, UriWorkspace(tmp_path.as_uri()))


def test_the_laptop_rung_has_nothing_to_add() -> None:
    assert Arch().outlook("laptop") == ""


def test_the_command_prints_every_rung() -> None:
    done = CliRunner().invoke(app, ["arch", "forecast"])
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(SCALES)
    with pytest.raises(config.ConfigError, match="no rung 'explore'"):
        CliRunner().invoke(app, ["arch", "forecast", "explore"], catch_exceptions=False)


def test_suites_name_the_papers_benchmarks() -> None:
    assert len(DEVELOPMENT) == 9  # ten columns: LAMBADA is one task with two of them
    assert {each.task.partition("_")[0] for each in HELD_OUT} == {"race", "bbq", "metabench", "qa4mre", "sciq", "swag"}
    assert SCALES["explore-20m"].suite.limit == 500


def test_shards_hold_the_documents_in_order(tmp_path: Path) -> None:
    paths = shards.write(["abc", "de"], Bytes(), tmp_path, tokens=6, shard_tokens=4)
    assert [bytes(np.fromfile(path, "<u4").astype("u1")) for path in paths] == [b"abc\n", b"de"]
    assert shards.write(iter(()), Bytes(), tmp_path, tokens=6, shard_tokens=4) == paths  # nothing is read again


def test_text_that_ends_too_early_leaves_no_shard(tmp_path: Path) -> None:
    with pytest.raises(MachineFault, match="the text ended before 9 tokens"):
        shards.write(["abc"], Bytes(), tmp_path, tokens=9)
    assert not list(tmp_path.glob("*.bin"))


def test_local_files_are_text_or_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n{"other": 1}\n')
    texts = shards.local_texts([tmp_path / "a.txt", tmp_path / "b.jsonl"])
    assert [next(texts), next(texts)] == ["one", "two"]
    with pytest.raises(MachineFault, match=r"b.jsonl, line 2: expected a JSON object with 'text'"):
        next(texts)


@pytest.mark.slow
def test_streaming_without_the_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineFault, match="cannot stream nobody/nothing") as raised:
        next(shards.streamed_texts("nobody/nothing"))
    assert "\n" not in str(raised.value)
