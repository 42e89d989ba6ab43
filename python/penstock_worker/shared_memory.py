"""Large frames in memory that the server shares with this worker, as `src/runtime/shared-memory.ts` defines it."""

import fcntl
import os
import struct

from .errors import MalformedFrame
from .frames import Frame

SLOT_BYTES = 16 * 1024 * 1024
SLOTS = 2
# The descriptor that the server passes.
DESCRIPTOR = 3
# Out of the way of code that writes to a small descriptor or closes a range of them.
DESCRIPTOR_MIN = 200

_REFERENCE = struct.Struct("<II")


def moved_away(descriptor):
    """A private copy of the descriptor with a high number; the original is closed. None if it is not open."""
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, DESCRIPTOR_MIN)
    except OSError:
        return None
    os.close(descriptor)
    return high


class SharedMemory:
    """Copies frames out of the slots. The memory of a slot is used again only while no array refers to it, because a model may keep
    its input; fresh memory costs a page fault per 4 KiB, more than the copy."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._contents = [bytearray() for _ in range(SLOTS)]

    def resolve(self, frame):
        """The frame in the slot that `frame` refers to."""
        if frame.body + _REFERENCE.size > len(frame.data):
            raise MalformedFrame("its reference to the shared memory is truncated")
        size, slot = _REFERENCE.unpack_from(frame.data, frame.body)
        if slot >= SLOTS or size > SLOT_BYTES or size < 16 or self._descriptor is None:
            raise MalformedFrame("slot %d of the shared memory does not hold %d bytes" % (slot, size))
        content = self._contents[slot]
        if len(content) < size or not _is_free(content):
            # One byte more than needed: see _is_free.
            content = self._contents[slot] = bytearray(size + 1)
        view = memoryview(content)[:size]
        filled = 0
        while filled < size:
            count = os.preadv(self._descriptor, [view[filled:]], slot * SLOT_BYTES + filled)
            if count == 0:
                raise MalformedFrame("the shared memory is shorter than the frame")
            filled += count
        return Frame(view)


def _is_free(content):
    """Whether no view of it exists: only then Python allows another size. The last byte is spare."""
    try:
        content.pop()
    except BufferError:
        return False
    content.append(0)
    return True
