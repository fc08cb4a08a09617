"""What must hold for the packages as a whole."""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"flows", "tasks", "cognition", "problems", "arch", "curation", "rl", "evo_kernels"}


def test_no_other_distribution_owns_our_package_names() -> None:
    owners = {name: set(owner) for name, owner in packages_distributions().items() if name in OURS}
    assert {name: owner - {"nightshift"} for name, owner in owners.items() if owner - {"nightshift"}} == {}


def test_the_mlflow_folder_does_not_hide_the_package() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))


def test_the_contract_and_the_archive_import_nothing_heavy() -> None:
    heavy = {"prefect", "mlflow", "torch", "openai", "numpy", "scipy", "matplotlib"}
    code = f"import sys, tasks.contract, cognition.archive; print(sorted(set(sys.modules) & {heavy!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


def test_only_the_leaf_files_import_heavy_packages_at_the_top() -> None:
    code = "import sys, flows.cli; print(sorted(set(sys.modules) & {'prefect', 'mlflow', 'openai', 'matplotlib'}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda script: script.stem)
def test_a_benchmark_starts_by_its_path(script: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    started = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, env=environment, timeout=120
    )
    assert started.returncode == 0, started.stderr[-500:]
