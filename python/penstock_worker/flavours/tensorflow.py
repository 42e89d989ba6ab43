"""Saved models of TensorFlow, and files of Keras."""

import os
import tempfile
from pathlib import Path

from ..errors import failed
from ..opened import Opened
from ..tensors import Spec

_BY_DTYPE = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "uint16": "UINT16",
    "uint32": "UINT32", "uint64": "UINT64", "float16": "FP16", "half": "FP16", "float32": "FP32", "float64": "FP64", "string": "BYTES",
}  # fmt: skip


def open_model(source, flavour="tensorflow"):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else it reports each processor feature and accelerator that is missing
    import tensorflow

    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(source.threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        pass  # operations have run before: it can be set only once
    return _keras(tensorflow, source) if flavour == "keras" else _saved_model(tensorflow, source)


def _spec(name, shape, dtype, what):
    text = getattr(dtype, "name", None) or str(dtype)
    if text not in _BY_DTYPE:
        raise failed("%s '%s' has the dtype %s, which cannot be served" % (what, name, text))
    if shape is None:
        raise failed("%s '%s' may have any number of dimensions: export the model with fixed ones" % (what, name))
    return Spec(name, _BY_DTYPE[text], [-1 if size is None else int(size) for size in shape], is_text=False)


def _saved_model(tensorflow, source):
    loaded = tensorflow.saved_model.load(str(source.holding("saved_model.pb")))
    serve = loaded.signatures.get("serving_default") if hasattr(loaded.signatures, "get") else None
    if serve is None:
        names = ", ".join(sorted(loaded.signatures)) or "none"
        raise failed(
            "the saved model has no signature 'serving_default': it has %s. Save it with signatures={'serving_default': …}" % names
        )
    _, takes = serve.structured_input_signature
    inputs = [_spec(name, _dimensions(spec), spec.dtype, "input") for name, spec in sorted(takes.items())]
    outputs = [_spec(name, _dimensions(spec), spec.dtype, "output") for name, spec in sorted(serve.structured_outputs.items())]
    dtypes = {name: spec.dtype for name, spec in takes.items()}

    def run(values):
        result = serve(**{spec.name: tensorflow.constant(value, dtypes[spec.name]) for spec, value in zip(inputs, values)})
        assert loaded is not None  # its variables live as long as it does
        return {name: result[name].numpy() for name in result}

    return Opened("tensors", inputs, outputs, run)


def _dimensions(spec):
    return None if spec.shape.rank is None else spec.shape.as_list()


def _keras(tensorflow, source):
    path = source.file
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        link = Path(tempfile.mkdtemp()) / "model.keras"  # Keras tells the format by the ending
        link.symlink_to(path.resolve())
        path = link
    model = tensorflow.keras.models.load_model(str(path), compile=False)
    names = [_plain_name(tensor.name) for tensor in model.inputs]
    inputs = [_spec(name, tensor.shape, tensor.dtype, "input") for name, tensor in zip(names, model.inputs)]

    def run(values):
        tensors = [tensorflow.constant(value) for value in values]
        result = model(tensors[0] if len(tensors) == 1 else tensors, training=False)
        if isinstance(result, dict):
            return {name: value.numpy() for name, value in result.items()}
        results = result if isinstance(result, (list, tuple)) else (result,)
        return tuple(value.numpy() for value in results)

    return Opened("tensors", inputs, None, run)


def _plain_name(name):
    """`dense_input:0` of older versions is `dense_input`."""
    return name.partition(":")[0]
