"""Writes the settings of MLServer for the models of the suite, and becomes `mlserver start`.

    python serve.py ASSETS DIRECTORY HTTP_PORT GRPC_PORT METRICS_PORT
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from onnx_models import FIXTURES

assets, directory, http_port, grpc_port, metrics_port = sys.argv[1:]
settings = {
    "host": "127.0.0.1",
    "http_port": int(http_port),
    "grpc_port": int(grpc_port),
    "metrics_port": int(metrics_port),
    "parallel_workers": 0,
    "grpc_max_message_length": 64 * 1024 * 1024,
}
with open(os.path.join(directory, "settings.json"), "w") as file:
    json.dump(settings, file)
for name, path in FIXTURES.items():
    folder = os.path.join(directory, name)
    os.makedirs(folder)
    model = {
        "name": name,
        "implementation": "onnx_runtime.OnnxRuntime",
        "parameters": {"uri": os.path.join(assets, path), "version": "1"},
    }
    with open(os.path.join(folder, "model-settings.json"), "w") as file:
        json.dump(model, file)

here = os.path.dirname(os.path.abspath(__file__))
os.environ["PYTHONPATH"] = os.pathsep.join([here, os.path.dirname(here)])
mlserver = os.path.join(os.path.dirname(sys.executable), "mlserver")
os.execv(sys.executable, [sys.executable, mlserver, "start", directory])
