"""The server's end of the link, for tests: starts a worker and sends calls to it."""

import os
import socket
import subprocess
import sys
import tempfile

from penstock_worker import frames
from penstock_worker.frames import FrameReader
from penstock_worker.tensors import Spec, np, object_array, raw_tensors, run_frame, write_strings

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "penstock_worker")


class CallFailed(Exception):
    """`message`: the text of the `failed` frame."""

    def __init__(self, message):
        super().__init__("%s: %s" % (message.get("code"), message.get("message")))
        self.message = message


class Worker:
    """A worker process. `lines`: what it printed, after its end."""

    def __init__(self, interpreter=sys.executable):
        self._folder = tempfile.TemporaryDirectory()
        path = os.path.join(self._folder.name, "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        self._output = tempfile.TemporaryFile()
        command = [interpreter, "-I", "-u", "-X", "faulthandler", PACKAGE, path, "w1", "python"]
        environment = {**os.environ, "PENSTOCK_WORKER_TOKEN": "token"}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, env=environment)
        listener.settimeout(60)
        self.connection, _ = listener.accept()
        self.connection.settimeout(120)
        listener.close()
        self._reader = FrameReader(self.connection)
        self.hello = self._reader.next().message
        self._call = 0
        self.inputs = self.outputs = ()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the connection, and returns all it printed."""
        if self._output.closed:
            return ""
        self.connection.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.seek(0)
        text = self._output.read().decode("utf-8", "replace")
        self._output.close()
        self._folder.cleanup()
        return text

    def printed(self):
        """What it has printed so far."""
        return os.pread(self._output.fileno(), 2**20, 0).decode("utf-8", "replace")

    def next_frame(self):
        return self._reader.next()

    def send(self, parts):
        frames.send(self.connection, parts)

    def new_call(self):
        self._call += 1
        return self._call

    def call(self, method, **message):
        """A control call; returns the answer."""
        self.send([frames.message_frame(self.new_call(), frames.CALL, {"method": method, **message})])
        return self._answer().message

    def _answer(self):
        frame = self._reader.next()
        if frame.kind == frames.FAILED:
            raise CallFailed(frame.message)
        assert frame.call == self._call, "the answer belongs to another call"
        return frame

    def open(self, path, flavour, entry="", **message):
        opened = self.call("open", path=str(path), flavour=flavour, entry=entry, **message)
        self._expect(opened["inputs"], opened["outputs"])
        return opened

    def load(self, path, flavour, opened, entry="", threads=1, libraries=None):
        python = {"flavour": flavour, "entry": entry, "form": opened["form"], "inputs": opened["inputs"], "outputs": opened["outputs"]}
        python["libraries"] = libraries or {}
        loaded = self.call("load", path=str(path), threads=threads, name="model/1", python=python)
        self._expect(opened["inputs"], opened["outputs"])
        return loaded

    def _expect(self, inputs, outputs):
        self.inputs, self.outputs = [Spec.of(spec) for spec in inputs], [Spec.of(spec) for spec in outputs]

    def run(self, *values, plan=0):
        """Runs the model; returns the outputs by name."""
        tensors = [(i, spec.datatype, *encoded(spec, value)) for i, (spec, value) in enumerate(zip(self.inputs, values))]
        self.send(run_frame(self.new_call(), tensors, plan))
        return self.outputs_of(self._answer())

    def outputs_of(self, frame):
        found = {}
        for index, datatype, shape, data in raw_tensors(frame):
            found[self.outputs[index].name] = decoded(datatype, shape, bytes(data))
        return found

    def invoke(self, body, headers=None, **message):
        """Calls a model of the form bytes or stream; returns the message and the body of the reply, and the pieces."""
        call = self.new_call()
        text = {"headers": headers or {}, "replyBytesMax": 2**20, "streams": False, **message}
        self.send(frames.payload_frame(call, frames.INVOKE, text, body))
        pieces = []
        while True:
            frame = self._answer()
            received = frame.message
            body = bytes(frames.frame_body(frame, received))
            if frame.kind == frames.REPLIED:
                return received, body, pieces
            pieces.append(body)
            self.send([frames.message_frame(call, frames.TAKEN, {"bytes": len(body)})])


def encoded(spec, value):
    """(shape, bytes) of an array, or of a list of strings."""
    if spec.datatype == "BYTES":
        if isinstance(value, list):
            return (len(value),), write_strings("", value)
        array = np.asarray(value, dtype=object)
        return array.shape, write_strings("", array.reshape(-1).tolist())
    array = np.ascontiguousarray(value, spec.dtype)
    return array.shape, array.tobytes()


def decoded(datatype, shape, data):
    from penstock_worker.tensors import DTYPES, element_count, read_strings

    if datatype == "BYTES":
        elements = read_strings("", data, element_count(shape), True)
        return elements if np is None else object_array(elements).reshape(shape)
    return np.frombuffer(data, DTYPES[datatype]).reshape(shape)
