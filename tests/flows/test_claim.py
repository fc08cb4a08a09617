import os
import subprocess
import sys

from flows.claim import is_dead, owner


def test_this_process_is_alive() -> None:
    assert not is_dead(owner())


def test_an_ended_process_of_this_machine_is_dead() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    machine = owner().rsplit("/", 2)[0]
    assert is_dead(f"{machine}/{ended.pid}/1.00")


def test_a_recycled_process_number_is_not_the_owner() -> None:
    machine = owner().rsplit("/", 2)[0]
    assert is_dead(f"{machine}/{os.getpid()}/1.00")


def test_of_another_machine_nothing_is_known() -> None:
    assert not is_dead("other-host/other-boot/1/1.00")
