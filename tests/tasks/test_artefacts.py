from pathlib import Path

import pytest

from tasks.artefacts import ArtefactError, read, workspace, write


def test_a_workspace_finds_what_it_left(tmp_path: Path) -> None:
    first = workspace(tmp_path.as_uri(), "rounds", "p-0001")
    artefact = first.write("packing.json", b"[]")
    again = workspace(tmp_path.as_uri(), "rounds", "p-0001")
    assert again.exists("packing.json")
    assert again.read("packing.json") == b"[]"
    assert read(artefact.uri) == b"[]"


def test_writing_again_replaces_and_leaves_no_part_files(tmp_path: Path) -> None:
    place = workspace(tmp_path.as_uri())
    place.write("a", b"1")
    place.write("a", b"2")
    assert place.read("a") == b"2"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden"])
def test_names_cannot_leave_the_workspace(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        workspace(tmp_path.as_uri()).write(name, b"")


def test_a_missing_artefact_is_our_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="gone"):
        read((tmp_path / "gone").as_uri())


def test_a_folder_that_cannot_be_written_says_which(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="file/x"):
        write((tmp_path / "file" / "x").as_uri(), b"")


def test_object_stores_work_the_same() -> None:
    place = workspace("memory://bucket/rounds", "p-0001")
    place.write("a", b"1")
    assert place.exists("a")
    assert place.read("a") == b"1"
    with pytest.raises(FileNotFoundError):
        place.read("b")
