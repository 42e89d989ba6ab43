"""Arrays as bodies."""

import io
import json

import numpy as np

from . import content_types, errors


def _array_to_json(array_like):
    def default(value):
        if hasattr(value, "tolist"):
            return value.tolist()
        return json.JSONEncoder().default(value)

    return json.dumps(array_like, default=default)


def _array_to_npy(array_like):
    stream = io.BytesIO()
    np.save(stream, np.asarray(array_like), allow_pickle=False)
    return stream.getvalue()


def _array_to_csv(array_like):
    stream = io.StringIO()
    np.savetxt(stream, np.asarray(array_like), delimiter=",", fmt="%s")
    return stream.getvalue()


_encoders_map = {content_types.NPY: _array_to_npy, content_types.CSV: _array_to_csv, content_types.JSON: _array_to_json}


def encode(array_like, content_type):
    """The body of an array. Raises `UnsupportedFormatError`."""
    encoder = _encoders_map.get(content_type)
    if encoder is None:
        raise errors.UnsupportedFormatError(content_type)
    return encoder(array_like)
