"""Python models with the SageMaker Python SDK 3. `given["folder"]` has the archives of python_archives.py."""

import json
import os

from checks import check, client, given, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
from sagemaker.core import image_uris  # noqa: E402
from sagemaker.core.helper.session_helper import Session  # noqa: E402
from sagemaker.serve.model_builder import ModelBuilder  # noqa: E402

session = Session(default_bucket="sdk3")
image = image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", instance_type="ml.m5.large")
with open(os.path.join(given["folder"], "answers.json")) as file:
    answers = json.load(file)
CSV_ROWS = "\n".join(",".join(map(str, row)) for row in answers["rows"])


def deployed(kind, **more):
    url = session.upload_data(os.path.join(given["folder"], f"{kind}.tar.gz"), key_prefix=kind)
    builder = ModelBuilder(
        image_uri=image, s3_model_data_url=url, role_arn="any", sagemaker_session=session, instance_type="ml.m5.large", **more
    )
    builder.build(model_name=kind)
    endpoint = builder.deploy(endpoint_name=kind, instance_type="ml.m5.large", initial_instance_count=1, wait=False)
    client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=kind, WaiterConfig={"Delay": 1, "MaxAttempts": 100})
    return endpoint


@check("ModelBuilder deploys a joblib file under AWS's image, which answers as scikit-learn does")
def _():
    answer = deployed("joblib").invoke(body=CSV_ROWS, content_type="text/csv", accept="application/json")
    predictions = json.loads(answer.body.read())["predictions"]
    same([each["probabilities"] for each in predictions], answers["probabilities"])


@check("ModelBuilder deploys an archive of script mode, with variables of its own")
def _():
    endpoint = deployed("transform", env_vars={"ROWS": "rows"})
    answer = endpoint.invoke(body=json.dumps({"rows": answers["rows"]}), content_type="application/json", accept="application/json")
    same(json.loads(answer.body.read()), answers["probabilities"])
