"""A typical self-written server: FastAPI with onnxruntime, one thread per session, orjson, uvloop."""
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
count = int(os.environ.get("MODEL_COUNT", "1"))
sessions = [
    onnxruntime.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"]) for _ in range(count)
]
session = sessions[0]
names = [output.name for output in session.get_outputs()]
app = FastAPI()


class Request(BaseModel):
    pixels: list[list[float]]


# Runs inline, not in the thread pool: for a model that takes 13 us, the pool costs more than the run.
@app.post("/predict")
async def predict(request: Request):
    outputs = session.run(names, {"pixels": numpy.asarray(request.pixels, dtype=numpy.float32)})
    body = orjson.dumps(dict(zip(names, outputs)), option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, media_type="application/json")


# A model that computes for milliseconds runs beside the loop, which reads the next bodies meanwhile; one at a time, as elsewhere.
runner = ThreadPoolExecutor(max_workers=1)
tensor = session.get_inputs()[0]


@app.post("/raw/{model}")
async def raw(model: int, request: HttpRequest):
    x = numpy.frombuffer(await request.body(), dtype=numpy.float32).reshape([-1, *tensor.shape[1:]])
    outputs = await asyncio.get_running_loop().run_in_executor(runner, sessions[model].run, names, {tensor.name: x})
    return Response(outputs[-1].tobytes(), media_type="application/octet-stream")
