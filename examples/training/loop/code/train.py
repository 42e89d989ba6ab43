"""Trains a linear classifier of handwritten digits with Python alone, and writes it as ONNX.

The loop is what this example shows, so it needs no package: the model is a matrix, learned by stochastic gradient descent, and its
file is a few fields of protobuf. With scikit-learn and skl2onnx it would be five lines: see ../../sklearn/train.py.
"""

import argparse
import csv
import glob
import math
import os
import random
import struct

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"))
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
arguments, _ = parser.parse_known_args()

rows = []
for path in sorted(glob.glob(os.path.join(arguments.train, "*.csv"))):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            label = int(row.pop("label"))
            rows.append(([float(value) for value in row.values()], label))
pixels = len(rows[0][0])
classes = 10
print(f"{len(rows)} rows of {pixels} pixels", flush=True)

weights = [[0.0] * pixels for _ in range(classes)]
biases = [0.0] * classes
order = random.Random(7)
for epoch in range(1, arguments.epochs + 1):
    order.shuffle(rows)
    right = 0
    for image, label in rows:
        scores = [bias + sum(w * x for w, x in zip(row, image)) for row, bias in zip(weights, biases)]
        largest = max(scores)
        right += scores[label] == largest
        powers = [math.exp(score - largest) for score in scores]
        total = sum(powers)
        for digit in range(classes):
            step = 0.002 * (powers[digit] / total - (digit == label))
            biases[digit] -= step
            row = weights[digit]
            for i, x in enumerate(image):
                if x:
                    row[i] -= step * x
    print(f"epoch={epoch} train-accuracy={right / len(rows):.4f}", flush=True)


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes(encoded) + bytes([number])


def field(number, value):
    """One field of protobuf: a number, a text, or a message or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def node(kind, inputs, outputs, **integers):
    attributes = [field(5, field(1, name) + field(3, value) + field(20, 2)) for name, value in integers.items()]
    return field(1, b"".join([field(1, name) for name in inputs] + [field(2, name) for name in outputs] + [field(4, kind)] + attributes))


def constant(name, shape, numbers):
    dims = b"".join(field(1, size) for size in shape)
    return field(5, dims + field(2, 1) + field(8, name) + field(9, struct.pack(f"<{len(numbers)}f", *numbers)))


def value(number, name, datatype, *columns):
    shape = field(1, field(2, "rows")) + b"".join(field(1, field(1, size)) for size in columns)
    return field(number, field(1, name) + field(2, field(1, field(1, datatype) + field(2, shape))))


graph = b"".join(
    [
        node("Gemm", ["pixels", "weights", "biases"], ["scores"], transB=1),
        node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        node("Softmax", ["scores"], ["probabilities"], axis=1),
        field(2, "digits"),
        constant("weights", [classes, pixels], [w for row in weights for w in row]),
        constant("biases", [classes], biases),
        value(11, "pixels", 1, pixels),
        value(12, "label", 7),
        value(12, "probabilities", 1, classes),
    ]
)
model = field(1, 8) + field(2, "penstock example") + field(7, graph) + field(8, field(2, 17))
with open(os.path.join(arguments.model_dir, "model.onnx"), "wb") as file:
    file.write(model)
