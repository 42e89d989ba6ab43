"""What the variables of a container say."""

import os

model_dir = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
code_dir = os.path.join(model_dir, "code")


class Environment:
    def __init__(self):
        self.module_name = os.environ.get("SAGEMAKER_PROGRAM", "inference.py").removesuffix(".py")
        self.default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
        self.model_server_workers = os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS")
        self.model_server_timeout = int(os.environ.get("SAGEMAKER_MODEL_SERVER_TIMEOUT", "60"))
        self.inference_http_port = os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")
