"""Writes the ONNX project's backend node tests as files that Penstock's tests read, with onnxruntime's own results.

usage: cases.py FOLDER [BEGINNING OF THE NAMES]

For each case a folder with model.onnx and case.json: inputs and outputs as raw tensors of the Open Inference Protocol. Cases that
onnxruntime itself cannot run are listed in skipped.json with the reason. Values of types that NumPy lacks (bfloat16, float8, int4) are
those that clients send in their place.
"""
import base64
import json
import os
import struct
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

DATATYPES = {
    "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "object": "BYTES",
}

# Types of the package ml_dtypes, and what clients of Penstock exchange instead (docs/adr/0037-types-at-the-edge.md).
WIDER = {
    "bfloat16": "float32", "float8_e4m3fn": "float32", "float8_e4m3fnuz": "float32", "float8_e5m2": "float32",
    "float8_e5m2fnuz": "float32", "float8_e8m0fnu": "float32", "float4_e2m1fn": "float32",
    "int4": "int8", "int2": "int8", "uint4": "uint8", "uint2": "uint8",
}
NARROW = ("bfloat16", "float8", "float4", "int4", "int2")


class Unserved(Exception):
    """A value that is not a tensor of a served datatype."""


def tensor(name, value):
    array = np.asarray(value)
    array = array.astype(WIDER.get(array.dtype.name, array.dtype))
    if array.dtype.kind in "US":
        array = array.astype(object)
    datatype = DATATYPES.get(array.dtype.name)
    if datatype is None:
        raise Unserved(f"tensor({array.dtype.name})")
    if datatype == "BYTES":
        texts = [t if isinstance(t, bytes) else str(t).encode() for t in array.reshape(-1)]
        data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    else:
        data = np.ascontiguousarray(array).tobytes()
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": base64.b64encode(data).decode()}


def tensors(name, value):
    """A sequence is one tensor for each of its elements, as Penstock serves it."""
    if isinstance(value, list):
        return [tensor(f"{name}_{i}", each) for i, each in enumerate(value)]
    if value is None or isinstance(value, dict):
        raise Unserved("optional without a value" if value is None else "map")
    return [tensor(name, value)]


def value_of(provided):
    """The value of an input; some cases have it as a message of protobuf."""
    if isinstance(provided, onnx.TensorProto):
        return numpy_helper.to_array(provided)
    if isinstance(provided, onnx.SequenceProto):
        return numpy_helper.to_list(provided)
    if isinstance(provided, onnx.OptionalProto):
        return numpy_helper.to_optional(provided)
    return np.asarray(provided) if isinstance(provided, np.generic) else provided


def is_plain(value):
    return isinstance(value, list) or value is None or value.dtype.name not in WIDER


def results(session, inputs, values, stated):
    """If a type is one that NumPy lacks: its bits are handed over, and the results are those that the case states."""
    narrow_output = any(name in each.type for each in session.get_outputs() for name in NARROW)
    if all(is_plain(value) for value in values) and not narrow_output:
        return session.run(None, {each.name: value for each, value in zip(inputs, values)})
    feeds = {}
    for each, value in zip(inputs, values):
        element = each.type.tensor_type.elem_type
        bits = value if is_plain(value) else value.view(f"u{value.dtype.itemsize}")
        feeds[each.name] = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.ascontiguousarray(bits), element)
    session.run_with_ort_values([output.name for output in session.get_outputs()], feeds)
    return stated


def same(left, right):
    try:
        return all(a["data"] == b["data"] for a, b in zip(left, right, strict=True))
    except ValueError:
        return False


def write(folder, case):
    weights = {each.name for each in case.model.graph.initializer}
    inputs = [each for each in case.model.graph.input if each.name not in weights]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    content = case.model.SerializeToString()
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    values, stated = [[value_of(provided) for provided in part] for part in case.data_sets[0]]
    described = {"inputs": [], "outputs": [], "random": False, "unserved": None}
    try:
        outputs = results(session, inputs, values, stated)
        names = [each.name for each in session.get_outputs()]
        described["outputs"] = [each for name, value in zip(names, outputs) for each in tensors(name, value)]
        again = [each for name, value in zip(names, results(session, inputs, values, stated)) for each in tensors(name, value)]
        described["random"] = not same(described["outputs"], again)
        for each, value in zip(inputs, values):
            kind = each.type.WhichOneof("value")
            if kind != "tensor_type":
                raise Unserved(kind.removesuffix("_type"))
            described["inputs"].append(tensor(each.name, value))
    except Unserved as error:
        described["unserved"] = str(error)
    target = os.path.join(folder, case.name)
    os.makedirs(target)
    with open(os.path.join(target, "model.onnx"), "wb") as file:
        file.write(content)
    with open(os.path.join(target, "case.json"), "w") as file:
        json.dump(described, file)


def main():
    folder, beginning = (*sys.argv[1:], "")[:2]
    skipped = {}
    for case in sorted(load_model_tests(kind="node"), key=lambda each: each.name):
        if not case.name.startswith(beginning):
            continue
        try:
            write(folder, case)
        except Exception as error:  # onnxruntime raises classes of its own for each status
            skipped[case.name] = f"{type(error).__name__}: {error}"[:300]
    with open(os.path.join(folder, "skipped.json"), "w") as file:
        json.dump({"onnx": onnx.__version__, "onnxruntime": ort.__version__, "skipped": skipped}, file)


main()
