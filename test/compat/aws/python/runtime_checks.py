"""sagemaker-runtime called by boto3. `runtime-endpoints.ts` creates the endpoints."""

import json
import struct
from concurrent.futures import ThreadPoolExecutor

from checks import check, client, given, holds, rejected, same

runtime = client("sagemaker-runtime", max_pool_connections=50)
account = "000000000000"
sample = json.loads(open(given["sample"]).read())["inputs"]["pixels"]
pixels = [sample["data"][row * 64 : (row + 1) * 64] for row in range(8)]
labels = [2, 0, 4, 9, 4, 1, 2, 4]
affine = {"name": "x", "shape": [2, 3], "datatype": "FP32"}


def invoke(endpoint, body, **more):
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
    return answer["Body"].read(), answer


def rejection(endpoint, body, **more):
    return rejected(runtime.invoke_endpoint, EndpointName=endpoint, Body=body, **more)


def outputs(body):
    return {output["name"]: output for output in json.loads(body)["outputs"]}


def npy(descr, shape, data):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


@check("instances return one prediction per row and the invoked variant")
def _():
    body, answer = invoke("digits", json.dumps({"instances": pixels}), ContentType="application/json")
    same(answer["ContentType"], "application/json")
    same(answer["InvokedProductionVariant"], "AllTraffic")
    same(answer["ResponseMetadata"]["HTTPStatusCode"], 200)
    predictions = json.loads(body)["predictions"]
    same([row["label"] for row in predictions], labels)
    same(len(predictions[0]["probabilities"]), 10)


@check("the Open Inference Protocol is served, with the endpoint's name as the model's name")
def _():
    tensor = {**affine, "data": [1, 2, 3, -1, 0, 0.5]}
    body, answer = invoke("affine", json.dumps({"id": "é", "inputs": [tensor]}), ContentType="application/json")
    same(json.loads(body)["model_name"], "affine")
    same(json.loads(body)["id"], "é")
    same(outputs(body)["y"]["data"], [3, 5, 7, -1, 1, 2])
    same(outputs(body)["sum"]["data"], [17])


@check("CSV returns CSV, or JSON if Accept names it")
def _():
    csv = "\n".join(",".join(map(str, row)) for row in pixels)
    body, answer = invoke("digits", csv, ContentType="text/csv")
    same(answer["ContentType"], "text/csv")
    lines = body.decode().splitlines()
    same([int(line.split(",")[0]) for line in lines], labels)
    same(len(lines[0].split(",")), 11)
    body, answer = invoke("digits", csv, ContentType="text/csv; charset=utf-8", Accept="application/json")
    same(answer["ContentType"], "application/json")
    same([row["label"] for row in json.loads(body)["predictions"]], labels)


@check("npy returns the first output as npy")
def _():
    data = struct.pack("<512f", *sample["data"])
    body, answer = invoke("digits", npy("<f4", "(8, 64)", data), ContentType="application/x-npy")
    same(answer["ContentType"], "application/x-npy")
    holds(b"'descr': '<i8'", body)
    holds(b"'shape': (8,)", body)
    same(list(struct.unpack("<8q", body[-64:])), labels)


@check("binary tensors have the length of their JSON in the content type, in both directions")
def _():
    data = struct.pack("<6f", 1, 2, 3, -1, 0, 0.5)
    head = json.dumps({"inputs": [{**affine, "parameters": {"binary_data_size": 24}}]}).encode()
    for content_type in (f"application/octet-stream;json-header-size={len(head)}", "application/octet-stream", None):
        more = {} if content_type is None else {"ContentType": content_type}
        body, answer = invoke("affine", head + data, **more)
        kind, size = answer["ContentType"].split(";json-header-size=")
        same(kind, "application/octet-stream")
        described = json.loads(body[: int(size)])["outputs"]
        same([output["parameters"]["binary_data_size"] for output in described], [24, 4])
        same(struct.unpack("<7f", body[int(size) :]), (3, 5, 7, -1, 1, 2, 17))


@check("raw bytes are the only input of a model, with the rows derived from their length")
def _():
    body, answer = invoke("digits", struct.pack("<512f", *sample["data"]), Accept="application/json")
    same(outputs(body)["label"]["data"], labels)


@check("the format of a body without a content type is detected")
def _():
    body, answer = invoke("digits", json.dumps({"instances": pixels}))
    same([row["label"] for row in json.loads(body)["predictions"]], labels)


@check("several inputs are passed by name")
def _():
    instance = {"input_ids": [5] * 16, "attention_mask": [1] * 16}
    body, _ = invoke("tokens", json.dumps({"instances": [instance, instance]}), ContentType="application/json")
    predictions = json.loads(body)["predictions"]
    same((len(predictions), len(predictions[0])), (2, 192))
    same(predictions[0], predictions[1])


@check("text in any script is preserved")
def _():
    texts = ["free prize 🎁 无料", "Hi Tom the meeting about the kernel patch moves to Thursday see the list archive"]
    body, _ = invoke("spam", json.dumps({"instances": texts}, ensure_ascii=False).encode(), ContentType="application/json")
    same([row["label"] for row in json.loads(body)["predictions"]][1], "ham")
    body, _ = invoke("spam", '"free, ""prize""\n无料"\nHi Tom the meeting about the kernel patch moves to Thursday see the list archive\n'.encode(), ContentType="text/csv")
    same([line.split(",")[0] for line in body.decode().splitlines()][1], "ham")
    body, _ = invoke("spam", json.dumps({"instances": texts}), ContentType="application/json", Accept="application/x-npy")
    holds(b"'descr': '<U4'", body)


@check("a file with more rows than a batch gets one response")
def _():
    csv = "\n".join(",".join(map(str, row)) for row in pixels * 100)
    body, _ = invoke("digits", csv, ContentType="text/csv")
    same([int(line.split(",")[0]) for line in body.decode().splitlines()], labels * 100)


@check("a bare list of rows and SageMaker's lines of features are served")
def _():
    body, _ = invoke("digits", json.dumps(pixels), ContentType="application/json")
    same([row["label"] for row in json.loads(body)["predictions"]], labels)
    lines = "\n".join(json.dumps({"features": row}) for row in pixels)
    body, answer = invoke("digits", lines, ContentType="application/jsonlines")
    same(answer["ContentType"], "application/jsonlines")
    same([json.loads(line)["predictions"][0]["label"] for line in body.decode().splitlines()], labels)


@check("each line of JSON returns a line of JSON")
def _():
    lines = "\n".join(json.dumps({"instances": [row]}) for row in pixels)
    body, answer = invoke("digits", lines, ContentType="application/jsonlines")
    same(answer["ContentType"], "application/jsonlines")
    same([json.loads(line)["predictions"][0]["label"] for line in body.decode().splitlines()], labels)


@check("custom attributes are echoed, and the target variant answers")
def _():
    for variant in ("champion", "challenger"):
        body, answer = invoke(
            "ab", json.dumps({"instances": pixels}), ContentType="application/json", TargetVariant=variant, CustomAttributes="k=v  two; x"
        )
        same(answer["InvokedProductionVariant"], variant)
        same(answer["CustomAttributes"].split(), ["k=v", "two;", "x"])


@check("weights decide if there is no target variant")
def _():
    found = {invoke("ab", json.dumps({"instances": pixels[:1]}))[1]["InvokedProductionVariant"] for _ in range(20)}
    same(found, {"champion"})


@check("a response is streamed as events")
def _():
    answer = runtime.invoke_endpoint_with_response_stream(
        EndpointName="digits", Body=json.dumps({"instances": pixels}), ContentType="application/json", Accept="text/csv", CustomAttributes="a"
    )
    same((answer["ContentType"], answer["InvokedProductionVariant"], answer["CustomAttributes"]), ("text/csv", "AllTraffic", "a"))
    body = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    same([int(line.split(",")[0]) for line in body.decode().splitlines()], labels)


@check("input that the model rejects is a ModelError with the status that a container would return")
def _():
    for status, body, more, message in [
        (400, json.dumps({"instances": [[1, 2, 3]]}), {"ContentType": "application/json"}, "has 3 values, the model takes FP32 [-1,64]"),
        (400, "1,2,x", {"ContentType": "text/csv"}, "the CSV has 3 columns and no header, the model takes 64"),
        (400, "1," * 63 + "x", {"ContentType": "text/csv"}, "'x' is not a number"),
        (400, "{", {"ContentType": "application/json"}, "not valid JSON"),
        (415, "x", {"ContentType": "application/xml"}, "expected one of application/json, text/csv"),
        (406, json.dumps({"instances": pixels}), {"ContentType": "application/json", "Accept": "image/png"}, "expected one of application/json"),
    ]:
        error = rejection("digits", body, **more)
        same((error.status, error.code), (424, "ModelError"))
        same(error.response["OriginalStatusCode"], status)
        holds(message, error.response["OriginalMessage"])
        holds(f'Received client error ({status}) from primary with message "', error.message)
        holds(f"See /aws/sagemaker/Endpoints/digits in account {account} for more information.", error.message)
        same(error.response["LogStreamArn"], f"arn:aws:logs:us-east-1:{account}:log-group:/aws/sagemaker/Endpoints/digits")
        assert "RequestId" in error.response["ResponseMetadata"]


@check("a failed computation is a ModelError and does not affect later calls")
def _():
    error = rejection("gather", json.dumps({"instances": [9]}), ContentType="application/json")
    same((error.status, error.code, error.response["OriginalStatusCode"]), (424, "ModelError", 400))
    body, _ = invoke("gather", json.dumps({"instances": [1]}), ContentType="application/json")
    same(len(json.loads(body)["predictions"]), 1)


@check("a timeout has AWS's own message")
def _():
    error = rejection("hurried", json.dumps({"instances": [{"x": [0.5] * 256, "iters": 250_000}]}), ContentType="application/json")
    same((error.status, error.code, error.response["OriginalStatusCode"]), (424, "ModelError", 0))
    holds("Your invocation timed out while waiting for a response from container primary.", error.message)


@check("an endpoint with a full queue throttles, with Retry-After")
def _():
    body = json.dumps({"instances": [{"x": [0.5] * 256, "iters": 300}] * 100})

    def one(_):
        try:
            return invoke("crowded", body, ContentType="application/json") and None
        except Exception as error:
            return error.response

    rejections = []
    # On a busy machine the calls may arrive one after another.
    for _round in range(10):
        with ThreadPoolExecutor(16) as pool:
            rejections += [found for found in pool.map(one, range(16)) if found is not None]
        if rejections:
            break
    assert rejections, "no call was rejected"
    for response in rejections:
        same((response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]), (429, "ThrottlingException"))
        assert int(response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
        holds("endpoint crowded is overloaded", response["Error"]["Message"])


@check("missing endpoints and variants are rejected with AWS's own messages")
def _():
    error = rejection("missing", b"1")
    same((error.status, error.code, error.message), (400, "ValidationError", f"Endpoint missing of account {account} not found."))
    error = rejection("ab", b"1", TargetVariant="third")
    same((error.status, error.code), (400, "ValidationError"))
    holds("Variant third not found", error.message)
    error = rejected(runtime.invoke_endpoint_with_response_stream, EndpointName="missing", Body=b"1")
    same((error.status, error.code), (400, "ValidationError"))


@check("members are validated by AWS's shapes")
def _():
    error = rejection("digits", b"1", CustomAttributes="a" * 1025)
    same((error.status, error.code), (400, "ValidationError"))
    holds("at 'customAttributes' failed to satisfy constraint: Member must have length less than or equal to 1024", error.message)
    error = rejection("a b!", b"1")
    holds("1 validation error detected: Value 'a b!' at 'endpointName' failed to satisfy constraint", error.message)
    for more in ({"TargetModel": "a.tar.gz"}, {"TargetContainerHostname": "c1"}, {"InferenceComponentName": "ic"}, {"EnableExplanations": "`true`"}):
        same(rejection("digits", b"1", **more).code, "ValidationError")


@check("a session and an inference id are ignored by a model without sessions")
def _():
    body, answer = invoke("digits", json.dumps({"instances": pixels}), SessionId="NEW_SESSION", InferenceId="abc-1")
    assert "NewSessionId" not in answer


@check("a real-time endpoint rejects asynchronous calls")
def _():
    error = rejected(runtime.invoke_endpoint_async, EndpointName="digits", InputLocation="s3://bucket/key")
    same((error.status, error.code), (400, "ValidationError"))
    holds("not an asynchronous endpoint", error.message)


@check("a body above 6 MiB is rejected, and the connection stays usable")
def _():
    error = rejection("digits", b" " * (6_291_456 + 1))
    same((error.status, error.code, error.message), (413, "RequestEntityTooLargeException", "HTTP content length exceeded 6291456 bytes."))
    body, _ = invoke("digits", json.dumps({"instances": pixels}).ljust(6_291_456))
    same(len(json.loads(body)["predictions"]), 8)


@check("500 concurrent calls each get their own response")
def _():
    def one(index):
        body, _ = invoke("digits", json.dumps({"instances": [pixels[index % 8]]}), ContentType="application/json")
        return json.loads(body)["predictions"][0]["label"]

    with ThreadPoolExecutor(50) as pool:
        same(list(pool.map(one, range(500))), [labels[index % 8] for index in range(500)])
