"""KServe's inference clients as users call them: REST (given["url"]) and gRPC (given["grpc"])."""

import httpx
import numpy as np
from checks import given, same
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

PIXELS = (np.arange(128, dtype=np.float32).reshape(2, 64) % 17).astype(np.float32)


def rest():
    return InferenceRESTClient(RESTConfig(protocol="v2"))


def request(model="digits-mlp", array=PIXELS, datatype="FP32", binary=True, **more):
    tensor = InferInput(name="pixels", shape=list(array.shape), datatype=datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[tensor], **more)


def label(answer):
    return next(output for output in answer.outputs if output.name == "label").as_numpy()


async def check_rest_health():
    """REST: the server and its models are live and ready"""
    client = rest()
    assert await client.is_server_live(given["url"]) and await client.is_server_ready(given["url"])
    assert await client.is_model_ready(given["url"], "digits-mlp")
    assert not await client.is_model_ready(given["url"], "missing")
    await client.close()


async def check_rest_infer():
    """REST: binary and JSON inputs have equal results"""
    client = rest()
    labels = [label(await client.infer(given["url"], request(binary=binary), model_name="digits-mlp")) for binary in (True, False)]
    same([each.shape for each in labels], [(2,), (2,)])
    same(labels[0].tolist(), labels[1].tolist())
    answer = await client.infer(given["url"], request(request_id="42"), model_name="digits-mlp")
    same(answer.id, "42")
    await client.close()


async def check_rest_binary_outputs():
    """REST: binary outputs"""
    client = rest()
    answer = await client.infer(given["url"], request(parameters={"binary_data_output": True}), model_name="digits-mlp")
    same(label(answer).shape, (2,))
    await client.close()


async def check_rest_errors():
    """REST: errors show the reason"""
    client = rest()
    try:
        await client.infer(given["url"], request(array=PIXELS.astype(np.float64), datatype="FP64"), model_name="digits-mlp")
        raise AssertionError("not refused")
    except httpx.HTTPStatusError as error:
        same(error.response.status_code, 400)
        assert "datatype is FP64, expected FP32" in str(error), error
    await client.close()


async def check_grpc_health():
    """gRPC: the server and its models are live and ready"""
    async with InferenceGRPCClient(given["grpc"]) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready("digits-mlp")


async def check_grpc_infer():
    """gRPC: raw and typed contents have equal results"""
    async with InferenceGRPCClient(given["grpc"]) as client:
        raw = label(await client.infer(request()))
        typed = InferInput(name="pixels", shape=[2, 64], datatype="FP32", data=PIXELS.flatten().tolist())
        answer = await client.infer(InferRequest(model_name="digits-mlp", infer_inputs=[typed], request_id="7"))
        same(answer.id, "7")
        same(label(answer).tolist(), raw.tolist())


async def check_grpc_load():
    """gRPC: load, with the model name in the field that other clients use for the repository"""
    import grpc
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    async with grpc.aio.insecure_channel(given["grpc"]) as channel:
        stub = GRPCInferenceServiceStub(channel)
        answer = await stub.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name="test-typed"))
        same([answer.model_name, answer.isLoaded], ["test-typed", True])
