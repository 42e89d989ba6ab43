"""A deployment target of MLflow: `mlflow deployments create -t penstock:http://127.0.0.1:8080 -m models:/churn/3 --name churn`."""
from .deployment_client import PenstockDeploymentClient, run_local, target_help

__all__ = ["PenstockDeploymentClient", "run_local", "target_help"]
