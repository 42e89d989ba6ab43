"""tritonclient as users call it: the same calls over HTTP (given["http"]) or gRPC (given["grpc"])."""

import numpy as np
from checks import given, rejected, same

if "http" in given:
    import tritonclient.http as triton

    client = triton.InferenceServerClient(given["http"], concurrency=8)
    as_dict = {}
    status = lambda error: error.status()
else:
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(given["grpc"])
    as_dict = {"as_json": True}
    status = lambda error: error.status().removeprefix("StatusCode.")

OVER_HTTP = "http" in given
PIXELS = (np.arange(128, dtype=np.float32).reshape(2, 64) % 17).astype(np.float32)

DATATYPES = {
    "in_float32": ("FP32", [-1.5, 16777216.0]),
    "in_uint8": ("UINT8", [0, 255]),
    "in_int8": ("INT8", [-128, 127]),
    "in_uint16": ("UINT16", [0, 65535]),
    "in_int16": ("INT16", [-32768, 32767]),
    "in_int32": ("INT32", [-2147483648, 2147483647]),
    "in_int64": ("INT64", [9007199254740993, -9223372036854775808]),
    "in_string": ("BYTES", ["é漢", ""]),
    "in_bool": ("BOOL", [True, False]),
    "in_float16": ("FP16", [0.5, -2.0]),
    "in_float64": ("FP64", [0.1, 1.7976931348623157e308]),
    "in_uint32": ("UINT32", [0, 4294967295]),
    "in_uint64": ("UINT64", [9007199254740993, 18446744073709551615]),
}
NUMPY = {"BYTES": np.object_, "BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


def tensor(name, datatype, array, **how):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **how)
    return made


def array_of(datatype, values):
    kind = NUMPY.get(datatype) or np.dtype(datatype.lower())
    if datatype == "BYTES":
        values = [value.encode() for value in values]
    return np.array([values], dtype=kind)


def field(answer, name):
    return answer[name] if isinstance(answer, dict) else getattr(answer, name)


def check_health():
    """the server and its models are live and ready"""
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits-mlp") and client.is_model_ready("digits-mlp", "1")
    assert not OVER_HTTP or not client.is_model_ready("missing")


def check_metadata():
    """metadata and configuration have Triton's format"""
    server = client.get_server_metadata(**as_dict)
    same(server["name"], "penstock")
    assert "binary_tensor_data" in server["extensions"], server
    metadata = client.get_model_metadata("digits-mlp", **as_dict)
    same([metadata["name"], metadata["platform"], metadata["versions"]], ["digits-mlp", "onnxruntime_onnx", ["1"]])
    same([int(size) for size in metadata["inputs"][0]["shape"]], [-1, 64])
    config = client.get_model_config("digits-mlp", **as_dict)
    config = config.get("config", config)
    assert int(config["max_batch_size"]) > 1, config
    same(config["input"][0]["data_type"], "TYPE_FP32")


def check_infer():
    """inference returns all or selected outputs, and the request id"""
    answer = client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], request_id="42")
    labels, probabilities = answer.as_numpy("label"), answer.as_numpy("probabilities")
    same([labels.shape, labels.dtype, probabilities.shape], [(2,), np.dtype(np.int64), (2, 10)])
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    same(labels.tolist(), probabilities.argmax(axis=1).tolist())
    same(field(answer.get_response(), "id"), "42")
    one = client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], outputs=[triton.InferRequestedOutput("label")])
    same(one.as_numpy("label").tolist(), labels.tolist())
    same(one.as_numpy("probabilities"), None)


def check_datatypes():
    """all 13 datatypes are returned unchanged"""
    inputs = [tensor(name, datatype, array_of(datatype, values)) for name, (datatype, values) in DATATYPES.items()]
    answer = client.infer("test-dtypes", inputs)
    for name, (datatype, values) in DATATYPES.items():
        echoed = answer.as_numpy(name.replace("in_", "out_")).tolist()
        if datatype == "BYTES":
            echoed = [[value.decode() for value in row] for row in echoed]
        same((datatype, echoed), (datatype, array_of(datatype, values).tolist() if datatype != "BYTES" else [values]))


def check_strings():
    """strings are sent and returned in the standard encoding"""
    lines = [
        b"UNSUBSCRIBE now guaranteed income work from home 100% free",
        b"Hi Tom the meeting about the kernel patch moves to Thursday see the list archive",
    ]
    words = np.array(lines, dtype=np.object_)
    labels = client.infer("spam-text", [tensor("text", "BYTES", words)]).as_numpy("label")
    same(labels.tolist(), [b"spam", b"ham"])


def check_classification():
    """class_count returns the best classes"""
    output = triton.InferRequestedOutput("probabilities", class_count=3)
    best = client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], outputs=[output]).as_numpy("probabilities")
    same(best.shape, (2, 3))
    values = [float(word.decode().split(":")[0]) for word in best[0]]
    same(values, sorted(values, reverse=True))


def check_parameters():
    """priority, timeout and custom parameters are accepted"""
    more = {"priority": 1, "timeout": 20_000_000, "parameters": {"note": "hello", "flag": True, "count": 7}}
    client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], **more)


def check_version():
    """requests for an existing and a missing version"""
    client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], model_version="1")
    error = rejected(client.infer, "digits-mlp", [tensor("pixels", "FP32", PIXELS)], model_version="99")
    same(status(error), "404" if OVER_HTTP else "NOT_FOUND")
    assert "has no version '99'; versions: 1" in error.message(), error


def check_errors():
    """errors show the expected and the actual input"""
    error = rejected(client.infer, "digits-mlp", [tensor("pixels", "INT32", np.zeros((1, 64), np.int32))])
    same(status(error), "400" if OVER_HTTP else "INVALID_ARGUMENT")
    same(error.message(), "input 'pixels': datatype is INT32, expected FP32. Convert the array with .astype('float32')")
    error = rejected(client.infer, "digits-mlp", [tensor("pixels", "FP64", np.zeros((1, 64)))])
    same(error.message(), "input 'pixels': datatype is FP64, expected FP32. Convert the array with .astype('float32')")
    error = rejected(client.infer, "missing", [tensor("pixels", "FP32", PIXELS)])
    assert "model 'missing' does not exist" in error.message(), error


def check_sequences():
    """sequences are rejected with a reason"""
    error = rejected(client.infer, "digits-mlp", [tensor("pixels", "FP32", PIXELS)], sequence_id=7, sequence_start=True)
    assert "sequences (parameter sequence_id) are not supported" in error.message(), error


def check_compression():
    """compressed requests and answers"""
    how = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"} if OVER_HTTP else {"compression_algorithm": "gzip"}
    answer = client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], **how)
    same(answer.as_numpy("label").shape, (2,))


def check_statistics():
    """statistics count the requests"""
    count = lambda: int(client.get_inference_statistics("digits-mlp", **as_dict)["model_stats"][0]["inference_count"])
    before = count()
    client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)])
    same(count() - before, 2)


def check_repository():
    """repository index, unload and load"""
    index = client.get_model_repository_index(**as_dict)
    rows = index if isinstance(index, list) else index["models"]
    same([row["state"] for row in rows if row["name"] == "test-typed"], ["READY"])
    client.unload_model("test-typed")
    assert not client.is_model_ready("test-typed")
    client.load_model("test-typed")
    assert client.is_model_ready("test-typed")
    assert "does not exist" in rejected(client.load_model, "missing").message()


if OVER_HTTP:

    def check_json():
        """inputs and outputs as JSON"""
        output = triton.InferRequestedOutput("label", binary_data=False)
        answer = client.infer("digits-mlp", [tensor("pixels", "FP32", PIXELS, binary_data=False)], outputs=[output])
        same(answer.as_numpy("label").shape, (2,))

    def check_async():
        """concurrent requests from the client's pool"""
        waiting = [client.async_infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)]) for _ in range(20)]
        same({each.get_result().as_numpy("label").shape for each in waiting}, {(2,)})

else:

    def check_stream():
        """a stream returns responses in order and continues after an error"""
        import queue

        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        for version in ["1", "99", "1"]:
            client.async_stream_infer("digits-mlp", [tensor("pixels", "FP32", PIXELS)], model_version=version, request_id=version)
        came = [answers.get(timeout=20) for _ in range(3)]
        client.stop_stream()
        same([error is None for _, error in came], [True, False, True])
        assert "has no version '99'" in came[1][1].message(), came[1][1]
        same(came[2][0].as_numpy("label").shape, (2,))

    def check_deadline():
        """a missed deadline is DEADLINE_EXCEEDED"""
        iterations = tensor("iters", "INT64", np.array(60_000, np.int64))
        slow = [tensor("x", "FP32", np.zeros((1, 256), np.float32)), iterations]
        error = rejected(client.infer, "test-slow-loop", slow, client_timeout=0.02)
        assert "DEADLINE_EXCEEDED" in str(error) or "Deadline Exceeded" in str(error), error
