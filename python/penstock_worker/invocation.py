"""One call of a model that takes bytes, JSON or a stream of them: `invoke` frames, one at a time."""

import json
import time

from . import frames
from .errors import PlatformError, failed, invalid
from .jsonform import dump_json

# Bytes of a streamed reply that the server has not acknowledged yet, as in `src/runtime/window.ts`.
UNDER_WAY_MAX = 1024 * 1024
_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_JSON_LINES = "application/jsonl"


class Request:
    """What the model gets as `request`. `headers`: names in lower case; `deadline_s`: seconds until the caller gives up, or None."""

    def __init__(self, headers, deadline_s=None, is_cancelled=lambda: False):
        self.id = headers.get("x-request-id", "")
        self.headers = headers
        self._deadline = None if deadline_s is None else time.monotonic() + deadline_s
        self.is_cancelled = is_cancelled

    @property
    def deadline_s(self):
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())


class Call:
    """What a flavour gets: the body as bytes, and the request."""

    __slots__ = ("body", "content_type", "accept", "request")

    def __init__(self, body, request):
        self.body = body
        self.content_type = request.headers.get("content-type", "")
        self.accept = request.headers.get("accept", "")
        self.request = request

    def text(self):
        """The body as text. Raises `invalid_request`."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError:
            raise invalid("the body is not valid UTF-8") from None

    def json(self):
        """The body as JSON. Raises `invalid_request`."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise invalid("the body is not JSON: %s" % error) from None


class Reply:
    """`body`: bytes; `content_type`: of the reply."""

    __slots__ = ("body", "content_type")

    def __init__(self, body, content_type):
        self.body = body
        self.content_type = content_type


def reply_of(value):
    """What a function of the form bytes returned: bytes, str, or a pair of one and the content type. Raises `model_failed`."""
    content_type = None
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str):
        value, content_type = value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Reply(bytes(value), content_type or _BYTES)
    if isinstance(value, str):
        return Reply(value.encode("utf-8", "replace"), content_type or _TEXT)
    raise failed("predict() returned a %s: expected bytes, str, or (bytes, content type)" % type(value).__name__)


class Invocation:
    """Answers one `invoke` frame: with a whole reply, or with pieces as the model yields them."""

    def __init__(self, connection, reader, frame):
        self._connection = connection
        self._reader = reader
        self._call = frame.call
        self._message = frame.message
        self._frame = frame
        self._under_way = 0
        self._is_stopped = False

    def answer(self, model):
        """The parts of the last frame of the answer."""
        message = self._message
        deadline_ms = message.get("deadlineMs")
        headers = dict(message.get("headers") or {})
        request = Request(headers, None if deadline_ms is None else deadline_ms / 1e3, self._is_cancelled)
        call = Call(self._body(), request)
        started = time.perf_counter()
        result = model.invoke(call)
        is_streamed = False
        if not isinstance(result, Reply):
            streams = bool(message.get("streams"))
            result, is_streamed = (self._stream(result), True) if streams else (self._collected(result), False)
        limit = message.get("replyBytesMax")
        if isinstance(limit, (int, float)) and len(result.body) > limit:
            raise PlatformError("too_large", "the reply of the model has %d bytes, expected at most %d" % (len(result.body), limit))
        timings = {"inMs": 0, "runMs": (time.perf_counter() - started) * 1e3, "outMs": 0}
        head = {"status": 200, "headers": {"content-type": result.content_type}, "isStreamed": is_streamed, "timings": timings}
        return frames.payload_frame(self._call, frames.REPLIED, head, result.body)

    def _body(self):
        files = self._message.get("files")
        if files is None:
            return bytes(frames.frame_body(self._frame, self._message))
        total = int(files["bytes"])
        if total > frames.FRAME_BYTES_MAX:
            raise PlatformError("too_large", "the body has %d bytes, expected at most %d" % (total, frames.FRAME_BYTES_MAX))
        pieces = []
        for path in files["paths"]:
            with open(path, "rb") as file:
                pieces.append(file.read(total + 1))
        return b"".join(pieces)[:total]

    def _stream(self, values):
        """Sends each yield at once, and waits while too much of the reply is under way."""
        content_type = None
        try:
            for value in values:
                if content_type is None:
                    content_type = stream_type(value)
                    self._send({"head": {"status": 200, "headers": {"content-type": content_type}}}, b"")
                body = piece_of(value)
                if body:
                    self._under_way += len(body)
                    self._send({}, body)
                self._take(lambda: self._under_way > UNDER_WAY_MAX)
                if self._is_stopped:
                    raise PlatformError("model_failed", "the reply was stopped by its receiver", is_logged=False)
        finally:
            close = getattr(values, "close", None)
            if close is not None:
                close()
        if content_type is None:
            self._send({"head": {"status": 200, "headers": {"content-type": _TEXT}}}, b"")
        return Reply(b"", content_type or _TEXT)

    def _collected(self, values):
        """The whole reply, for a caller that takes no pieces."""
        limit = self._message.get("replyBytesMax", frames.FRAME_BYTES_MAX)
        content_type, pieces, size = None, [], 0
        for value in values:
            content_type = content_type or stream_type(value)
            pieces.append(piece_of(value))
            size += len(pieces[-1])
            if size > limit:
                raise PlatformError("too_large", "the reply of the model has more than %d bytes" % limit)
        return Reply(b"".join(pieces), content_type or _TEXT)

    def _send(self, message, body):
        frames.send(self._connection, frames.payload_frame(self._call, frames.PIECE, message, body))

    def _take(self, is_full):
        """Reads acknowledgements; blocks while `is_full()` and the reply was not stopped."""
        while True:
            frame = self._reader.take(self._is_own, blocks=is_full() and not self._is_stopped)
            if frame is None:
                return
            message = frame.message or {}
            self._under_way -= message.get("bytes", 0)
            self._is_stopped = self._is_stopped or message.get("stop") is True

    def _is_own(self, frame):
        return frame.kind == frames.TAKEN and frame.call == self._call

    def _is_cancelled(self):
        self._take(lambda: False)
        return self._is_stopped


def stream_type(value):
    """The content type of a stream by its first piece."""
    return _TEXT if isinstance(value, str) else _BYTES if isinstance(value, (bytes, bytearray, memoryview)) else _JSON_LINES


def piece_of(value):
    """A yield as bytes: str as text, bytes as they are, anything else as a line of JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return dump_json(value).encode("utf-8", "replace") + b"\n"
