import os
import sys

import bentoml
import numpy as np

folder = os.environ["MODEL_FOLDER"]
sys.path.insert(0, folder)
import model as function  # noqa: E402


@bentoml.service(workers=1)
class Model:
    def __init__(self):
        self.model = function.load(folder)

    # Its second setting is a limit of latency, which it defends by cancelling requests: left at its default.
    @bentoml.api(batchable=True, max_batch_size=32)
    def predict(self, x: np.ndarray) -> np.ndarray:
        return function.predict(self.model, x)
