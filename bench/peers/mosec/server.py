"""An ONNX model behind mosec, with tensors as raw bytes: INSTANCES processes of the model, or MODEL_COUNT models with one each."""

import os
import sys

import numpy as np
from mosec import Runtime, Server, Worker

sys.path.insert(0, os.environ["MODEL_FOLDER"])
import model as function  # noqa: E402

batch_max = int(os.environ.get("BATCH_MAX", "32"))
wait_ms = int(os.environ.get("WAIT_MS", "1"))


class Model(Worker):
    resp_mime_type = "application/octet-stream"

    def __init__(self):
        self.session = function.load(None)
        self.row = self.session.get_inputs()[0].shape[1:]

    def deserialize(self, data):
        return np.frombuffer(data, dtype=np.float32).reshape(self.row)

    def serialize(self, data):
        return data.tobytes()

    # A list of rows; without batching, one row.
    def forward(self, data):
        if batch_max == 1:
            return function.predict(self.session, data[np.newaxis])[0]
        return list(function.predict(self.session, np.stack(data)))


if __name__ == "__main__":
    server = Server()
    batching = {} if batch_max == 1 else {"max_batch_size": batch_max, "max_wait_time": wait_ms}
    instances = int(os.environ.get("INSTANCES", "1"))
    count = int(os.environ.get("MODEL_COUNT", "1"))
    server.register_runtime({f"/raw/{i}": [Runtime(Model, num=instances, **batching)] for i in range(count)})
    server.run()
