"""Datatrove's executors by configuration: local processes, Slurm arrays, Ray. The pipeline is the same for all three.

Nothing of ours schedules anything. Slurm and Ray need this package and a working sandbox on every node. `script` shows
what Slurm would be given, without a cluster.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cognition.records import MachineFault


class ExecutorSettings(BaseModel):
    """Where shards run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "slurm", "ray"] = "local"
    workers: int = Field(1, ge=1, description="Shards at a time")
    slurm_partition: str = Field("", description="Slurm: the partition")
    slurm_time: str = Field(
        "12:00:00", pattern=r"^(\d+-)?\d{1,3}(:\d{2}){1,2}$", description="Slurm: the time limit of a shard"
    )
    slurm_qos: str = Field("", description="Slurm: the quality of service, where the cluster wants one")
    slurm_environment: str = Field("", description="Slurm: a command that prepares the shell, e.g. source venv/bin/...")
    cpus_per_task: int = Field(1, ge=1, description="Slurm and Ray")
    mem_per_cpu_gb: int = Field(4, ge=1, description="Slurm and Ray")


def build(
    settings: ExecutorSettings,
    pipeline: list[Any],
    tasks: int,
    logging_dir: Path,
    after: Any = None,
    job: str = "nightshift-curate",
    check: bool = True,
) -> Any:
    """The executor, not yet started. `after`: the executor that Slurm has to run before it.

    Raises MachineFault if its kind cannot run here; with `check` False only if it cannot even be made.
    """
    common = {"pipeline": pipeline, "tasks": tasks, "workers": settings.workers, "logging_dir": str(logging_dir)}
    if settings.kind == "local":
        from datatrove.executor.local import LocalPipelineExecutor

        return LocalPipelineExecutor(**common)
    wide = {"cpus_per_task": settings.cpus_per_task, "mem_per_cpu_gb": settings.mem_per_cpu_gb}
    if settings.kind == "slurm":
        return _slurm(settings, {**common, **wide, "depends": after, "job_name": job}, check)
    if importlib.util.find_spec("ray") is None:
        raise MachineFault("Ray is not installed: pip install 'ray[default]', on every node")
    from datatrove.executor.ray import RayPipelineExecutor

    return RayPipelineExecutor(**common, **wide)


def _slurm(settings: ExecutorSettings, common: dict[str, Any], check: bool) -> Any:
    if not settings.slurm_partition:
        raise MachineFault("Slurm needs a partition: --set slurm_partition=NAME")
    if check and shutil.which("sbatch") is None:
        raise MachineFault("there is no sbatch here: start this on a node that may submit to Slurm, or add --dry-run")
    from datatrove.executor.slurm import SlurmPipelineExecutor

    return SlurmPipelineExecutor(
        **common,
        time=settings.slurm_time,
        partition=settings.slurm_partition,
        qos=settings.slurm_qos,
        env_command=settings.slurm_environment or None,
    )


def script(executor: Any) -> str:
    """What Datatrove would hand to sbatch for a Slurm executor. Raises MachineFault where its steps cannot travel."""
    import dill

    try:
        dill.loads(dill.dumps(executor.pipeline))  # every task loads the pipeline from a file
    except (dill.PicklingError, dill.UnpicklingError, TypeError, AttributeError) as error:
        raise MachineFault(f"the pipeline cannot be sent to Slurm: {error}") from error
    logs, tasks = executor.slurm_logs_folder, min(executor.tasks, executor.max_array_size)
    command = f"srun -l -n 1 launch_pickled_pipeline {executor.logging_dir.resolve_paths('executor.pik')}"
    with tempfile.TemporaryDirectory() as elsewhere:  # Datatrove makes the folder of the logs as soon as it is asked
        executor.slurm_logs_folder = elsewhere
        text = str(executor.get_launch_file_contents(executor.get_sbatch_args(tasks), command))
        executor.slurm_logs_folder = logs
    return text.replace(elsewhere, str(logs))
