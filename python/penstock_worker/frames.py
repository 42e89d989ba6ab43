"""Frames between the server and the worker, as `src/runtime/frames.ts` defines them. All numbers are little-endian:

    u32 bytes of the whole frame | u32 call | u8 kind | u8 plan | u16 tensors | u32 bytes of text | text, padded to 8 | body

The text is JSON. Tensors are described in `tensors.py`.
"""

import json
import struct
from collections import deque
from select import select

from .errors import LinkClosed, MalformedFrame

HELLO, CALL, ANSWER, RUN, RAN, FAILED, SHARED, INVOKE, PIECE, TAKEN, REPLIED = range(1, 12)

HEAD = struct.Struct("<IIBBHI")
HEAD_BYTES = 16
FRAME_BYTES_MAX = 1024**3
# Up to this size a frame is joined; beyond it, copying costs more than writing its parts.
ONE_WRITE_BYTES_MAX = 32 * 1024
# The system accepts at most 1024 parts in one call.
PARTS_MAX = 512
PADDING = (b"", b"\0", b"\0" * 2, b"\0" * 3, b"\0" * 4, b"\0" * 5, b"\0" * 6, b"\0" * 7)


def padded(count):
    """Rounds up to a multiple of 8."""
    return (count + 7) & ~7


class Frame:
    """A received frame. `data` is a writable memoryview of the whole frame, aligned to 8 bytes."""

    __slots__ = ("call", "kind", "plan", "tensors", "text_bytes", "data", "body")

    def __init__(self, data):
        size, self.call, self.kind, self.plan, self.tensors, self.text_bytes = HEAD.unpack_from(data, 0)
        self.data = data
        self.body = HEAD_BYTES + padded(self.text_bytes)
        if size != len(data):
            raise MalformedFrame("its length is %d bytes, and %d arrived" % (size, len(data)))
        if self.body > size:
            raise MalformedFrame("its text of %d bytes does not fit into %d" % (self.text_bytes, size))

    @property
    def message(self):
        """The text as JSON; None if there is none. Parsed at each use."""
        if self.text_bytes == 0:
            return None
        return json.loads(str(self.data[HEAD_BYTES : HEAD_BYTES + self.text_bytes], "utf-8"))


def _length(size):
    if size < HEAD_BYTES or size % 8 != 0 or size > FRAME_BYTES_MAX:
        raise MalformedFrame("its length is %d bytes" % size)
    return size


class FrameReader:
    """Splits the bytes of a blocking socket into frames. Each frame has memory of its own, so a model may keep a view of it."""

    def __init__(self, connection):
        self._socket = connection
        self._buffer = bytearray(64 * 1024)
        self._start = 0
        self._end = 0
        # Frames that arrived while a streamed reply waited for room.
        self._waiting = deque()

    def next(self):
        """Blocks until a frame is complete. Raises `LinkClosed`."""
        if self._waiting:
            return self._waiting.popleft()
        return self._read()

    def take(self, wanted, blocks):
        """Returns the next frame for which `wanted(frame)` is true, and leaves the others in their order. With `blocks` false, returns
        None as soon as the socket has nothing more to read."""
        while True:
            if not blocks and not self._has_frame() and not select([self._socket], [], [], 0)[0]:
                return None
            frame = self._read()
            if wanted(frame):
                return frame
            self._waiting.append(frame)

    def _has_frame(self):
        have = self._end - self._start
        return have >= HEAD_BYTES and have >= int.from_bytes(self._buffer[self._start : self._start + 4], "little")

    def _read(self):
        while True:
            have = self._end - self._start
            if have >= HEAD_BYTES:
                size = _length(int.from_bytes(self._buffer[self._start : self._start + 4], "little"))
                if have >= size:
                    data = self._buffer[self._start : self._start + size]
                    self._start += size
                    if self._start == self._end:
                        self._start = self._end = 0
                    return Frame(memoryview(data))
                if size > len(self._buffer):
                    return self._large(size, have)
            if self._start > 0:
                self._buffer[:have] = self._buffer[self._start : self._end]
                self._start, self._end = 0, have
            count = self._receive(memoryview(self._buffer)[self._end :])
            self._end += count

    def _large(self, size, have):
        data = bytearray(size)
        data[:have] = self._buffer[self._start : self._end]
        self._start = self._end = 0
        view = memoryview(data)
        filled = have
        while filled < size:
            filled += self._receive(view[filled:])
        return Frame(view)

    def _receive(self, view):
        try:
            count = self._socket.recv_into(view)
        except ConnectionError:
            count = 0
        if count == 0:
            raise LinkClosed()
        return count


def send(connection, parts):
    """Sends the parts of one frame; blocks until the system has taken them."""
    try:
        if len(parts) == 1:
            connection.sendall(parts[0])
            return
        views = deque(memoryview(part).cast("B") for part in parts if len(part) > 0)
        while views:
            sent = connection.sendmsg([views[i] for i in range(min(len(views), PARTS_MAX))])
            while sent > 0:
                first = views[0]
                if sent < len(first):
                    views[0] = first[sent:]
                    break
                sent -= len(first)
                views.popleft()
    except ConnectionError:
        raise LinkClosed() from None


def message_frame(call, kind, message):
    """A frame with a message only."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    size = HEAD_BYTES + padded(len(text))
    return HEAD.pack(size, call, kind, 0, 0, len(text)) + text + PADDING[-len(text) % 8]


def payload_frame(call, kind, message, body):
    """The parts of a frame with a message, to which the number of bytes is added, and the bytes after it."""
    text = json.dumps({**message, "bytes": len(body)}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    size = HEAD_BYTES + padded(len(text)) + padded(len(body))
    start = HEAD.pack(size, call, kind, 0, 0, len(text)) + text + PADDING[-len(text) % 8]
    if size <= ONE_WRITE_BYTES_MAX:
        return [b"".join((start, body, PADDING[-len(body) % 8]))]
    return [start, body, PADDING[-len(body) % 8]]


def frame_body(frame, message):
    """The bytes after the message, a view of the frame."""
    count = message.get("bytes")
    if not isinstance(count, int) or count < 0 or frame.body + count > len(frame.data):
        raise MalformedFrame("its bytes do not fit into it")
    return frame.data[frame.body : frame.body + count]
