"""Process 1 of the fork server's namespace. It holds the connection to the server, starts the forker, and reaps every worker, so
the death of the forker takes no worker with it. It runs no code of the environment's packages, and ends with its connection;
the kernel then ends everything in the namespace.

Messages are JSON in frames of `src/runtime/frames.ts`:

    prepare {run, worker, modules, hasNetwork} -> prepared {run, pid} | unusable {run, reason}
    discard {}                               the forker ends
    fork {id}                             -> forked {run, id, pid} | failed {run, id, reason}, then ended {id, code}
                                             failed {id, reason}: there is no forker
                                             lost {run, reason}: the forker ended

A worker's id names its folders. Nothing secret is sent here: the memory of this process is in that of every worker.
"""
import faulthandler
import json
import os
import select
import signal
import socket
import struct
import sys

from . import system
from .child import enter_user_namespace, remove_own_files
from .forker import run_forker

_HEAD = struct.Struct("<IIHHI")
_HELLO, _CALL = 1, 2
_MESSAGE_BYTES_MAX = 1024 * 1024


def frame(kind, message):
    text = json.dumps(message).encode()
    padding = b"\0" * (-len(text) % 8)
    return _HEAD.pack(_HEAD.size + len(text) + len(padding), 0, kind, 0, len(text)) + text + padding


def hello(worker_id, token):
    return frame(_HELLO, {"workerId": worker_id, "token": token})


class Lines:
    """Splits the bytes of a pipe into lines of JSON."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self._rest = b""

    def read(self):
        """The messages that arrived; None at the end of the pipe."""
        data = os.read(self.descriptor, 65536)
        if data == b"":
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MESSAGE_BYTES_MAX:
            raise ValueError("a line of the forker is longer than %d bytes" % _MESSAGE_BYTES_MAX)
        return [json.loads(line) for line in lines]


class Keeper:
    def __init__(self, connection):
        self._connection = connection
        self._received = b""
        self._run = None
        self._forker = None
        self._commands = None
        self._reports = None
        self._workers = {}
        # Processes that remove the files of ended workers.
        self._cleaners = set()
        # Workers that ended before the forker reported their start.
        self._early = {}

    def serve(self):
        """Never returns normally: ends when the server closes the connection."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._descriptors = (wake_read, wake_write)
        while True:
            watched = [self._connection, wake_read] + ([] if self._reports is None else [self._reports.descriptor])
            ready, _, _ = select.select(watched, [], [])
            if self._reports is not None and self._reports.descriptor in ready:
                self._hear()
            if wake_read in ready:
                os.read(wake_read, 4096)
                self._reap()
            if self._connection in ready and not self._receive():
                return

    def _send(self, message):
        self._connection.sendall(frame(_CALL, message))

    def _receive(self):
        data = self._connection.recv(65536)
        if data == b"":
            return False
        self._received += data
        while len(self._received) >= _HEAD.size:
            size, _, _, _, text_bytes = _HEAD.unpack_from(self._received)
            if size > _MESSAGE_BYTES_MAX or size < _HEAD.size + text_bytes:
                return False
            if len(self._received) < size:
                break
            message = json.loads(self._received[_HEAD.size : _HEAD.size + text_bytes])
            self._received = self._received[size:]
            self._handle(message)
        return True

    def _handle(self, message):
        if message["method"] == "prepare":
            self._start_forker(message)
        elif message["method"] == "discard":
            if self._reports is not None:
                self._end_forker()
        elif not self._command({"id": message["id"]}):
            self._send({"event": "failed", "id": message["id"], "reason": "the forker has ended"})

    def _command(self, message):
        if self._commands is None:
            return False
        try:
            os.write(self._commands, json.dumps(message).encode() + b"\n")
            return True
        except OSError:
            return False

    def _start_forker(self, message):
        if self._reports is not None:
            self._end_forker()
        self._run = message["run"]
        command_read, self._commands = os.pipe()
        report_read, report_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (*self._descriptors, self._commands, report_read):
                    os.close(descriptor)
                self._connection.close()
                run_forker(command_read, report_write, message)
            except BaseException as error:  # noqa: B902: nothing may return into the keeper
                sys.stderr.write("the forker failed: %s: %s\n" % (type(error).__name__, error))
            finally:
                os._exit(1)
        os.close(command_read)
        os.close(report_write)
        self._forker = pid
        self._reports = Lines(report_read)

    def _end_forker(self):
        if self._forker is not None:
            os.kill(self._forker, signal.SIGKILL)
        for descriptor in (self._commands, self._reports.descriptor):
            os.close(descriptor)
        self._commands = self._reports = self._forker = None

    def _hear(self):
        messages = self._reports.read()
        if messages is None:
            # It has ended, or closed its pipe: then it cannot be used either.
            self._end_forker()
            self._send({"event": "lost", "run": self._run, "reason": "the forker ended"})
            return
        for message in messages:
            if message["event"] == "prepared":
                message["pid"] = self._forker
            if message["event"] == "forked":
                self._workers[message["pid"]] = message["id"]
            self._send({**message, "run": self._run})
            if message.get("pid") in self._early:
                self._ended(message["pid"], self._early.pop(message["pid"]))

    def _reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._forker:
                self._forker = None
            elif pid in self._cleaners:
                self._cleaners.discard(pid)
            elif pid in self._workers:
                self._ended(pid, status)
            else:
                self._early[pid] = status
                while len(self._early) > 1024:  # processes that libraries started, which were no workers
                    del self._early[next(iter(self._early))]

    def _ended(self, pid, status):
        """A signal is reported as 128 plus its number, as a shell does: by the worker's process 1, or here for process 1 itself."""
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        worker = self._workers.pop(pid)
        self._send({"event": "ended", "id": worker, "code": code})
        cleaner = os.fork()  # a model may have written millions of files
        if cleaner == 0:
            try:
                remove_own_files(worker)
            finally:
                os._exit(0)
        self._cleaners.add(cleaner)


def main(arguments):
    """The entry point: SOCKET ID, and the token in the environment."""
    token = os.environ.pop("PENSTOCK_WORKER_TOKEN", None)
    if len(arguments) < 2 or token is None:
        sys.stderr.write("penstock_fork_server must be started by the server: expected a socket and an id, and a token\n")
        sys.exit(2)
    try:
        system.check_machine()
        enter_user_namespace(system.CLONE_NEWNS)
        system.die_with_parent()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(arguments[0])
        connection.sendall(hello(arguments[1], token))
    except OSError as error:
        sys.stderr.write("%s\n" % (error.strerror or error))
        sys.exit(1)
    faulthandler.enable()
    try:
        Keeper(connection).serve()
    except (ConnectionError, ValueError, KeyError) as error:
        sys.stderr.write("the connection of the fork server failed: %s\n" % error)
    os._exit(0)
