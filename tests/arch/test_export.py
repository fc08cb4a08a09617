"""An exported layer in a process of its own: it needs torch alone, and it is the function that the sandbox ran."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from arch import exchange
from arch.corpus import corpus
from arch.exporting.assemble import EXPORTS, MIXERS, SECTIONS, ExportError, assembled, rebound, selftest
from arch.inside.synthetic import Tokens
from arch.recipes import TINY
from arch.reference import program
from cognition.archive import Archive
from flows import programs
from flows.cli import app
from flows.config import ConfigError
from flows.home import open_home
from flows.programs import named
from flows.provenance import where_from
from tasks.contract import Failure, Sandbox
from tests.arch import zoo
from tests.cognition import play

LINEAR = ("delta_net", "gated_delta_net", "kimi_delta", "linear_attention", "mamba2")
#: Refuses everything that is not torch's or Python's, then imports the layer.
ALONE = """
import sys
OTHERS = 'mixers arch fla evo_kernels tasks cognition transformers safetensors'.split()
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in OTHERS:
            raise ImportError(name + ' is not there')
sys.meta_path.insert(0, Refusing())
sys.path.insert(0, '.')
import torch, numpy as np
torch.set_num_threads(1)
"""
#: The model around a mixer, written out from its description, with trained weights from a plain file.
MODEL = """
from layer import EvolvedLayer
weights = {name: torch.from_numpy(value) for name, value in np.load('weights.npz').items()}
def norm(x, weight): return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight
def linear(x, name): return x @ weights[name + '.weight'].T + weights[name + '.bias']
layer = EvolvedLayer(16, 2, 8, layer_idx=0).eval()
block = 'blocks.0.'
layer.mixer.load_state_dict({n.removeprefix(block + 'mixer.'): v for n, v in weights.items() if '.mixer.' in n})
with torch.no_grad():
    x = weights['embedding.weight'][torch.from_numpy(np.load('tokens.npy'))]
    x = x + layer(norm(x, weights[block + 'norm_mixer']))[0]
    hidden = torch.nn.functional.gelu(linear(norm(x, weights[block + 'norm_mlp']), block + 'up'))
    x = norm(x + linear(hidden, block + 'down'), weights['norm'])
np.save('states.npy', x.numpy())
"""


def alone(script: str, folder: Path) -> str:
    command = [sys.executable, "-I", "-c", ALONE + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, torch_sandbox: Sandbox) -> Path:
    """DeltaNet, exported, with weights of a few steps and some tokens."""
    from safetensors.numpy import load

    folder = tmp_path_factory.mktemp("exported")
    (folder / "layer.py").write_text(assembled(program("delta_net"), {"file": "delta_net.py"}))
    fitted = exchange.fit(program("delta_net"), TINY, TINY.text, 1e-2, 1, corpus().train, torch_sandbox)
    assert isinstance(fitted, exchange.Fitted)
    assert fitted.weights is not None
    (folder / "weights.safetensors").write_bytes(fitted.weights)
    np.savez(folder / "weights.npz", **load(fitted.weights))  # type: ignore[arg-type]  # numpy's stub of **kwds
    return folder


def test_it_computes_what_the_sandboxed_mixer_computes(exported: Path, torch_sandbox: Sandbox) -> None:
    tokens: Tokens = np.random.default_rng(0).integers(256, size=(3, 70))
    np.save(exported / "tokens.npy", tokens)
    alone(MODEL, exported)
    weights = (exported / "weights.safetensors").read_bytes()
    states = exchange.hidden(program("delta_net"), TINY, TINY.text, weights, [tokens], torch_sandbox)
    assert not isinstance(states, Failure)
    assert np.abs(np.load(exported / "states.npy") - states[0]).max() < 1e-5


def test_the_test_that_comes_with_it_passes_for_every_linear_mixer(tmp_path: Path) -> None:
    script = ""
    for name in LINEAR:
        (tmp_path / name).mkdir()
        (tmp_path / name / "layer.py").write_text(assembled(program(name), {}))
        (tmp_path / name / "test_layer.py").write_text(selftest())
        script += f"import runpy; sys.modules.pop('layer', None); sys.path[0] = {name!r}\n"
        script += f"runpy.run_path({f'{name}/test_layer.py'!r}, run_name='__main__')\n"
    assert alone(script, tmp_path).count("passed") == 4 * len(LINEAR)


def test_the_test_that_comes_with_it_fails_for_a_leak(tmp_path: Path) -> None:
    (tmp_path / "layer.py").write_text(assembled(zoo.program("mean of the own chunk"), {}))
    (tmp_path / "test_layer.py").write_text(selftest())
    done = subprocess.run([sys.executable, "test_layer.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "test_it_is_causal" in done.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import mixers\n", "pass\n"),
        ("import mixers as m, math\n", "import math; m = mixers\n"),
        ("if True:\n    from mixers import (\n        rope,\n    )\n", "if True:\n    rope = mixers.rope\n"),
        ("é = 1; from mixers import rope; b = 2\n", "é = 1; rope = mixers.rope; b = 2\n"),
        ("from __future__ import annotations\nimport torch\n", "pass\nimport torch\n"),
    ],
)
def test_imports_become_assignments(code: str, expected: str) -> None:
    assert rebound(code, ast.parse(code)) == expected


def test_everything_that_a_program_may_call_is_there() -> None:
    tree = ast.parse((MIXERS / "__init__.py").read_text())
    named = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert set(named) | {"use"} == set(EXPORTS)


def test_no_two_parts_of_the_primitives_share_a_name() -> None:
    defined: list[str] = []
    for section in SECTIONS:
        tree = ast.parse((MIXERS / f"{section}.py").read_text())
        defined += [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        defined += [target.id for target in targets if isinstance(target, ast.Name) and target.id != "__all__"]
    assert sorted(defined) == sorted(set(defined))


def test_a_program_that_uses_a_name_of_the_file_is_refused() -> None:
    with pytest.raises(ExportError, match="EvolvedLayer"):
        assembled(program("delta_net") + "\nEvolvedLayer = 3\n", {})


def test_a_motivation_stays_a_text() -> None:
    nasty = '"""\nimport os; raise SystemExit("ran")\n\'\'\' \\'
    tree = ast.parse(assembled(program("delta_net"), {"motivation": nasty}))
    assigned = [
        node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PROVENANCE"
    ]
    assert ast.literal_eval(assigned[0].value) == {"motivation": nasty}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Raise) and "SystemExit" in ast.unparse(node)]


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch_sandbox: Sandbox) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(programs, "open_sandbox", lambda *_, **__: nullcontext(torch_sandbox))


@pytest.mark.usefixtures("_home")
def test_the_command_writes_three_files_and_no_second_time(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(program("delta_net"))
    asked = ["arch", "export", str(mine), "--out", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"] == ["layer.py", "test_layer.py", "provenance.json"]
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (provenance["file"], provenance["licence"]) == ("mine.py", "Apache-2.0")
    with pytest.raises(ConfigError, match="expected a new or an empty folder"):
        CliRunner().invoke(app, asked, catch_exceptions=False)


@pytest.mark.usefixtures("_home")
def test_a_mixer_that_leaks_is_not_exported(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(zoo.program("mean of the own chunk"))
    with pytest.raises(ConfigError, match=r"refused \(causality\): .*y\["):
        CliRunner().invoke(app, ["arch", "export", str(mine), "--out", str(tmp_path / "o")], catch_exceptions=False)
    assert not (tmp_path / "o").exists()


@pytest.mark.usefixtures("_home")
def test_a_candidate_is_exported_with_its_lineage_and_scores() -> None:
    home = open_home()
    with Archive.open(home.archive_url) as archive:
        archive.create_campaign(play.NAME, "arch", 0, {"rounds": 10}, "1")
        first = play.played(archive, 0, 0.5)
        second = play.played(archive, 1, 0.6, first)
        third = play.played(archive, 2, 0.7, second)
    name = f"{play.NAME}-best"
    provenance = where_from(home, name, named(home.archive_url, name, "arch"))
    assert (provenance["candidate"], provenance["fitness"], provenance["licence"]) == (third, 0.7, "Apache-2.0")
    assert provenance["lineage"] == [
        {"candidate": second, "made_from": [first], "fitness": 0.6},
        {"candidate": first, "made_from": [], "fitness": 0.5},
    ]
    evaluations = provenance["evaluations"]
    assert evaluations == [{"rung": "explore", "seed": 1, "contract_version": "1", "metrics": {"sum": 2.0}}]
