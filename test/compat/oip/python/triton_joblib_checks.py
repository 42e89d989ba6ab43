"""tritonclient on a scikit-learn model, over HTTP (given["http"]) and gRPC (given["grpc"]). `given["answers"]` has what scikit-learn answers."""

import json

import numpy as np
import tritonclient.grpc
import tritonclient.http
from checks import given, rejected, same

with open(given["answers"]) as file:
    answers = json.load(file)
ROWS = np.array(answers["rows"])


def expect(triton, client):
    x = triton.InferInput("x", list(ROWS.shape), "FP64")
    x.set_data_from_numpy(ROWS)
    answer = client.infer("iris", [x])
    same(answer.as_numpy("label").tolist(), answers["labels"])
    same(answer.as_numpy("probabilities").tobytes(), np.array(answers["probabilities"]).tobytes())
    single = triton.InferInput("x", list(ROWS.shape), "FP32")
    single.set_data_from_numpy(ROWS.astype(np.float32))
    assert "FP64" in str(rejected(client.infer, "iris", [single]))


def check_http():
    """over HTTP tritonclient gets scikit-learn's own numbers, bit for bit"""
    client = tritonclient.http.InferenceServerClient(given["http"])
    expect(tritonclient.http, client)
    metadata = client.get_model_metadata("iris")
    same([metadata["platform"], metadata["inputs"][0]["shape"]], ["python_sklearn", [-1, 4]])


def check_grpc():
    """over gRPC tritonclient gets scikit-learn's own numbers, bit for bit"""
    expect(tritonclient.grpc, tritonclient.grpc.InferenceServerClient(given["grpc"]))
