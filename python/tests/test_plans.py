"""Plans of several models in one worker: the bytes of the built-in worker, and models with code of their own."""

import base64
import contextlib
import json
import os
import tempfile
import textwrap
import unittest
from pathlib import Path

from penstock_worker.errors import PlatformError
from penstock_worker.frames import Frame
from penstock_worker.opened import Opened
from penstock_worker.tensors import Spec, np, ran_frame
from tests.link import CallFailed, Worker

FOLDER = os.environ.get("PENSTOCK_GOLDEN")


def golden_model(described):
    """The same model as `golden-plans.ts` makes of it; it writes into its inputs, which no other model may see."""
    signature, factor = described["signature"], described["factor"]
    outputs = [Spec.of(spec) for spec in signature["outputs"]]

    def run(values):
        x, notes = values
        first = x.reshape(len(x), 4)[:, 0].tolist()
        scores = (x * factor).reshape(len(x), 4)
        x[:] = -1
        if any(value in described["failsOn"] for value in first):
            raise ValueError("a row that it cannot take")
        answers = {
            "label": ["label %s" % note for note in notes],
            "echo": ["%s by %s" % (note, ("%g" % factor)) for note in notes],
            "probabilities": scores,
            "scores": scores,
        }
        return [answers[spec.name] for spec in outputs]

    return Opened("tensors", [Spec.of(spec) for spec in signature["inputs"]], outputs, run)


def frame_of(text):
    return Frame(memoryview(bytearray(base64.b64decode(text))))


@unittest.skipUnless(FOLDER and np, "PENSTOCK_GOLDEN names no folder; test/python/worker.test.ts sets it")
class GoldenPlans(unittest.TestCase):
    def test_plans_answer_with_the_bytes_of_the_built_in_worker(self):
        from penstock_worker.plans import PlanModel

        with open(os.path.join(FOLDER, "golden.json")) as file:
            golden = json.load(file)["plans"]
        count = 0
        for each in golden:
            models = [(golden_model(described), contextlib.nullcontext()) for described in each["models"]]
            model = PlanModel(models, each["options"], now=lambda: 0.0)
            for run in each["runs"]:
                with self.subTest(run["what"]):
                    frame = frame_of(run["run"])
                    tensors = model.run(frame, *model.read(frame))
                    written = b"".join(bytes(part) for part in ran_frame(frame.call, tensors, (0.0, 0.0, 0.0)))
                    self.assertEqual(written, base64.b64decode(run["ran"]))
                    count += 1
            with self.assertRaisesRegex(PlatformError, "plan 5 is not loaded: expected below %d" % len(each["options"]["plans"])):
                frame = frame_of(each["runs"][0]["run"])
                frame.plan = 5
                model.read(frame)
        self.assertGreater(count, 40)


SOURCE = """
from helper import NAME
def predict(x: "float32[n,2]") -> {"label": str, "scores": "float32[n,2]"}:
    import late
    print("ran", NAME)
    if NAME == "second" and (x[:, 0] == 0.5).any():
        raise ValueError("half")
    return {"label": [NAME + late.MARK] * len(x), "scores": x}
"""


@unittest.skipUnless(np, "without numpy no model takes tensors")
class LoadedPlans(unittest.TestCase):
    """Two models with modules of the same names in one worker."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.worker = Worker()
        cls.folders = [cls.folder(name) for name in ("first", "second")]
        cls.opened = cls.worker.open(cls.folders[0], "code", "model.py")

    @classmethod
    def tearDownClass(cls):
        cls.worker.close()
        cls.temporary.cleanup()

    @classmethod
    def folder(cls, name):
        folder = Path(cls.temporary.name) / name
        folder.mkdir()
        (folder / "model.py").write_text(textwrap.dedent(SOURCE))
        (folder / "helper.py").write_text("NAME = %r" % name)
        (folder / "late.py").write_text("MARK = %r" % ("!" if name == "first" else "?"))
        return folder

    def load(self, threshold=0.25, **changed):
        signature = {key: self.opened[key] for key in ("inputs", "outputs")}
        python = {"flavour": "code", "entry": "model.py", "form": "tensors", **signature}
        outputs = [{"name": name, "row": None} for name in ("label", "scores")]
        mapping = {"inputs": [{"name": "x", "row": None}], "outputs": outputs, "scores": "scores"}
        plans = {
            "contract": signature,
            "maps": [mapping, mapping],
            "plans": [{"first": 0, "second": None, "threshold": 1}, {"first": 0, "second": 1, "threshold": threshold}],
            "others": [{"path": str(self.folders[1]), "python": {**python, **changed}}],
        }
        return self.worker.call("load", path=str(self.folders[0]), threads=1, name="model/1", python=python, plans=plans)

    def labels(self, rows, plan):
        worker = self.worker
        from penstock_worker.tensors import raw_tensors, read_strings, run_frame

        data = np.asarray(rows, "<f4")
        worker.send(run_frame(worker.new_call(), [(0, "FP32", data.shape, data.tobytes())], plan))
        found = {index: bytes(data) for index, _, _, data in raw_tensors(worker._answer())}
        return read_strings("", found[0], len(rows), True), list(found[65535])

    def test_each_model_has_modules_of_its_own_also_those_imported_late(self):
        self.load()
        rows = [[1, 0], [0.25, 0.5], [1, 0]]
        self.assertEqual(self.labels(rows, 0), (["first!"] * 3, [0, 0, 0]))
        self.assertEqual(self.labels(rows, 1), (["first!", "second?", "first!"], [0, 1, 0]))
        self.assertEqual(self.labels(rows, 1), (["first!", "second?", "first!"], [0, 1, 0]))

    def test_the_first_model_answers_rows_on_which_the_second_one_fails_and_the_traceback_is_printed(self):
        self.load()
        self.assertEqual(self.labels([[0.5, 0], [0.25, 0.5], [1, 0]], 1), (["first!", "second?", "first!"], [2, 1, 0]))
        self.assertIn("ValueError: half", self.worker.printed())

    def test_a_plan_that_is_not_loaded_is_refused_and_without_plans_every_plan_but_0(self):
        self.load()
        with self.assertRaisesRegex(CallFailed, "wrong_state: plan 2 is not loaded: expected below 2"):
            self.labels([[1, 0]], 2)
        self.assertEqual(self.labels([[1, 0]], 0)[0], ["first!"])
        self.worker.load(self.folders[0], "code", self.opened, "model.py")
        with self.assertRaisesRegex(CallFailed, "wrong_state: this worker has loaded no plans: expected plan 0, got 1"):
            self.worker.run(np.ones((1, 2), "f4"), plan=1)
        self.assertEqual(self.worker.run(np.ones((1, 2), "f4"))["label"], ["first!"])

    def test_a_further_model_that_is_not_the_approved_one_is_not_loaded(self):
        wrong = [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]
        with self.assertRaisesRegex(CallFailed, "model_failed: the model has the inputs x FP32"):
            self.load(inputs=wrong)


if __name__ == "__main__":
    unittest.main()
