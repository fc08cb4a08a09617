"""GPUs: what is found on made-up machines, who holds what, and what a job with GPUs is shown. No GPU is needed."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.records import Failure, FailureKind, MachineFault
from tasks.sandbox import Finished, Job, Limits, SandboxUnavailable, gpus, open_sandbox
from tasks.sandbox.gpus import Gpu
from tests.tasks.sandbox.jail import ADAPTER, FAST, PROCESS_NAME, TIERS

INFORMATION = "Model: \t Fake\nGPU UUID: \t {uuid}\nDevice Minor: \t {minor}\n"
LIBRARIES = "run/opengl-driver/lib"
WITH_GPU = Limits(cpu_s=20.0, wall_s=60.0, memory_mb=256, processes=8, disk_mb=8)


def machine(root: Path, *known: tuple[int, str, str], nodes: tuple[int, ...] | None = None) -> Path:
    """A machine with these GPUs (minor, id, bus); its device nodes are /dev/null."""
    (root / "dev").mkdir(parents=True)
    shared = [f"nvidia{minor}" for minor in ([gpu[0] for gpu in known] if nodes is None else nodes)]
    for name in (*shared, "nvidiactl", "nvidia-uvm"):
        (root / "dev" / name).symlink_to("/dev/null")
    for minor, uuid, bus in known:
        folder = root / "proc/driver/nvidia/gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(INFORMATION.format(uuid=uuid, minor=minor))
    for name in (LIBRARIES, "sys/bus/pci", "sys/devices/pci0000:00"):
        (root / name).mkdir(parents=True)
    (root / LIBRARIES / "libcuda.so.1").write_text("no library")
    return root


FIRST, SECOND = (1, "GPU-aa", "0000:01:00.0"), (0, "GPU-bb", "0000:02:00.0")


def test_gpus_come_in_the_order_of_their_bus_and_only_with_a_device_node(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", FIRST, SECOND, (7, "GPU-of-another-container", "0000:03:00.0"), nodes=(0, 1))
    assert gpus.found(root, {}) == [Gpu(*FIRST), Gpu(*SECOND)]
    assert gpus.found(root, {"CUDA_VISIBLE_DEVICES": "1"}) == [Gpu(*SECOND)]
    assert gpus.found(root, {"CUDA_VISIBLE_DEVICES": "GPU-bb,0"}) == [Gpu(*SECOND), Gpu(*FIRST)]
    assert gpus.found(root, {"CUDA_VISIBLE_DEVICES": ""}) == []


def test_a_mig_instance_is_refused(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", FIRST)
    with pytest.raises(SandboxUnavailable, match=r"names MIG-1, and this machine has 0, GPU-aa .*MIG"):
        gpus.found(root, {"CUDA_VISIBLE_DEVICES": "MIG-1"})


def test_a_job_is_told_of_its_own_gpus_alone(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", FIRST, SECOND)
    shared = gpus.share([Gpu(*SECOND)], root, {})
    assert [place for _, place in shared.devices] == ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]
    assert [place for _, place in shared.readable] == ["/sys/bus/pci", "/sys/devices/pci0000:00", f"/{LIBRARIES}"]
    told = dict(shared.environment)
    assert (told["CUDA_VISIBLE_DEVICES"], told["LD_LIBRARY_PATH"]) == ("GPU-bb", f"/{LIBRARIES}")
    assert told["NCCL_SOCKET_IFNAME"] == "lo"


def test_without_ids_the_bound_nodes_are_numbered_from_0(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", (3, "GPU-????????-????", "0000:01:00.0"))
    (only,) = gpus.found(root, {})
    assert only == Gpu(3, "", "0000:01:00.0")
    assert dict(gpus.share([only], root, {}).environment)["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_library_among_the_systems_is_not_bound_again(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", FIRST)
    (root / "usr/lib64").mkdir(parents=True)
    (root / "usr/lib64/libcuda.so.1").touch()
    shared = gpus.share(gpus.found(root, {}), root, {})
    assert "/usr/lib64" not in [place for _, place in shared.readable]
    assert "LD_LIBRARY_PATH" not in dict(shared.environment)


def test_render_nodes_are_those_of_the_own_bus(tmp_path: Path) -> None:
    root = machine(tmp_path / "m", FIRST, SECOND)
    (root / "dev/dri/by-path").mkdir(parents=True)
    for name, bus in (("renderD128", FIRST[2]), ("renderD129", SECOND[2])):
        (root / "dev/dri" / name).touch()
        (root / "dev/dri/by-path" / f"pci-{bus}-render").symlink_to(f"../{name}")
    places = [place for _, place in gpus.share([Gpu(*SECOND)], root, {}).devices]
    assert [place for place in places if "dri" in place] == ["/dev/dri/renderD129"]


@pytest.mark.parametrize(
    ("removed", "wanted", "said"),
    [
        ((), 1, ""),
        ((), 3, "3 GPUs are needed, and this machine has 2"),
        (("dev/nvidia0", "dev/nvidia1"), 1, "1 GPU is needed, and this machine has none (no /dev/nvidia0"),
        (("dev/nvidia-uvm",), 1, "CUDA needs /dev/nvidia-uvm"),
        ((f"{LIBRARIES}/libcuda.so.1",), 1, "the driver's library libcuda.so.1 was found neither"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path: Path, removed: tuple[str, ...], wanted: int, said: str) -> None:
    root = machine(tmp_path / "m", FIRST, SECOND)
    for name in removed:
        (root / name).unlink()
    problem = gpus.problem(wanted, root, {})
    assert problem.startswith(said)
    assert bool(problem) == bool(said)
    assert "\n" not in problem


def test_jobs_hold_different_gpus_and_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "PATIENCE_S", 0.2)
    both = [Gpu(0), Gpu(1)]
    with gpus.held(both, 1, tmp_path) as first, gpus.held(both, 1, tmp_path) as second:
        assert [*first, *second] == both
        with pytest.raises(MachineFault, match="1 of 2 GPUs were wanted"), gpus.held(both, 1, tmp_path):
            pass
    with gpus.held(both, 2, tmp_path) as again:
        assert again == both


def job(code: str, **more: object) -> Job:
    return replace(
        Job(textwrap.dedent(code), ADAPTER, "call:named", [PROCESS_NAME, None], WITH_GPU, "gpu-train", gpus=1),
        **more,  # type: ignore[arg-type]  # fields by name
    )


LOOK = """
    import os, resource, stat
    from pathlib import Path

    def listed(folder):
        return sorted(os.listdir(folder)) if Path(folder).exists() else []

    def refused(path):
        try:
            Path(path).write_text("x")
        except OSError:
            return True
        return False

    def main(request):
        Path("/dev/shm/tensor").write_text("x")
        Path(os.environ["TRITON_CACHE_DIR"]).mkdir()
        programs = [Path("/proc", name, "cmdline").read_bytes() for name in listed("/proc") if name.isdigit()]
        return {
            "devices": [name for name in listed("/dev") if "nvidia" in name],
            "is a device": stat.S_ISCHR(os.stat("/dev/nvidia0").st_mode),
            "visible": os.environ["CUDA_VISIBLE_DEVICES"],
            "libraries": listed(os.environ["LD_LIBRARY_PATH"]),
            "sys": listed("/sys/devices"),
            "own maps": "python" in Path("/proc/self/maps").read_text(),
            "only our processes": all(b"inside.zygote" in program or not program for program in programs),
            "proc cannot be written": refused("/proc/self/comm") and refused("/proc/sys/kernel/core_pattern"),
            "address space": resource.getrlimit(resource.RLIMIT_DATA)[0],
            "secrets": [name for name in os.environ if "KEY" in name],
        }
"""


@pytest.mark.skipif("bubblewrap" not in TIERS, reason="needs bubblewrap")
def test_a_job_with_a_gpu_sees_its_device_and_a_proc_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    root = machine(tmp_path / "m", FIRST, SECOND)
    with open_sandbox(tmp_path / "s", tier="bubblewrap", preload=(), gpu_root=root) as pool, gpus.held([Gpu(1)], 1):
        result = pool.run(job(LOOK))  # the first GPU is taken, so it gets the second
        assert not pool._idle  # its process is not kept for others
    assert isinstance(result, Finished), result
    assert result.answer == {
        "devices": ["nvidia-uvm", "nvidia0", "nvidiactl"],
        "is a device": True,
        "visible": "GPU-bb",
        "libraries": ["libcuda.so.1"],
        "sys": ["pci0000:00"],
        "own maps": True,
        "only our processes": True,
        "proc cannot be written": True,
        "address space": -1,
        "secrets": [],
    }


@pytest.mark.skipif("bubblewrap" not in TIERS, reason="needs bubblewrap")
def test_memory_is_watched_without_a_limit_on_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    root = machine(tmp_path / "m", FIRST)
    reserves = "import mmap\ndef main(request):\n    mmap.mmap(-1, 1 << 40, flags=0x4022)\n    return 'reserved'"
    uses = "import time\ndef main(request):\n    held = b'x' * (400 << 20)\n    time.sleep(30)"
    with open_sandbox(tmp_path / "s", tier="bubblewrap", preload=(), gpu_root=root) as pool:
        reserved, used = pool.run(job(reserves)), pool.run(job(uses))
    assert isinstance(reserved, Finished), reserved
    assert isinstance(used, Failure)
    assert used.kind is FailureKind.MEMORY


@pytest.mark.skipif("landlock" not in TIERS, reason="needs Landlock")
def test_the_landlock_tier_refuses_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    root = machine(tmp_path / "m", FIRST)
    with open_sandbox(tmp_path / "s", tier="landlock", preload=(), gpu_root=root) as pool:
        for refused in (job(LOOK), Job("", ADAPTER, "call:main", None, FAST, loopback=True)):
            with pytest.raises(SandboxUnavailable, match="which the tier landlock has not: install bubblewrap") as said:
                pool.run(refused)
            assert "\n" not in str(said.value)


def test_without_a_gpu_nothing_starts(tmp_path: Path) -> None:
    with (
        open_sandbox(tmp_path / "s", preload=(), gpu_root=tmp_path) as pool,
        pytest.raises(SandboxUnavailable, match="gpu-train cannot be had: 1 GPU is needed, and this machine has none"),
    ):
        pool.run(job(LOOK))
