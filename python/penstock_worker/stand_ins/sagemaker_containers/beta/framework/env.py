"""What the variables of a container say."""

from sagemaker_inference.environment import Environment, code_dir, model_dir

ServingEnv = Environment

__all__ = ["ServingEnv", "code_dir", "model_dir"]
