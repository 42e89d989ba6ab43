"""Tensors in frames, as `src/runtime/tensor-frames.ts` defines them. Each is

    u16 index in the signature | u8 datatype | u8 rank | u32 bytes | u32 size of each dimension, padded to 8 | data, padded to 8

Elements are little-endian and row-major. BYTES: for each element its length as u32, then its bytes.
"""

import struct
import sys

from .errors import MalformedFrame, PlatformError, failed, invalid
from .frames import FRAME_BYTES_MAX, HEAD, HEAD_BYTES, ONE_WRITE_BYTES_MAX, PADDING, RAN, RUN, padded

try:
    import numpy as np
except ImportError:
    np = None

# The position is the code in a frame.
DATATYPES = "BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FP16 FP32 FP64 BF16 BYTES".split()
CODES = {name: code for code, name in enumerate(DATATYPES)}
_NUMPY_NAMES = {
    "BOOL": "?", "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4",
    "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BF16": "<u2",
}  # fmt: skip
DTYPES = {} if np is None else {name: np.dtype(text) for name, text in _NUMPY_NAMES.items()}
TIMINGS = struct.Struct("<3d")
_DESCRIPTOR = struct.Struct("<HBBI")
_LENGTH = struct.Struct("<I")
_SHAPES = [struct.Struct("<%dI" % rank) for rank in range(9)]

if sys.byteorder != "little":
    raise ImportError("penstock_worker needs a little-endian machine")


def _bfloat16():
    """The dtype of ml_dtypes if the environment has it; otherwise BF16 is served as the bits in a uint16."""
    try:
        import ml_dtypes
    except ImportError:
        return DTYPES["BF16"]
    return np.dtype(ml_dtypes.bfloat16)


class Spec:
    """An input or output. `shape`: -1 varies. `is_text`: BYTES elements are str, otherwise bytes."""

    __slots__ = ("name", "datatype", "shape", "is_text", "dtype", "tail", "is_batched")

    def __init__(self, name, datatype, shape, is_text=True):
        self.name = name
        self.datatype = datatype
        self.shape = list(shape)
        self.is_text = is_text
        self.dtype = _bfloat16() if datatype == "BF16" and np is not None else DTYPES.get(datatype)
        self.tail = self.shape[1:]
        self.is_batched = len(self.shape) > 0 and self.shape[0] == -1

    @classmethod
    def of(cls, message):
        return cls(message["name"], message["datatype"], message["shape"])

    def as_message(self):
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape}

    def __str__(self):
        return "%s %s [%s]" % (self.name, self.datatype, ",".join(map(str, self.shape)))


def _shape_struct(rank):
    return _SHAPES[rank] if rank < len(_SHAPES) else struct.Struct("<%dI" % rank)


def raw_tensors(frame):
    """The tensors of a frame as (index, datatype, shape, memoryview), unchecked against a signature."""
    data = frame.data
    offset = frame.body + (TIMINGS.size if frame.kind == RAN else 0)
    found = []
    for _ in range(frame.tensors):
        if offset + 8 > len(data):
            raise MalformedFrame("a tensor is truncated")
        index, code, rank, size = _DESCRIPTOR.unpack_from(data, offset)
        start = offset + padded(8 + 4 * rank)
        end = start + size
        if end > len(data) or code >= len(DATATYPES):
            raise MalformedFrame("a tensor does not fit its frame")
        found.append((index, DATATYPES[code], _shape_struct(rank).unpack_from(data, offset + 8), data[start:end]))
        offset = start + padded(size)
    return found


def element_count(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def read_strings(name, data, count, is_text):
    """The elements of a BYTES tensor, as str or bytes. Raises `invalid_request`."""
    elements = []
    offset = 0
    end = len(data)
    whole = bytes(data)  # slices of bytes cost less than those of a memoryview
    while offset < end:
        start = offset + 4
        stop = start + _LENGTH.unpack_from(whole, offset)[0] if start <= end else end + 1
        if stop > end:
            raise invalid("input '%s': the length of element %d runs past the end of its data" % (name, len(elements)))
        elements.append(whole[start:stop])
        offset = stop
    if len(elements) != count:
        raise invalid("input '%s': its shape has %d elements, and %d were sent" % (name, count, len(elements)))
    if not is_text:
        return elements
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError:
        at = next(i for i, element in enumerate(elements) if not _is_utf8(element))
        raise invalid("input '%s': element %d is not valid UTF-8" % (name, at)) from None


def _is_utf8(element):
    try:
        element.decode()
        return True
    except UnicodeDecodeError:
        return False


def read_inputs(frame, specs):
    """The inputs in the order of the signature: writable arrays that are views of the frame; a list for a BYTES tensor of rank 1,
    an array of objects for one of another rank. Raises `invalid_request`."""
    values = [None] * len(specs)
    for index, datatype, shape, data in raw_tensors(frame):
        if index >= len(specs):
            raise MalformedFrame("a tensor does not fit its signature")
        spec = specs[index]
        if datatype != spec.datatype:
            raise invalid("input '%s': expected %s, got %s" % (spec.name, spec.datatype, datatype))
        count = element_count(shape)
        if datatype == "BYTES":
            elements = read_strings(spec.name, data, count, spec.is_text)
            values[index] = elements if len(shape) == 1 else object_array(elements).reshape(shape)
        elif np is None:
            raise PlatformError("unsupported", "the environment has no numpy, which %s needs. Add numpy to it" % datatype)
        elif count * spec.dtype.itemsize != len(data):
            raise invalid("input '%s': shape %s does not match its %d bytes" % (spec.name, list(shape), len(data)))
        elif count == 0:
            values[index] = np.empty(shape, spec.dtype)
        else:
            values[index] = np.frombuffer(data, spec.dtype).reshape(shape)
    for spec, value in zip(specs, values):
        if value is None:
            raise invalid("input '%s' is missing" % spec.name)
    return values


def object_array(elements):
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def write_strings(name, elements):
    """The data of a BYTES tensor. Raises `model_failed` if an element is neither str nor bytes."""
    pieces = []
    for element in elements:
        if isinstance(element, str):
            element = element.encode("utf-8", "replace")
        elif not isinstance(element, bytes):
            raise failed("predict() returned a %s in output '%s' where strings were due" % (type(element).__name__, name))
        pieces.append(_LENGTH.pack(len(element)))
        pieces.append(element)
    return b"".join(pieces)


def array_bytes(array):
    """The bytes of a contiguous array; of a small one a copy, of a large one a view."""
    if array.nbytes <= ONE_WRITE_BYTES_MAX:
        return array.tobytes()
    return array.reshape(-1).view("u1").data


def tensor_frame(call, kind, tensors, reserved=b"", plan=0):
    """The parts of a frame of tensors, each (index, datatype, shape, bytes). Raises `too_large`."""
    parts = [b""]
    size = HEAD_BYTES + len(reserved)
    for index, datatype, shape, data in tensors:
        if len(shape) > 255:
            raise failed("an output has %d dimensions, expected at most 255" % len(shape))
        if len(data) > FRAME_BYTES_MAX:
            raise too_large(len(data))
        rank = len(shape)
        descriptor = _DESCRIPTOR.pack(index, CODES[datatype], rank, len(data)) + _shape_struct(rank).pack(*shape)
        parts += (descriptor, PADDING[-len(descriptor) % 8], data, PADDING[-len(data) % 8])
        size += padded(len(descriptor)) + padded(len(data))
    if size > FRAME_BYTES_MAX:
        raise too_large(size)
    parts[0] = HEAD.pack(size, call, kind, plan, len(tensors), 0) + reserved
    return [b"".join(parts)] if size <= ONE_WRITE_BYTES_MAX else parts


def too_large(size):
    return PlatformError(
        "too_large", "the outputs are too large: expected at most %d bytes, got %d. Send fewer rows" % (FRAME_BYTES_MAX, size)
    )


def run_frame(call, tensors, plan=0):
    """The frame that the server sends for a run; used by tests."""
    return tensor_frame(call, RUN, tensors, plan=plan)


def ran_frame(call, tensors, timings):
    """The answer to a run. `timings`: milliseconds to decode, to run and to encode."""
    return tensor_frame(call, RAN, tensors, TIMINGS.pack(*timings))
