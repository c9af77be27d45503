"""Runs many `threadkeep` commands cheaply: a process that has imported everything forks one child per command.

A command started afresh spends half a second on imports, and the tests run some hundred.
The children still are processes of their own, with their own arguments, variables and working folder.
"""

import io
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

# A command that does not come to its end is ended.
COMMAND_S = 60
WAIT_S = 0.01


class Zygote:
    """Starts with its first command; commands run side by side."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def run(self, *arguments: str, cwd: Path, environment: dict[str, str]) -> dict[str, Any]:
        """Run one command and return its `returncode`, `stdout` and `stderr`."""
        with tempfile.TemporaryDirectory(prefix="threadkeep-command-") as folder:
            files = {name: Path(folder) / name for name in ("stdout", "stderr")}
            request = {"arguments": arguments, "cwd": str(cwd), "environment": environment, "limit_s": COMMAND_S}
            returncode = Forked(self, self.ask({**request, **{name: str(files[name]) for name in files}})["pid"]).wait()
            return {"returncode": returncode, **{name: read_all(file) for name, file in files.items()}}

    def begin(self, *arguments: str, cwd: Path, environment: dict[str, str], log: Path) -> "Forked":
        """Start a command that goes on, such as a server, and return it while it runs."""
        request = {"arguments": arguments, "cwd": str(cwd), "environment": environment, "limit_s": 0}
        return Forked(self, self.ask({**request, "stdout": str(log), "stderr": str(log)})["pid"])

    def begin_at(self, terminal: str, *arguments: str, cwd: Path, environment: dict[str, str]) -> "Forked":
        """Start a command as the one that a pseudo-terminal, such as `/dev/pts/3`, belongs to."""
        request = {"arguments": arguments, "cwd": str(cwd), "environment": environment, "terminal": terminal}
        return Forked(self, self.ask(request)["pid"])

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if self.process is None:
                self.process = subprocess.Popen(
                    [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        assert line, "the process that runs the commands has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self.process is None:
            return
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class Forked:
    """A process that a zygote has begun, with what the tests use of `subprocess.Popen`."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._zygote = zygote

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._zygote.ask({"poll": self.pid})["returncode"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until_s = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until_s is not None and time.monotonic() > until_s:
                raise subprocess.TimeoutExpired("threadkeep", timeout or 0)
            time.sleep(WAIT_S)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve_commands() -> None:
    # Only to have in memory before the first fork what commands import when they are called.
    import threadkeep.cli
    import threadkeep.client
    import threadkeep.commands.chat_commands
    import threadkeep.commands.chat_screens
    import threadkeep.commands.chat_talk
    import threadkeep.commands.export_writing
    import threadkeep.commands.import_files
    import threadkeep.commands.import_reading
    import threadkeep.commands.import_sending
    import threadkeep.commands.serve
    import threadkeep.commands.tables
    import threadkeep.database.postgres
    import threadkeep.database.sqlite
    import threadkeep.operations.organizations.administration
    import threadkeep.operations.upkeep.verifying
    import threadkeep.server.tokens

    # The library of commands imports most of its own when it first runs one.
    with redirect_stdout(io.StringIO()):
        threadkeep.cli.app(["version"], standalone_mode=False)
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            print(json.dumps({"returncode": os.waitstatus_to_exitcode(status) if pid else None}), flush=True)
            continue
        if "terminal" in request:
            # Opened here: the terminal must not be without anybody, which would end it, until the child runs.
            terminal = os.open(request["terminal"], os.O_RDWR | os.O_NOCTTY)
            child = os.fork()
            if child == 0:
                become_command_at(request, terminal)
            os.close(terminal)
            print(json.dumps({"pid": child}), flush=True)
            continue
        child = os.fork()
        if child == 0:
            become_command(request)
        print(json.dumps({"pid": child}), flush=True)


def become_command(request: dict[str, Any]) -> None:
    """Turn this forked child into the command; never returns."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.stdout = os.fdopen(os.dup(1), "w")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    run_and_end(request, request["limit_s"])


def become_command_at(request: dict[str, Any], terminal: int) -> None:
    """Turn this forked child into the command that a terminal belongs to; never returns."""
    os.login_tty(terminal)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, "r"),
        os.fdopen(1, "w"),
        os.fdopen(2, "w", errors="backslashreplace"),
    )
    run_and_end(request, limit_s=0)


def run_and_end(request: dict[str, Any], limit_s: int) -> None:
    status = 1
    try:
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        signal.alarm(limit_s)
        sys.argv = ["threadkeep", *request["arguments"]]
        runpy.run_module("threadkeep", run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def read_all(file: Path) -> str:
    return file.read_bytes().decode(errors="replace") if file.exists() else ""


if __name__ == "__main__":
    serve_commands()
