"""The options of a deployment (`-C name=value`), as texts of the command line or values of Python."""
import json

from mlflow.exceptions import MlflowException

HELP = {
    "objective": "the promised latency, for example p95<=50ms",
    "instances": "number of always-on workers; 0 with serverless",
    "instance_type": "type of the workers, for example local.1",
    "serverless": "true: on-demand workers instead of always-on ones",
    "approve": "false: only register; someone with the permission approves later. Default: true",
    "accept_imports": "true: approve also if a pickle imports names outside of the known libraries",
    "environment": "name of the environment that the model runs in (penstock environments list)",
    "image": "serve with this image of config.json instead of Penstock's own Python workers",
    "sample": "file with real rows (.csv, .json or .npy), for a model without signature",
    "group": "model group of the versions. Default: the name of the deployment",
    "timeout": "seconds to wait until the deployment serves. Default: 600",
}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Settings:
    """Checked options. Raises MlflowException for unknown names and wrong values."""

    def __init__(self, config):
        config = dict(config or {})
        unknown = sorted(set(config) - set(HELP))
        if unknown:
            raise MlflowException.invalid_parameter_value(
                "unknown option %s: expected one of %s" % (", ".join(map(str, unknown)), ", ".join(HELP))
            )
        self._config = config
        self.objective = config.get("objective")
        self.environment = config.get("environment")
        self.image = config.get("image")
        self.group = config.get("group")
        self.sample = config.get("sample")
        self.instance_type = config.get("instance_type")
        self.instances = self._number("instances", int)
        self.timeout_s = self._number("timeout", float) or 600.0
        self.is_serverless = self._flag("serverless", False)
        self.approves = self._flag("approve", True)
        self.accepts_imports = self._flag("accept_imports", False)

    def variant(self, model):
        """The variant that serves `model`, for the body of a new endpoint."""
        variant = {"model": model}
        if self.instance_type is not None:
            variant["instance_type"] = self.instance_type
        if self.is_serverless:
            variant["functions"] = {}
            variant["instances"] = self.instances or 0
        elif self.instances is not None:
            variant["instances"] = self.instances
        return variant

    def _number(self, name, kind):
        value = self._config.get(name)
        try:
            return None if value is None else kind(value)
        except (TypeError, ValueError):
            raise MlflowException.invalid_parameter_value("%s is '%s': expected a number" % (name, value)) from None

    def _flag(self, name, default):
        value = self._config.get(name, default)
        known = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if known is None:
            raise MlflowException.invalid_parameter_value("%s is '%s': expected true or false" % (name, value))
        return known


def inputs_body(inputs):
    """The body of a prediction: a DataFrame by its columns, arrays and lists as rows, anything else as it is."""
    if hasattr(inputs, "to_json") and hasattr(inputs, "columns"):
        return {"dataframe_split": json.loads(inputs.to_json(orient="split", index=False, double_precision=15, date_format="iso"))}
    if hasattr(inputs, "tolist"):
        inputs = inputs.tolist()
    if isinstance(inputs, list):
        return {"instances": inputs}
    return inputs
