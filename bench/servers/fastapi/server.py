"""A typical self-written server: FastAPI with onnxruntime, one thread per session, orjson, uvloop."""
import os

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"])
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
