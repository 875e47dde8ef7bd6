"""Programs out of Debian packages, unpacked in a folder and run from there.

The packages come with a private apt state (this machine's own is not touched), checked against
Debian's signatures. A program runs through the folder's own loader and libraries, so it does not
matter which release this machine has.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from telephony_adapters.lab.errors import LabError

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PUBLIC_MIRROR: Final = "http://deb.debian.org/debian"
APT_TIMEOUT_S: Final = 300
CACHE_VARIABLE: Final = "TELEPHONY_LAB_CACHE"
OWN_FOLDERS: Final = ("pulseaudio",)
"""Of packages that name an absolute path to libraries of theirs, which is not there when they are
unpacked elsewhere."""
_MISSING: Final = re.compile(r"(\S+) => not found|loading shared libraries: (\S+?):")
"""The loader says one or the other."""

_APT_CONF: Final = """\
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Etc::sourcelist "{apt}/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
"""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """Programs that come together."""

    name: str
    suite: str
    """Debian suite: a codename or `sid`."""
    packages: tuple[str, ...]
    keep: str
    """Regular expression of the packages worth unpacking; when libraries are missing then, the
    whole closure of dependencies is taken."""
    binaries: tuple[str, ...]
    """Globs of what must find all its libraries, from the folder's root."""


class Unpacked(msgspec.Struct, frozen=True):
    """A bundle on disk."""

    root: Path

    def libraries(self) -> list[Path]:
        """Where the loader has to look. Old suites keep some directly in /usr/lib, and some
        packages theirs in a folder of their own."""
        multiarch = [path for path in (self.root / "usr/lib").glob("*-linux-gnu") if path.is_dir()]
        own = [path / name for path in multiarch for name in OWN_FOLDERS if (path / name).is_dir()]
        return [*multiarch, *own, self.root / "usr/lib"]

    def command(self, program: str | Path) -> list[str]:
        """The start of a command line that runs `program` (a path from the root)."""
        loader = next(
            (found for place in self.libraries() for found in sorted(place.glob("ld-linux*.so.*"))),
            None,
        )
        if loader is None:
            raise LabError(
                f"{self.root}: there is no loader in it; delete the folder and try again"
            )
        path = ":".join(map(str, self.libraries()))
        return [str(loader), "--library-path", path, str(self.root / program)]

    def missing_libraries(self, globs: tuple[str, ...]) -> set[str]:
        """Shared libraries that some binary does not find."""
        missing: set[str] = set()
        for binary in (path for glob in globs for path in self.root.glob(glob)):
            *loader, target = self.command(binary)
            told = subprocess.run(
                [*loader, "--list", target], capture_output=True, text=True, check=False
            )
            found = _MISSING.findall(told.stdout + told.stderr)
            missing |= {one or other for one, other in found}
        return missing


def cache_folder() -> Path:
    """Where unpacked programs are kept: `TELEPHONY_LAB_CACHE`, or the user's cache.

    As root a folder that another user can reach: the programs run as `nobody` then.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/cache/marcador/telephony")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "marcador" / "telephony"


def install(bundle: Bundle, cache: Path | None = None) -> Unpacked:
    """The unpacked bundle, fetched the first time. Raises `LabError`."""
    home = (cache or cache_folder()) / f"{bundle.name}-{bundle.suite}"
    unpacked = Unpacked(home / "root")
    done = home / "done"
    try:
        _make_open(home)
    except OSError as error:
        raise LabError(
            f"{home}: {error.strerror}; name another folder with {CACHE_VARIABLE}"
        ) from error
    with _only_one(home / "lock"):
        if done.exists():
            return unpacked
        _fetch(bundle, home, bundle.keep)
        if unpacked.missing_libraries(bundle.binaries):
            _fetch(bundle, home, ".*")
        missing = unpacked.missing_libraries(bundle.binaries)
        if missing:
            raise LabError(f"{bundle.name}: libraries are missing: {', '.join(sorted(missing))}")
        shutil.rmtree(home / "apt")
        done.touch()
    return unpacked


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Several test processes may want the same bundle at once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(bundle: Bundle, home: Path, keep: str) -> None:
    apt = home / "apt"
    _write_apt_state(bundle, apt)
    _run(["apt-get", "update", "-qq"], apt, home)
    plan = _run(["apt-get", "install", "-s", *bundle.packages], apt, home)
    names = re.findall(r"^Inst (\S+)", plan, flags=re.MULTILINE)
    wanted = [name for name in names if re.fullmatch(keep, name)]
    archives = apt / "cache/archives"
    _run(["apt-get", "download", "-qq", *wanted], apt, archives)
    root = home / "root"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        _make_open(root / "usr" / name)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted(archives.glob("*.deb")):
        _unpack(package, root)
    for place in root.glob("usr/lib/*-linux-gnu"):
        # bullseye's loader is in /lib64 only
        for loader in root.glob("usr/lib64/ld-linux*.so.*"):
            if not (place / loader.name).exists():
                (place / loader.name).symlink_to(loader)


def _make_open(folder: Path) -> None:
    """Make a folder that every user can read, whatever the umask: root's programs run as nobody."""
    if not folder.is_dir():
        _make_open(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _write_apt_state(bundle: Bundle, apt: Path) -> None:
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise LabError(
                f"`{tool}` is missing: the laboratory takes {bundle.name} out of Debian packages, "
                "so it needs a Debian or Ubuntu machine (apt-get install apt dpkg tar)"
            )
    if not KEYRING.exists():
        raise LabError(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    source = f"deb [signed-by={KEYRING}] {_mirror()} {bundle.suite} main\n"
    (apt / "sources.list").write_text(source, encoding="utf-8")
    (apt / "apt.conf").write_text(_APT_CONF.format(apt=apt), encoding="utf-8")


def _mirror() -> str:
    """The Debian mirror that this machine uses already, else the public one."""
    for path in (
        Path("/etc/apt/sources.list.d/debian.sources"),
        Path("/etc/apt/sources.list"),
    ):
        if path.exists():
            found = re.search(
                r"^(?:URIs:|deb)\s.*?(\w+://\S+/debian/?)(?:\s|$)", path.read_text(), re.M
            )
            if found:
                return found[1]
    return PUBLIC_MIRROR


def _unpack(package: Path, root: Path) -> None:
    """Files only: no script of a package is ever run."""
    skipped = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/lib/*/gconv")
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as tarfile:
        unpacked = subprocess.run(
            [
                "tar",
                "-x",
                "--keep-directory-symlink",
                "--no-same-owner",
                *(f"--exclude={place}" for place in skipped),
                "-C",
                str(root),
                "-f",
                "-",
            ],
            stdin=tarfile.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
    if unpacked.returncode or tarfile.returncode:
        raise LabError(f"{package.name} cannot be unpacked: {unpacked.stderr.strip()}")


def _run(command: list[str], apt: Path, cwd: Path) -> str:
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=APT_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{command[0]} {command[1]}` took over {APT_TIMEOUT_S} s") from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-400:]
        raise LabError(
            f"`{command[0]} {command[1]}` failed: {said}. Is there a way to a Debian mirror? The "
            "laboratory takes Asterisk and SIPp from there the first time"
        )
    return done.stdout
