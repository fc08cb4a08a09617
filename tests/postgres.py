"""A PostgreSQL server of the tests' own: Debian's programs, a private folder and port, no password, no durability.

Debian 12 has no pgvector; tests of that take Debian's programs where the extension is there, else those of the package
pgserver, which brings PostgreSQL with it along.

It refuses to run as root, so root starts it as the user `postgres` or `nobody`. Whoever starts it has to stop it.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

MISSING = "PostgreSQL's programs are not in /usr/lib/postgresql/*/bin (Debian: apt-get install postgresql)"
NO_PGVECTOR = (
    "no PostgreSQL with pgvector: neither Debian's postgresql-NN-pgvector nor the package pgserver is there, "
    "or its folder is closed to the user that the server runs as"
)
#: Tests have nothing to lose in a power cut.
QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB"


def programs() -> Path | None:
    """The folder of the newest version's programs, None if there is none."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")  # noqa: PTH207  # an absolute pattern
    return Path(max(found, key=lambda path: float(path.split("/")[4]))).parent if found else None


def programs_with_pgvector() -> Path | None:
    """The folder of programs whose server has the extension, None if there is none."""
    debian = programs()
    if debian is not None and Path(f"/usr/share/postgresql/{debian.parent.name}/extension/vector.control").is_file():
        return debian
    package = importlib.util.find_spec("pgserver")
    folder = Path(package.origin).parent / "pginstall" / "bin" if package and package.origin else None
    return folder if folder is not None and (folder / "initdb").is_file() and _is_open(folder) else None


def _is_open(folder: Path) -> bool:
    """Whether another user may get there, which matters when root starts the server."""
    return os.getuid() != 0 or all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server."""

    programs: Path
    folder: Path
    port: int

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """A database's URL."""
        return f"{driver}://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template0") -> str:
        """A new database, an exact copy of the template; returns its URL."""
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser."""
        place = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """End it and forget everything."""
        _run(self.programs / "pg_ctl", "stop", "-m", "immediate", "-D", str(self.folder / "data"))
        shutil.rmtree(self.folder, ignore_errors=True)


def start(programs: Path) -> PostgresServer:
    """Make a cluster with these programs and start it: about three seconds."""
    folder = Path(tempfile.mkdtemp(prefix="nightshift-postgres-"))
    if os.getuid() == 0:
        os.chown(folder, _owner().pw_uid, _owner().pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    _run(
        programs / "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D", data
    )
    options = f"-h 127.0.0.1 -p {port} -k {folder} {QUICK}"
    _run(programs / "pg_ctl", "start", "-w", "-t", "60", "-D", data, "-l", str(folder / "log"), "-o", options)
    return PostgresServer(programs, folder, int(port))


def _owner() -> pwd.struct_passwd:
    names = [user.pw_name for user in pwd.getpwall()]
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _run(program: Path, *arguments: str) -> None:
    user = {"user": _owner().pw_uid, "group": _owner().pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    # The server inherits these handles: a pipe would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(program), *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            **user,  # type: ignore[call-overload]  # three keywords of Popen
        )
        output.seek(0)
        assert done.returncode == 0, output.read().decode()
