import os
import sys

import litserve as ls
import numpy as np

folder = os.environ["MODEL_FOLDER"]
sys.path.insert(0, folder)
import model as function  # noqa: E402


class Api(ls.LitAPI):
    def setup(self, device):
        self.model = function.load(folder)

    def decode_request(self, request):
        return np.asarray(request["x"])

    def predict(self, x):
        return function.predict(self.model, x)

    def encode_response(self, output):
        return {"output": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(Api(max_batch_size=32, batch_timeout=0.005), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
