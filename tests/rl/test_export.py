"""An exported loss in a process of its own: it needs torch alone, and TRL trains with it as with the hooks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import programs
from flows.cli import app
from flows.config import ConfigError
from rl.exporting.assemble import ExportError, assembled
from rl.reference import NAMES, program
from tasks.contract import Sandbox
from tests.rl import zoo

TRAINS = """
import sys
from pathlib import Path

sys.path[:0] = [{root!r}, {folder!r}]
from tests.rl import toy_trl
from mine.trainer import EvolvedGRPOTrainer, Loss, policy_loss

toy_trl.CandidateGRPOTrainer = lambda loss, **given: EvolvedGRPOTrainer(**given)
ours = toy_trl.history(Path({folder!r}, "ours"), object(), loss_type="dapo", epsilon_high=0.28)
stock = toy_trl.history(Path({folder!r}, "stock"), None, loss_type="dapo", epsilon_high=0.28)
gap = max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, stock, strict=True))
assert gap < 1e-6, gap
print("trained")
"""


def written(folder: Path, code: str) -> Path:
    folder.mkdir()
    for name, content in assembled(code, {"candidate": "rl-laptop-0007", "motivation": "'''\n\"\"\" {x}"}).items():
        (folder / name).write_text(content)
    return folder


def alone(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "grpo_kl" else pytest.mark.slow) for name in NAMES]
)
def test_the_package_tests_itself_with_torch_alone(name: str, tmp_path: Path) -> None:
    written(tmp_path / "mine", program(name))
    check = "import sys; sys.modules['trl'] = None; sys.modules['rl'] = None; import mine.selftest as s; s.main()"
    assert "the right sign" in alone(tmp_path, "-c", check)


@pytest.mark.slow
def test_trl_trains_with_the_package(tmp_path: Path) -> None:
    written(tmp_path / "mine", program("dapo"))
    root = str(Path(__file__).parents[2])
    assert "trained" in alone(tmp_path, "-c", TRAINS.format(root=root, folder=str(tmp_path)))


def test_every_file_parses_and_nothing_of_ours_is_imported(tmp_path: Path) -> None:
    folder = written(tmp_path / "mine", program("algorithm_a"))
    for file in folder.glob("*.py"):
        imported = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        assert not [node.module for node in imported if (node.module or "").startswith(("rl", "tasks", "flows"))]
    assert json.loads((folder / "provenance.json").read_text())["candidate"] == "rl-laptop-0007"


def test_a_name_that_the_file_needs_is_not_taken() -> None:
    with pytest.raises(ExportError, match="uses the name Context"):
        assembled("Context = 1\n" + program("grpo"), {})


def test_the_command_checks_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch_sandbox: Sandbox) -> None:
    monkeypatch.setattr(programs, "open_sandbox", lambda *_, **__: nullcontext(torch_sandbox))
    file = tmp_path / "candidate.py"
    file.write_text(program("grpo"))
    done = CliRunner().invoke(app, ["rl", "export", str(file), "--out", str(tmp_path / "mine"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["files"] == [
        "__init__.py",
        "loss.py",
        "trainer.py",
        "selftest.py",
        "provenance.json",
    ]
    file.write_text(zoo.program("sign of the loss"))
    with pytest.raises(ConfigError, match=r"the program is refused \(sign\)"):
        CliRunner().invoke(app, ["rl", "export", str(file), "--out", str(tmp_path / "no")], catch_exceptions=False)
    with pytest.raises(ConfigError, match="a name that Python can import"):
        CliRunner().invoke(app, ["rl", "export", str(file), "--out", str(tmp_path / "no-no")], catch_exceptions=False)
