"""sagemaker-runtime as boto3 calls it: endpoints `digits`, `spam`, `affine` and `tokens` are there."""

import io
import json
import struct

from checks import check, client, given, holds, refused, same

runtime = client("sagemaker-runtime")
account = "000000000000"
digits = [[float((row * 7 + column) % 17) for column in range(64)] for row in range(3)]


def invoke(endpoint, body, **more):
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
    return answer["Body"].read(), answer


def protocol(rows):
    return {"inputs": [{"name": "x", "shape": [len(rows), 3], "datatype": "FP32", "data": rows}]}


@check("an endpoint that is not there is refused as AWS words it")
def _():
    refusal = refused(runtime.invoke_endpoint, EndpointName="nobody", Body=b"1")
    same((refusal.status, refusal.code), (400, "ValidationError"))
    same(refusal.message, f"Endpoint nobody of account {account} not found.")


@check("instances give predictions, a row each, and say which variant answered")
def _():
    body, answer = invoke("digits", json.dumps({"instances": digits}), ContentType="application/json")
    same(answer["ContentType"], "application/json")
    same(answer["InvokedProductionVariant"], "AllTraffic")
    predictions = json.loads(body)["predictions"]
    same(len(predictions), 3)
    same(sorted(predictions[0]), ["label", "probabilities"])
