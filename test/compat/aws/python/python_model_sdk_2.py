"""Python models with the SageMaker Python SDK 2. `given["folder"]` has the archives of python_archives.py."""

import json
import os

from checks import check, client, given, same

# Turns telemetry off, which would call AWS. It is read at the import.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = given["config"]
import sagemaker  # noqa: E402
from sagemaker.deserializers import JSONDeserializer  # noqa: E402
from sagemaker.model import Model  # noqa: E402
from sagemaker.predictor import Predictor  # noqa: E402
from sagemaker.serializers import CSVSerializer, JSONSerializer  # noqa: E402
from sagemaker.sklearn.model import SKLearnModel  # noqa: E402

ROLE = "arn:aws:iam::000000000000:role/any"
session = sagemaker.Session(default_bucket="sdk2")
with open(os.path.join(given["folder"], "answers.json")) as file:
    answers = json.load(file)


def uploaded(kind):
    return session.upload_data(os.path.join(given["folder"], f"{kind}.tar.gz"), key_prefix=kind)


def deployed(model, name, serializer):
    predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name=name, wait=False)
    client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 200})
    predictor.serializer, predictor.deserializer = serializer, JSONDeserializer()
    return predictor


@check("SKLearnModel uploads its script apart from the model, and its predictor answers as scikit-learn does")
def _():
    model = SKLearnModel(
        model_data=uploaded("joblib"),
        role=ROLE,
        entry_point="serve.py",
        source_dir=given["folder"],
        framework_version="1.2-1",
        sagemaker_session=session,
        name="sklearn",
    )
    same(deployed(model, "sklearn", CSVSerializer()).predict(answers["rows"]), answers["single_probabilities"])


@check("Model deploys an archive of script mode under AWS's image, with variables of its own")
def _():
    image = sagemaker.image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", instance_type="ml.m5.large")
    model = Model(
        image_uri=image,
        model_data=uploaded("transform"),
        role=ROLE,
        env={"ROWS": "rows"},
        predictor_cls=Predictor,
        sagemaker_session=session,
        name="transform",
    )
    same(deployed(model, "transform", JSONSerializer()).predict({"rows": answers["rows"]}), answers["probabilities"])


@check("a joblib file is deployed without a script")
def _():
    image = sagemaker.image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", instance_type="ml.m5.large")
    model = Model(image_uri=image, model_data=uploaded("joblib"), role=ROLE, predictor_cls=Predictor, sagemaker_session=session, name="joblib")
    predictions = deployed(model, "joblib", JSONSerializer()).predict(answers["rows"])["predictions"]
    same([each["probabilities"] for each in predictions], answers["probabilities"])
