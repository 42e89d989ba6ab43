"""Archives of SageMaker's script mode, unchanged: each combination of functions, their defaults, and the context."""

import base64
import io
import json
import tempfile
import textwrap
import unittest
from pathlib import Path

from tests.link import CallFailed, Worker

try:
    import joblib
    import numpy as np
    from sklearn import datasets, linear_model
except ImportError:
    np = None

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
LOAD = "import joblib, os\ndef model_fn(model_dir):\n    return joblib.load(os.path.join(model_dir, 'model.joblib'))\n"


@unittest.skipIf(np is None, "the environment has no scikit-learn")
class ScriptMode(unittest.TestCase):
    count = 0

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.worker = Worker()
        cls.x, y = datasets.load_iris(return_X_y=True)
        cls.model = linear_model.LogisticRegression(max_iter=1000).fit(cls.x, y)
        cls.rows = [[5.0, 3.5, 1.5, 0.25], [6.5, 3.0, 5.5, 2.0]]
        cls.labels = cls.model.predict(np.float32(cls.rows)).tolist()

    @classmethod
    def tearDownClass(cls):
        cls.worker.close()
        cls.temporary.cleanup()

    def archive(self, script):
        ScriptMode.count += 1
        folder = Path(self.temporary.name) / ("a%d" % ScriptMode.count)
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "inference.py").write_text(textwrap.dedent(script))
        joblib.dump(self.model, folder / "model.joblib")
        return folder

    def served(self, script, **message):
        folder = self.archive(script)
        opened = self.worker.open(folder, "script-mode", "code/inference.py", **message)
        self.worker.load(folder, "script-mode", opened, "code/inference.py")
        return opened

    def invoked(self, body, content_type=JSON, accept="*/*"):
        message, reply, _ = self.worker.invoke(body, {"content-type": content_type, "accept": accept})
        return message["headers"]["content-type"], reply

    def test_model_fn_alone_decodes_and_encodes_as_the_containers_do(self):
        self.assertEqual(self.served(LOAD)["form"], "bytes")
        self.assertEqual(self.invoked(json.dumps(self.rows).encode()), (JSON, json.dumps(self.labels).encode()))
        csv = "\n".join(",".join(map(str, row)) for row in self.rows).encode()
        self.assertEqual(self.invoked(csv, CSV, CSV), (CSV, "".join("%d\n" % label for label in self.labels).encode()))
        npy = io.BytesIO()
        np.save(npy, np.array(self.rows))
        content_type, reply = self.invoked(npy.getvalue(), NPY, NPY)
        self.assertEqual((content_type, np.load(io.BytesIO(reply)).tolist()), (NPY, self.labels))

    def test_csv_keeps_its_rows_and_columns_when_it_has_one_of_them(self):
        self.served(LOAD)
        one_row = ",".join(map(str, self.rows[1])).encode()
        self.assertEqual(self.invoked(one_row, CSV, JSON), (JSON, json.dumps(self.labels[1:]).encode()))
        self.served("def model_fn(d):\n    return None\ndef predict_fn(data, model):\n    return list(data.shape)\n")
        for body, shape in ((b"1", [1, 1]), (b"\n1,2\n", [1, 2]), (b"1\n2\n3\n", [3, 1]), (b"1,2\n3,4", [2, 2])):
            self.assertEqual(self.invoked(body, CSV, JSON), (JSON, json.dumps(shape).encode()), body)

    def test_bodies_that_cannot_be_decoded_are_the_callers_fault(self):
        self.served(LOAD)
        npy = io.BytesIO()
        np.save(npy, np.array([{}], dtype=object), allow_pickle=True)
        for body, content_type, accept, reason in [
            (b"{", JSON, "", "invalid_request: the body is not application/json"),
            (b"x", "image/png", "", "invalid_request: Content type image/png is not supported"),
            (npy.getvalue(), NPY, "", "invalid_request: the body is not application/x-npy: Object arrays cannot be loaded"),
            (json.dumps(self.rows).encode(), JSON, "image/png", "invalid_request: Content type image/png is not supported"),
        ]:
            with self.assertRaisesRegex(CallFailed, reason):
                self.invoked(body, content_type, accept)

    def test_all_functions_with_names_of_the_toolkit(self):
        self.served(
            LOAD
            + textwrap.dedent(
                """
                from sagemaker_inference import content_types, decoder, encoder, errors
                def input_fn(data, content_type):
                    if content_type != content_types.JSON:
                        raise errors.UnsupportedFormatError(content_type)
                    assert isinstance(data, str)
                    return decoder.decode(data, content_type)
                def predict_fn(data, model):
                    return model.predict(data) * 10
                def output_fn(prediction, accept):
                    return encoder.encode(prediction, accept), "application/x-own"
                """
            )
        )
        self.assertEqual(
            self.invoked(json.dumps(self.rows).encode()), ("application/x-own", json.dumps([10 * i for i in self.labels]).encode())
        )
        with self.assertRaises(CallFailed) as caught:
            self.invoked(b"a", "image/png")
        self.assertEqual(caught.exception.message["status"], 415)

    def test_names_of_the_older_containers(self):
        self.served(
            LOAD
            + textwrap.dedent(
                """
                from sagemaker_containers.beta.framework import content_types, encoders, env, errors, worker
                import os
                assert env.model_dir == os.environ["SM_MODEL_DIR"]
                def input_fn(data, content_type):
                    if content_type == content_types.CSV:
                        return encoders.csv_to_numpy(data, dtype="f4")
                    return encoders.decode(data, content_type)
                def output_fn(prediction, accept):
                    return worker.Response(encoders.encode(prediction, accept), accept, mimetype=accept)
                """
            )
        )
        self.assertEqual(self.invoked(json.dumps(self.rows).encode(), JSON, CSV), (CSV, "".join("%d\n" % i for i in self.labels).encode()))
        csv = "\n".join(",".join(map(str, row)) for row in self.rows).encode()
        self.assertEqual(self.invoked(csv, CSV, JSON), (JSON, json.dumps(self.labels).encode()))

    def test_the_encoder_of_the_xgboost_container(self):
        try:
            import xgboost
        except ImportError:
            raise unittest.SkipTest("the environment has no XGBoost") from None
        self.served(
            """
            from sagemaker_xgboost_container import encoder as xgb_encoders
            def model_fn(model_dir):
                return None
            def input_fn(body, content_type):
                return xgb_encoders.libsvm_to_dmatrix(body) if content_type == "text/libsvm" else xgb_encoders.decode(body, content_type)
            def predict_fn(matrix, model):
                return [matrix.num_row(), matrix.num_col()]
            """
        )
        for body, kind in ((b"1 0:0.5 2:1\n0 1:1", "text/libsvm"), (b"1,2,3\n4,5,", "text/csv")):
            self.assertEqual(self.invoked(body, kind), (JSON, b"[2, 3]"))

    def test_variables_reach_the_script_and_sagemakers_own_name_its_folder(self):
        variables = {"THRESHOLD": "0.5", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/sourcedir.tar.gz", "SAGEMAKER_PROGRAM": "inference.py"}
        script = """
            import os
            def model_fn(model_dir):
                return [os.environ[name] for name in ("THRESHOLD", "SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY")]
            def transform_fn(model, data, content_type, accept):
                return " ".join(model)
            """
        folder = self.archive(script)
        opened = self.worker.open(folder, "script-mode", "code/inference.py", variables=variables)
        self.worker.load(folder, "script-mode", opened, "code/inference.py")
        self.assertEqual(self.invoked(b"")[1].decode(), "0.5 inference.py %s/code" % folder)

    def test_transform_fn_and_the_context(self):
        self.served(
            """
            def pre_model_fn(model_dir):
                global READY
                READY = True
            def model_fn(model_dir, context):
                assert READY and context.system_properties["model_dir"] == model_dir
                return {}
            def model_warmup_fn(model_dir, model):
                model["warm"] = "yes"
            def transform_fn(model, data, content_type, accept, context):
                return model["warm"] + data.decode() + context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
            """
        )
        message, body, _ = self.worker.invoke(b"!", {"content-type": "a/b", "x-amzn-sagemaker-custom-attributes": "c"})
        self.assertEqual((body, message["headers"]["content-type"]), (b"yes!c", JSON))

    def test_transform_fn_beside_the_others_is_refused(self):
        folder = self.archive("def model_fn(d): ...\ndef transform_fn(m, d, c, a): ...\ndef input_fn(d, c): ...")
        with self.assertRaisesRegex(CallFailed, "Cannot use transform_fn implementation in conjunction"):
            self.worker.open(folder, "script-mode", "code/inference.py")
        with self.assertRaisesRegex(CallFailed, "has no model_fn, and the folder has 0 .pt and .pth files"):
            self.worker.open(self.archive("def predict_fn(d, m): ..."), "script-mode", "code/inference.py")

    def test_with_a_sample_rows_form_batches_unless_the_script_decodes_them(self):
        sample = {"contentType": JSON, "body": base64.b64encode(json.dumps(self.rows).encode()).decode()}
        opened = self.served(LOAD, sample=sample)
        self.assertEqual((opened["form"], opened["inputs"]), ("tensors", [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]))
        self.assertTrue(opened["notes"])
        self.assertEqual(self.worker.run(np.float32(self.rows))["output"].tolist(), self.labels)
        self.assertEqual(self.served(LOAD + "def input_fn(d, c):\n    return d\n", sample=sample)["form"], "bytes")


if __name__ == "__main__":
    unittest.main()
