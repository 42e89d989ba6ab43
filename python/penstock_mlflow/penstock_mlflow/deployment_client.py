"""The deployment client: a deployment is an endpoint, and each model that it gets is a version of the group of its name."""
import os
import tarfile
import tempfile
import time

from mlflow.artifacts import download_artifacts
from mlflow.deployments import BaseDeploymentClient, PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, NOT_IMPLEMENTED, RESOURCE_DOES_NOT_EXIST

from .server import CallError, Server, segment
from .settings import HELP, Settings, inputs_body

POLL_S = 0.2
SAMPLE_TYPES = {".csv": "text/csv", ".json": "application/json", ".npy": "application/x-npy"}


class PenstockDeploymentClient(BaseDeploymentClient):
    """Deployments of a Penstock server. All methods raise MlflowException with the server's reason."""

    def __init__(self, target_uri):
        super().__init__(target_uri)
        self._server = Server(target_uri)

    def create_deployment(self, name, model_uri, flavor=None, config=None, endpoint=None):
        """Registers and approves the model, deploys it, and waits until it serves. `config`: see `target_help()`."""
        _no_endpoint(endpoint)
        settings = Settings(config)
        if self._endpoint(name) is not None:
            raise CallError("the deployment '%s' exists: use update" % name, 409)
        version = self._register(settings.group or name, model_uri, settings)
        if not settings.approves:
            return {"name": name, "flavor": _flavour(version, flavor), "model": version["name"], "status": version["approval"]}
        body = {"name": name, "variants": [settings.variant(version["name"])], "objective": settings.objective}
        first = self._server.call("POST", "/endpoints", body=body)
        return {**self._serving(first, settings), "flavor": _flavour(version, flavor)}

    def update_deployment(self, name, model_uri=None, flavor=None, config=None, endpoint=None):
        """Deploys another model, or other options, without downtime; waits until they serve."""
        _no_endpoint(endpoint)
        settings = Settings(config)
        before = self._endpoint(name)
        if before is None:
            raise MlflowException("there is no deployment '%s': use create" % name, error_code=RESOURCE_DOES_NOT_EXIST)
        current = before["variants"][0]
        model = current["model"]
        version = None
        if model_uri is not None:
            version = self._register(settings.group or model.rpartition("/")[0], model_uri, settings)
            model = version["name"]
            if not settings.approves:
                return {"name": name, "flavor": _flavour(version, flavor), "model": model, "status": version["approval"]}
        change = {"variants": [{**settings.variant(model), "name": current["name"]}]}
        if settings.objective is not None:
            change["objective"] = settings.objective
        first = self._server.call("PATCH", "/endpoints/" + segment(name), body=change)
        answer = self._serving(first, settings)
        return answer if version is None else {**answer, "flavor": _flavour(version, flavor)}

    def delete_deployment(self, name, config=None, endpoint=None):
        """Deletes the endpoint; its model versions stay. Does nothing if there is none."""
        _no_endpoint(endpoint)
        Settings(config)
        try:
            self._server.call("DELETE", "/endpoints/" + segment(name))
        except CallError as error:
            if error.status != 404:
                raise

    def list_deployments(self, endpoint=None):
        """All endpoints of the server."""
        _no_endpoint(endpoint)
        return [_described(item) for item in self._server.pages("/endpoints")]

    def get_deployment(self, name, endpoint=None):
        """One endpoint."""
        _no_endpoint(endpoint)
        found = self._endpoint(name)
        if found is None:
            raise MlflowException("there is no deployment '%s'" % name, error_code=RESOURCE_DOES_NOT_EXIST)
        return _described(found)

    def predict(self, deployment_name=None, inputs=None, endpoint=None):
        """The predictions for a DataFrame, an array, a list of rows, or a body of the API."""
        name = deployment_name or endpoint
        if name is None:
            raise MlflowException.invalid_parameter_value("predict needs the name of a deployment")
        answer = self._server.call("POST", "/endpoints/%s/invoke" % segment(name), body=inputs_body(inputs))
        return PredictionsResponse(answer if isinstance(answer, dict) and "predictions" in answer else {"predictions": answer})

    def explain(self, deployment_name=None, df=None, endpoint=None):
        """Not supported."""
        raise MlflowException(
            "Penstock does not explain predictions: use predict, and compute explanations from the model with a library such as shap",
            error_code=NOT_IMPLEMENTED,
        )

    def _endpoint(self, name):
        try:
            return self._server.call("GET", "/endpoints/" + segment(name))
        except CallError as error:
            if error.status == 404:
                return None
            raise

    def _register(self, group, model_uri, settings):
        """The approved version of the model; an existing one if it has the same files."""
        with tempfile.TemporaryDirectory() as folder:
            archive = os.path.join(folder, "model.tar")
            _pack(download_artifacts(model_uri), archive)
            query = {"name": "model.tar", "reuse": "true", "image": settings.image, "python_environment": settings.environment}
            with open(archive, "rb") as file:
                path = "/groups/%s/versions" % segment(group)
                answer = self._server.call("POST", path, query=query, data=file, length=os.path.getsize(archive))
        version = answer["version"]
        return self._approved(version, settings) if settings.approves else version

    def _approved(self, version, settings):
        """Approving a Python model opens it first, which takes a while."""
        group, _, number = version["name"].rpartition("/")
        path = "/groups/%s/versions/%s" % (segment(group), number)
        if version["approval"] != "Approved":
            if settings.sample is not None:
                self._send_sample(path, settings.sample)
            body = {"approval": "Approved"}
            if settings.accepts_imports:
                body["accept_imports"] = True
            version = self._server.call("POST", path + "/approval", body=body)
        deadline = time.monotonic() + settings.timeout_s
        while version["approval"] != "Approved":
            opening = version.get("python") or {}
            if opening.get("state") != "opening":
                lines = "\n".join(opening.get("last_lines") or [])
                reason = opening.get("reason") or "it is %s" % version["approval"]
                raise MlflowException("%s was not approved: %s\n%s" % (version["name"], reason, lines), error_code=INVALID_STATE)
            _wait(deadline, "%s is still being opened" % version["name"])
            version = self._server.call("GET", path)
        return version

    def _send_sample(self, path, sample):
        content_type = SAMPLE_TYPES.get(os.path.splitext(sample)[1].lower())
        if content_type is None:
            raise MlflowException.invalid_parameter_value("the sample is '%s': expected a .csv, .json or .npy file" % sample)
        with open(sample, "rb") as file:
            self._server.call("PUT", path + "/sample", data=file, length=os.path.getsize(sample), content_type=content_type)

    def _serving(self, first, settings):
        """Waits until the endpoint serves the generation of `first`, the answer to its change."""
        name = first["name"]
        deadline = time.monotonic() + settings.timeout_s
        while True:
            found = self._server.call("GET", "/endpoints/" + segment(name))
            is_current = (found.get("served_generation") or 0) >= first["generation"] and found["generation"] == first["generation"]
            if found["status"] == "InService" and is_current:
                return _described(found)
            if found["status"] == "Failed" or (found["status"] == "InService" and found.get("reason")):
                raise MlflowException("'%s' was not deployed: %s" % (name, found.get("reason") or "it failed"), error_code=INVALID_STATE)
            if found["generation"] != first["generation"]:
                raise MlflowException("'%s' was changed by someone else meanwhile" % name, error_code=INVALID_STATE)
            _wait(deadline, "'%s' is still %s" % (name, found["status"]))


def run_local(target, name, model_uri, flavor=None, config=None):
    """Deploys to the server of PENSTOCK_URL, by default one on this machine (`penstock up`): MLflow passes no URL of a target here."""
    try:
        PenstockDeploymentClient(target).create_deployment(name, model_uri, flavor, config)
    except CallError as error:
        if error.status != 0:
            raise
        raise CallError("%s run-local gets the server from PENSTOCK_URL, not from -t" % error.message, 0) from None


def target_help():
    """Shown by `mlflow deployments help -t penstock`."""
    options = "\n".join("  %-16s %s" % item for item in HELP.items())
    return (
        "Targets: penstock:http://host:port, or penstock for the server of PENSTOCK_URL, else http://127.0.0.1:8080.\n"
        "MLflow tells run-local no URL: set PENSTOCK_URL.\n"
        "The key ID:SECRET is read from PENSTOCK_KEY.\n\nOptions (-C name=value):\n" + options
    )


def _pack(folder, archive):
    """The same files give the same bytes, so that a model that is registered already is found."""

    def plain(item):
        item.mtime = item.uid = item.gid = 0
        item.uname = item.gname = ""
        item.mode = 0o755 if item.isdir() else 0o644
        return item

    with tarfile.open(archive, "w", dereference=True) as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(os.path.join(folder, name), arcname=name, filter=plain)


def _described(endpoint):
    """`name` is due; the model and status are what people look for."""
    variants = endpoint.get("variants") or [{}]
    return {"name": endpoint["name"], "status": endpoint["status"], "model": variants[0].get("model"), "objective": endpoint.get("objective")}


def _flavour(version, asked):
    return (version.get("runtime") or {}).get("flavour") or asked or "python_function"


def _no_endpoint(endpoint):
    if endpoint is not None:
        raise MlflowException.invalid_parameter_value("Penstock has no endpoints above deployments: leave --endpoint out")


def _wait(deadline, what):
    if time.monotonic() > deadline:
        raise MlflowException("timed out: %s. The server goes on" % what, error_code=INVALID_STATE)
    time.sleep(POLL_S)
