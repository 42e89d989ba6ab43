import os
import sys

import numpy as np
from mosec import Server, Worker

folder = os.environ["MODEL_FOLDER"]
sys.path.insert(0, folder)
import model as function  # noqa: E402


class Model(Worker):
    def __init__(self):
        self.model = function.load(folder)

    def forward(self, data):
        outputs = function.predict(self.model, np.asarray([item["x"] for item in data]))
        return [{"output": output} for output in outputs.tolist()]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Model, num=1, max_batch_size=32, max_wait_time=5)
    server.run()
