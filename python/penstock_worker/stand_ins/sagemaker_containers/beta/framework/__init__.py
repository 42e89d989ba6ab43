"""The names that scripts of inference import; those of training are missing."""

from sagemaker_inference import content_types, errors

from . import encoders, env, worker

__all__ = ["content_types", "encoders", "env", "errors", "worker"]
