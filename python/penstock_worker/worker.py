"""The process: connects to the server, identifies itself, and answers calls in their order until the connection closes."""

import faulthandler
import os
import signal
import socket
import sys

from . import frames, logs
from .errors import LinkClosed, MalformedFrame
from .shared_memory import DESCRIPTOR, SharedMemory, moved_away


def _prefer_as_victim():
    """If the machine runs out of memory, the kernel should end a worker, which is restarted, before the server."""
    for path, text in (("/proc/self/oom_score_adj", "500"), ("/proc/self/comm", "penstock-worker")):
        try:
            with open(path, "w") as file:
                file.write(text)
        except OSError:
            pass  # not Linux, or not permitted: it is only a preference


def _end(why, code):
    """Ends the process at once: threads that the model left running would delay a normal end."""
    if why:
        logs.write_line(why)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    os._exit(code)


def connect(path, worker_id, token):
    """Connects and sends the hello. The descriptor is out of the way of the model's code."""
    first = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    first.connect(path)
    descriptor = moved_away(first.detach())
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
    connection.sendall(frames.message_frame(0, frames.HELLO, {"workerId": worker_id, "token": token}))
    return connection


def serve(connection, memory):
    """Answers calls until the connection closes. Never returns."""
    from .calls import Calls

    reader = frames.FrameReader(connection)
    calls = Calls(connection, reader)
    try:
        while True:
            frame = reader.next()
            if frame.kind == frames.SHARED:
                frame = memory.resolve(frame)
            calls.answer(frame)
            frame = None  # releases its memory, so that the slot can be used again
    except LinkClosed:
        _end("", 0)
    except MalformedFrame as error:
        _end("a frame of the server is malformed: %s" % error, 1)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        _end("the model called sys.exit(%s)\n%s" % (error.code, logs.traceback_text(error)), code & 0xFF)


def main(arguments):
    """The entry point: SOCKET WORKER_ID python."""
    token = os.environ.pop("PENSTOCK_WORKER_TOKEN", None)
    if len(arguments) < 2 or token is None:
        _end(
            "penstock_worker must be started by the server: expected a socket and a worker id as arguments, and a token in the environment",
            2,
        )
    _prefer_as_victim()
    sys.dont_write_bytecode = True  # the folders of models and environments are shared, and do not change
    # The server sends this signal before it ends a worker that hangs: the stack shows where, also if a C loop holds the interpreter.
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    logs.print_warnings_once()
    logs.MARKS.watch(sys.stdout, sys.stderr)
    memory = SharedMemory(moved_away(DESCRIPTOR))
    try:
        connection = connect(arguments[0], arguments[1], token)
    except OSError as error:
        _end("connection to the server: %s" % error, 1)
    serve(connection, memory)
