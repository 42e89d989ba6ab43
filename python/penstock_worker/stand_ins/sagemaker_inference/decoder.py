"""Bodies as arrays. Unlike the toolkit, arrays of objects are not unpickled: a caller must not run code."""

import io
import json

import numpy as np

from . import content_types, errors


def _text(body):
    return body.decode("utf-8") if isinstance(body, (bytes, bytearray)) else body


def _json_to_numpy(string_like, dtype=None):
    return np.array(json.loads(_text(string_like)), dtype=dtype)


def _csv_to_numpy(string_like, dtype=None):
    return np.genfromtxt(io.StringIO(_text(string_like)), dtype=dtype or float, delimiter=",")


def _npy_to_numpy(npy_array):
    return np.load(io.BytesIO(npy_array), allow_pickle=False)


_decoders_map = {content_types.NPY: _npy_to_numpy, content_types.CSV: _csv_to_numpy, content_types.JSON: _json_to_numpy}


def decode(obj, content_type):
    """The array of a body. Raises `UnsupportedFormatError`."""
    decoder = _decoders_map.get(content_type)
    if decoder is None:
        raise errors.UnsupportedFormatError(content_type)
    return decoder(obj)
