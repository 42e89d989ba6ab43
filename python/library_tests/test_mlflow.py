"""Folders of MLflow 2 and 3: columns of one type and of several, tensors, and functions of the user."""

import base64
import logging
import sys
import unittest

import cloudpickle
import mlflow
import numpy as np
import pandas
from mlflow.models import infer_signature
from sklearn import compose, datasets, linear_model, pipeline, preprocessing

from library_tests.case import LibraryCase
from tests.link import CallFailed

logging.getLogger("mlflow").setLevel(logging.ERROR)
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the worker cannot import this module


class Shift(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input + 1


class Table(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        year = pandas.to_datetime(model_input["day"]).dt.year
        return pandas.DataFrame(
            {"year": year.astype("int64"), "name": model_input["name"].str.upper(), "sum": model_input["a"] + model_input["b"]}
        )


class Words(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [{"count": len(words)} for words in model_input["words"]]


class Mlflow(LibraryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mlflow.set_tracking_uri((cls.folder / "mlruns").as_uri())  # not the current folder

    def saved(self, name, save, **options):
        path = self.folder / name
        save(path=str(path), pip_requirements=[], **options)
        return path

    def test_numeric_columns_are_one_input(self):
        x, y = datasets.load_iris(return_X_y=True, as_frame=True)
        model = linear_model.LogisticRegression(max_iter=1000).fit(x, y)
        path = self.saved(
            "iris", mlflow.sklearn.save_model, sk_model=model, signature=infer_signature(x, model.predict(x)), input_example=x[:3]
        )
        opened = self.served(path, "mlflow", "MLmodel")
        self.assertEqual(self.specs(opened, "inputs"), [("x", "FP64", [-1, 4])])
        self.assertEqual(opened["facts"]["columns"][0], {"name": "sepal length (cm)", "datatype": "FP64"})
        self.same(self.worker.run(x.to_numpy()[:9])["output"], mlflow.pyfunc.load_model(str(path)).predict(x[:9]))

    def test_numbers_of_several_types_have_an_input_each(self):
        rows = pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
        model = linear_model.LinearRegression().fit(rows, [1.0, 2, 3])
        path = self.saved("numbers", mlflow.sklearn.save_model, sk_model=model, signature=infer_signature(rows, model.predict(rows)))
        opened = self.served(path, "mlflow")
        self.assertEqual(self.specs(opened, "inputs"), [("a", "INT64", [-1]), ("b", "FP64", [-1])])
        self.same(self.worker.run(rows["a"].to_numpy(), rows["b"].to_numpy())["output"], model.predict(rows))

    def test_columns_with_texts_and_times_have_an_input_each(self):
        rows = pandas.DataFrame({"a": [1, 2], "b": [1, 2], "name": ["x", "y"], "day": pandas.to_datetime(["2020-05-01", "2021-05-01"])})
        path = self.saved("table", mlflow.pyfunc.save_model, python_model=Table(), signature=infer_signature(rows), input_example=rows)
        opened = self.served(path, "mlflow")
        self.assertEqual([datatype for _, datatype, _ in self.specs(opened, "inputs")], ["INT64", "INT64", "BYTES", "BYTES"])
        self.assertEqual(self.specs(opened, "outputs"), [("year", "INT64", [-1]), ("name", "BYTES", [-1]), ("sum", "INT64", [-1])])
        result = self.worker.run(np.array([1, 2]), np.array([3, 4]), ["p", "q"], ["2019-01-01T00:00:00", "2022-12-31"])
        self.assertEqual([list(result[name]) for name in result], [[2019, 2022], ["P", "Q"], [4, 6]])
        with self.assertRaisesRegex(CallFailed, "invalid_request: column 'day' is not a time in ISO 8601"):
            self.worker.run(np.array([1]), np.array([3]), ["p"], ["soon"])

    def test_a_pipeline_of_texts(self):
        rows = pandas.DataFrame({"age": [20.0, 30, 40, 50] * 4, "city": ["Bern", "Ulm", "Bern", "Graz"] * 4})
        columns = compose.make_column_transformer((preprocessing.OneHotEncoder(), ["city"]), remainder="passthrough")
        model = pipeline.make_pipeline(columns, linear_model.LogisticRegression(max_iter=1000)).fit(rows, ["a", "b", "a", "b"] * 4)
        path = self.saved(
            "cities", mlflow.sklearn.save_model, sk_model=model, signature=infer_signature(rows, model.predict(rows)), input_example=rows
        )
        self.served(path, "mlflow")
        self.same(self.worker.run(rows["age"].to_numpy()[:5], rows["city"].tolist()[:5])["output"], model.predict(rows[:5]))

    def test_tensors(self):
        example = np.ones((2, 3), "f4")
        path = self.saved(
            "shift", mlflow.pyfunc.save_model, python_model=Shift(), signature=infer_signature(example, example), input_example=example
        )
        opened = self.served(path, "mlflow")
        self.assertEqual(
            self.specs(opened, "inputs") + self.specs(opened, "outputs"), [("x", "FP32", [-1, 3]), ("output", "FP32", [-1, 3])]
        )
        self.same(self.worker.run(example * 4)["output"], example * 5)

    def test_without_a_signature_real_rows_are_needed(self):
        path = self.saved("bare", mlflow.pyfunc.save_model, python_model=Shift())
        with self.assertRaisesRegex(CallFailed, "has no signature: save it with signature=infer_signature"):
            self.worker.open(path, "mlflow")
        opened = self.served(path, "mlflow", sample={"contentType": "application/json", "body": base64.b64encode(b"[[1.5, 2]]").decode()})
        self.assertEqual(self.specs(opened, "inputs"), [("x", "FP64", [-1, 2])])

    def test_columns_of_lists_take_json(self):
        rows = pandas.DataFrame({"words": [["a", "b"], ["c"]]})
        path = self.saved("words", mlflow.pyfunc.save_model, python_model=Words(), signature=infer_signature(rows))
        opened = self.served(path, "mlflow")
        self.assertEqual(opened["form"], "json")
        self.assertEqual(list(self.worker.run(['{"words": ["x", "y", "z"]}', '{"words": []}'])["response"]), ['{"count":3}', '{"count":0}'])


if __name__ == "__main__":
    unittest.main()
