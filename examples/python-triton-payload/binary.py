"""Binary tensors by hand, byte for byte as tritonclient sends and reads them, with only the standard library.

The body is JSON, then the raw bytes of each tensor; Inference-Header-Content-Length says where the JSON ends.
Binary costs the server less than JSON, and no digit of a number is lost on the way.

Needs two endpoints: penstock deploy catalogue:digits-mlp digits --approve --objective 'p95<=50ms'
                     penstock deploy catalogue:spam-text spam --approve
PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
"""

import csv
import json
import os
import pathlib
import struct
import urllib.request

URL = os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("PENSTOCK_KEY")
ROWS = pathlib.Path(__file__).resolve().parents[2] / "assets/catalogue"

NUMBERS = {"FP32": "f", "FP64": "d", "INT32": "i", "INT64": "q", "UINT8": "B"}


def pack(datatype, values):
    """Little-endian, one after the other; a string is its length in four bytes, then its UTF-8."""
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(values)}{NUMBERS[datatype]}", *values)


def unpack(datatype, data):
    if datatype != "BYTES":
        return [value for (value,) in struct.iter_unpack("<" + NUMBERS[datatype], data)]
    values, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        values.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return values


def infer(model, name, datatype, shape, values):
    """Every output by its name, as a flat list."""
    tensor = pack(datatype, values)
    header = json.dumps(
        {
            "inputs": [{"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(tensor)}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    request = urllib.request.Request(f"{URL}/v2/models/{model}/infer", header + tensor, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        body = response.read()
        at = int(response.headers["Inference-Header-Content-Length"])
    outputs = {}
    for output in json.loads(body[:at])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        outputs[output["name"]] = unpack(output["datatype"], body[at : at + size])
        print(f"  {output['name']}: {output['datatype']} {output['shape']}, {size} bytes")
        at += size
    return outputs


def read(file, count):
    with (ROWS / file).open(newline="") as lines:
        return list(csv.reader(lines))[1 : count + 1]


def main():
    print("four digits")
    rows = read("digits_test.csv", 4)
    pixels = [float(value) for row in rows for value in row[:64]]
    answer = infer("digits", "pixels", "FP32", [4, 64], pixels)
    for i, row in enumerate(rows):
        sure = max(answer["probabilities"][10 * i : 10 * i + 10])
        print(f"{answer['label'][i]} with probability {sure:.3f}, and it is a {row[64]}")

    print("three mails")
    rows = read("spam_sample.csv", 3)
    answer = infer("spam", "text", "BYTES", [3], [text for text, _ in rows])
    for i, (text, truth) in enumerate(rows):
        print(f"{answer['label'][i]}, and it is {truth}: {text[:40]}...")


if __name__ == "__main__":
    main()
