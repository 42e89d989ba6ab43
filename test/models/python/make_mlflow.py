"""Writes the folders of mlflow/: two models as MLflow saves them. Needs mlflow-skinny, scikit-learn, pandas and skops."""
import shutil, tempfile, warnings
from pathlib import Path

import mlflow, mlflow.pyfunc, mlflow.sklearn, pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("ignore")
here = Path(__file__).parent / "mlflow"
frame, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=200).fit(frame, y)


class Own(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input


def keep(name, save, *files):
    """The files of the model that Penstock reads."""
    with tempfile.TemporaryDirectory() as folder:
        save(f"{folder}/model")
        shutil.rmtree(here / name, ignore_errors=True)
        (here / name).mkdir(parents=True)
        for file in ("MLmodel", "requirements.txt", *files):
            shutil.copy(f"{folder}/model/{file}", here / name)


rows = infer_signature(frame, model.predict(frame))
keep("columns", lambda path: mlflow.sklearn.save_model(model, path, signature=rows, input_example=frame.head(2)), "model.skops")
mixed = infer_signature(pd.DataFrame({"a": [1.0], "b": ["x"]}), pd.DataFrame({"a": [1.0]}))
keep("own", lambda path: mlflow.pyfunc.save_model(path, python_model=Own(), signature=mixed), "python_model.pkl")
