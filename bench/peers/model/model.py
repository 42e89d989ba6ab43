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
    # Its last output are the probabilities, where it also has a label.
    return session.run([session.get_outputs()[-1].name], {session.get_inputs()[0].name: np.asarray(x, dtype=np.float32)})[0]
