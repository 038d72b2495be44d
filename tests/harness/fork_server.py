"""Runs in a host's own Python: loads the host's packages once, and forks a child for every command of `az`.

A program of its own, because only the host's Python can import azure-cli. `forked.py` is the other end. For each
command it sends one message over the control socket, with four file descriptors: a call socket, and the standard input,
output and errors of the command. Over the call socket come four bytes of length and a JSON object:

    {"arguments": [...], "environment": {...}, "directory": "...", "umask": 18, "terminal": false}

PYTHONPATH is in that environment: the script `az` puts it there. Back go two numbers of eight bytes: the process ID
when the command begins, and its wait status when it ends.

A child starts where a new interpreter would: `become_az` gives it its own environment, directory, streams, session and
signals. `recompute` repeats what the host's modules computed from the environment when they were imported.
NOT_RECOMPUTED names the variables that it leaves alone: where one is set, the real executable runs.
`test_fork_server.py` searches the host's modules for what these lists do not name.

What a child has that a new process has not: the hash seed of its siblings, and a parent that is not the test.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import tempfile
import time

if sys.platform == "win32":
    raise ImportError("a POSIX system is needed")

#: The locale of this process, which its children cannot change.
LANG = "C.UTF-8"
#: Variables that Python, a library or a module of the host reads once, and that `recompute` leaves alone.
NOT_RECOMPUTED = frozenset(
    (
        *("LC_ALL", "LC_CTYPE", "LANGUAGE", "LOCPATH"),  # the locale
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "OPENSSL_CONF", "OPENSSL_MODULES"),  # the libraries below Python
        "ARM_CLOUD_METADATA_URL",  # azure.cli.core.cloud: the clouds that it knows
        *("_ARC_DEBUG", "_ARGCOMPLETE_SUPPRESS_SPACE"),  # argcomplete
        *("HUMANFRIENDLY_HIGHLIGHT_COLOR", "PSUTIL_DEBUG", "SPHINX_BUILD"),  # humanfriendly, psutil, jwt
    )
)
#: What the host's modules, with all that they import, are loaded by. An older or newer host may lack some.
MODULES = (
    *(
        "azure.cli.core",
        "azure.cli.core.telemetry",
        "azure.cli.core.intercept_survey",
        "azure.cli.core.breaking_change",
    ),
    *(
        "azure.cli.core._breaking_change",
        "azure.cli.core._completers",
        "azure.cli.core.api",
        "azure.cli.core.azlogging",
    ),
    *("azure.cli.core.parser", "azure.cli.core._help", "azure.cli.core._help_loaders", "azure.cli.core._output"),
    *(
        "azure.cli.core._profile",
        "azure.cli.core.aaz",
        "azure.cli.core.auth.binary_cache",
        "azure.cli.core.auth.identity",
    ),
    *(
        "azure.cli.core.auth.credential_adaptor",
        "azure.cli.core.auth.msal_credentials",
        "azure.cli.core.auth.persistence",
    ),
    *("azure.cli.core.command_recommender", "azure.cli.core.commands.arm", "azure.cli.core.commands.client_factory"),
    *("azure.cli.core.commands.command_operation", "azure.cli.core.commands.transform", "azure.cli.core.style"),
    *("azure.cli.core.commands.validators", "azure.cli.core.extension.operations", "azure.cli.core.local_context"),
    *("azure.cli.command_modules.profile.custom", "azure.cli.command_modules.profile._format"),
    *("azure.cli.command_modules.profile._help", "azure.cli.command_modules.profile._validators"),
    *("azure.cli.command_modules.resource._client_factory", "azure.cli.command_modules.resource._help"),
    *("azure.cli.command_modules.resource._validators", "azure.cli.command_modules.resource.commands"),
    *("azure.cli.command_modules.resource.policy", "azure.cli.command_modules.resource.aaz.latest.account"),
    *("azure.cli.command_modules.resource.aaz.latest.data_boundary", "msrest.service_client", "pkginfo"),
    *("azure.cli.telemetry.util", "azure.mgmt.core.tools", "azure.mgmt.resource.subscriptions.v2022_12_01"),
    *("cryptography.x509", "cryptography.hazmat.primitives.serialization.pkcs12", "jmespath", "knack.completion"),
    *("jwt", "msal", "msal_extensions", "psutil", "requests", "tabulate", "yaml"),
    *(
        "concurrent.futures.thread",
        "difflib",
        "encodings.idna",
        "encodings.utf_8_sig",
        "getpass",
        "http.server",
        "ipaddress",
    ),
    *("secrets", "timeit", "webbrowser"),
)

_NUMBER = struct.Struct("!q")
_LENGTH = struct.Struct("!I")


#: Refers to itself, so that nothing in it is ever freed.
_kept: list[object] = []
_kept.append(_kept)


def spare(shared: frozenset[str]) -> None:
    """Take modules out of the interpreter's teardown, at the very end of a child.

    Python clears each module when it ends. Of modules that were loaded before the fork that copies every page, and the
    parent keeps them anyway.
    """
    for name in shared & sys.modules.keys():
        _kept.append(sys.modules.pop(name))


def load() -> None:
    """Import the host's modules."""
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def recompute() -> None:
    """Repeat, in the environment as it is now, what the modules computed when they were imported."""
    from azure.cli.core import _config, cloud, extension, intercept_survey
    from azure.cli.core._environment import get_config_dir
    from azure.cli.core.extension import operations
    from azure.cli.core.extension._homebrew_patch import HomebrewPipPatch
    from knack.config import CLIConfig

    folder = get_config_dir()
    CLIConfig._DEFAULT_CONFIG_DIR = os.path.expanduser(os.path.join("~", ".cli"))
    HomebrewPipPatch.CFG_FILE = os.path.expanduser(os.path.join("~", ".pydistutils.cfg"))
    for module in (_config, cloud, extension, intercept_survey):
        module.GLOBAL_CONFIG_DIR = folder
    _config.GLOBAL_CONFIG_PATH = os.path.join(folder, _config.CONFIG_FILE_NAME)
    cloud.CLOUD_CONFIG_FILE = os.path.join(folder, "clouds.config")
    intercept_survey.GLOBAL_SURVEY_NOTE_PATH = os.path.join(folder, intercept_survey.SURVEY_NOTE_NAME)

    config = extension.az_config = CLIConfig(config_dir=folder, config_env_var_prefix=_config.ENV_VAR_PREFIX)
    own = extension._CUSTOM_EXT_DIR = config.get("extension", "dir", None)
    shared = extension._CUSTOM_EXT_SYS_DIR = config.get("extension", "sys_dir", None)
    sources = extension._DEV_EXTENSION_SOURCES = config.get("extension", "dev_sources", None)
    extension.EXTENSIONS_DIR = os.path.expanduser(own) if own else os.path.join(folder, "cliextensions")
    extension.DEV_EXTENSION_SOURCES = sources.split(",") if sources else []
    if shared:
        extension.EXTENSIONS_SYS_DIR = os.path.expanduser(shared)
    for name in ("EXTENSIONS_DIR", "EXTENSIONS_SYS_DIR", "DEV_EXTENSION_SOURCES"):
        if hasattr(operations, name):
            setattr(operations, name, getattr(extension, name))

    tempfile.tempdir = None
    time.tzset()


def become_az(call: socket.socket, streams: list[int]) -> None:
    """Turn a child of this process into `python -m azure.cli` as its launcher describes it."""
    # A signal before the command has begun ends it, as between fork and exec in a shell.
    for each in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)
    os.setsid()
    (length,) = _LENGTH.unpack(_receive(call, _LENGTH.size))
    wanted = json.loads(_receive(call, length))
    call.close()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number, inheritable=True)
    os.closerange(3, 1 + max(map(int, os.listdir("/proc/self/fd"))))
    if wanted["terminal"]:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(wanted["directory"])
    os.umask(wanted["umask"])

    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.path[:2] = [os.getcwd(), os.environ["PYTHONPATH"]]
    sys.argv = ["-m", *wanted["arguments"]]  # runpy puts the path of the module in the first place
    sys.orig_argv = [sys.executable, "-m", "azure.cli", *wanted["arguments"]]
    # The stream objects stay, for defaults of parameters hold them (`knack.cli.CLI`). They began on pipes, unused, in
    # the locale of the child. A terminal makes the difference that CPython's `create_stdio` makes.
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(line_buffering=stream.isatty() or stream is sys.stderr)
    recompute()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _receive(call: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = call.recv(min(1 << 16, length - len(received)))
        if not part:
            os._exit(os.EX_NOINPUT)  # the launcher has ended: no command is lost
        received += part
    return bytes(received)


class Server:
    """Forks when it is asked to, and reports how the children end. It has one thread."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._calls: dict[int, socket.socket] = {}
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # that of a terminal is for the test run

    def serve(self) -> tuple[socket.socket, list[int]] | None:
        """Return in every child, with its call socket and its standard streams; None in this process, at the end."""
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._report()
            if self._control.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(self._control, 16, 4)
                if not message:
                    return None
                call, streams = socket.socket(fileno=descriptors[0]), descriptors[1:]
                if not (child := os.fork()):
                    self._forget()
                    return call, streams
                self._calls[child] = call
                self._tell(call, child)
                for stream in streams:
                    os.close(stream)

    def _report(self) -> None:
        while self._calls:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            with self._calls.pop(child) as call:
                self._tell(call, status)

    def _tell(self, call: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):  # the launcher does not want to know any more
            call.sendall(_NUMBER.pack(number))

    def _forget(self) -> None:
        """Close, in a child, what belongs to the parent, so that nothing closes these descriptors later."""
        signal.set_wakeup_fd(-1)
        self._control.close()
        for call in self._calls.values():
            call.close()
        os.close(self._woken)
        os.close(self._wake)


def main() -> None:
    """Serve on the socket whose file descriptor is the only argument. PYTHONPATH is what it is for `az`."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = os.path.sep  # and not the folder of this file
    shared: set[str] = set()
    atexit.register(lambda: spare(frozenset(shared)))  # the first to be registered is the last to be called
    load()
    gc.collect()
    gc.freeze()  # the collector leaves the shared pages alone
    child = Server(control).serve()
    if child:
        shared.update(sys.modules.keys() - {"__main__", "builtins", "sys"})
        become_az(*child)
        runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
