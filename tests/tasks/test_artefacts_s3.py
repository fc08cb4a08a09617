"""Artefacts on an S3 server, and what is said when it, its bucket or the credentials are missing."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from tasks import artefacts
from tasks.artefacts import ArtefactError, check_store, read, workspace
from tests.s3 import S3, s3_server

BUCKET = "s3://nights"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture
def environment(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # no question to the cloud that this may be
    _forget()
    store = fsspec.filesystem("s3", use_listings_cache=False)
    if not store.exists(BUCKET):
        store.mkdir(BUCKET)
    yield monkeypatch
    _forget()


def _forget() -> None:
    """Clients keep the environment that they were made in."""
    artefacts._file_system_of.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_workspace_on_s3_finds_what_it_left(environment: pytest.MonkeyPatch) -> None:
    place = workspace(f"{BUCKET}/toy", "rounds", "toy-0001")
    assert not place.exists("x.txt")
    artefact = place.write("x.txt", b"1")
    place.write("x.txt", b"2")
    _forget()  # another machine
    again = workspace(f"{BUCKET}/toy", "rounds", "toy-0001")
    assert again.exists("x.txt")
    assert (again.read("x.txt"), read(artefact.uri)) == (b"2", b"2")
    with pytest.raises(FileNotFoundError):
        again.read("y.txt")
    with pytest.raises(ArtefactError, match=r"cannot read s3://nights/toy/gone"):
        read(f"{BUCKET}/toy/gone")


def test_what_one_process_wrote_another_sees_at_once(environment: pytest.MonkeyPatch) -> None:
    place = workspace(f"{BUCKET}/seen")
    assert not place.exists("a")
    other = fsspec.filesystem("s3", skip_instance_cache=True)
    other.pipe_file(f"{BUCKET}/seen/a", b"1")
    assert place.exists("a")


def test_a_store_that_works_is_left_as_it_was(environment: pytest.MonkeyPatch) -> None:
    check_store(f"{BUCKET}/checked")
    assert fsspec.filesystem("s3", use_listings_cache=False).find(f"{BUCKET}/checked") == []


def test_a_missing_bucket_is_one_line(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtefactError, match=r"^cannot write s3://nowhere/toy/probe-.*bucket does not exist"):
        check_store("s3://nowhere/toy")


def test_missing_credentials_are_one_line(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    _forget()
    with pytest.raises(ArtefactError, match=r"^cannot write .*: Unable to locate credentials; see docs/team.md"):
        check_store(f"{BUCKET}/toy")


def test_a_store_without_its_package_says_what_to_install() -> None:
    with pytest.raises(ArtefactError, match=r"gs://bucket/.* needs a package"):
        check_store("gs://bucket")
