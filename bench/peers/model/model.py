"""The model in the servers that call a Python function: onnxruntime with one thread, as in Penstock's worker."""

import os

import numpy as np
import onnxruntime


def load(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(os.environ["MODEL_PATH"], options, providers=["CPUExecutionProvider"])


def predict(session, x):
    return session.run(["probabilities"], {"pixels": np.asarray(x, dtype=np.float32)})[0]
