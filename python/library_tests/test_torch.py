"""TorchScript, programs of torch.export, and a model.py that returns tensors."""

import base64
import io
import json
import os
import subprocess
import sys
import unittest

import numpy as np
import torch

from library_tests.case import LibraryCase
from tests.link import CallFailed


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

    def forward(self, x):
        return self.layers(x)


class Pair(torch.nn.Module):
    def forward(self, a, b):
        return {"sum": a + b, "product": a * b}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return {"contentType": "application/x-npy", "body": base64.b64encode(file.getvalue()).decode()}


class Torch(LibraryCase):
    def setUp(self):
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.net = Net().eval()
        self.rows = np.random.RandomState(0).random_sample((7, 3)).astype("f4")

    def own(self, *arrays, model=None):
        with torch.inference_mode():
            return (model or self.net)(*map(torch.from_numpy, arrays))

    def test_a_fork_server_warms_up_in_one_thread_and_starts_no_other(self):
        program = "import os, torch; from penstock_fork_server.warm_up import warm_up; print(warm_up(), len(os.listdir('/proc/self/task')))"
        for threads, due in (("1", "['torch'] 1"), ("2", "[]")):
            environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
            folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
            found = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True)
            self.assertTrue(found.stdout.startswith(due), found.stdout)

    def test_torchscript_with_a_sample(self):
        for name, module in (("script.pt", torch.jit.script(self.net)), ("trace.pt", torch.jit.trace(self.net, torch.ones(2, 3)))):
            module.save(str(self.folder / name))
            opened = self.served(self.folder, "torchscript", name, sample=npy(self.rows[:2]))
            self.assertEqual(self.specs(opened, "inputs"), [("x", "FP32", [-1, 3])])
            self.assertEqual(self.specs(opened, "outputs"), [("output", "FP32", [-1, 2])])
            self.same(self.worker.run(self.rows)["output"], self.own(self.rows))

    def test_torchscript_with_declared_inputs_and_named_outputs(self):
        torch.jit.script(Pair()).save(str(self.folder / "pair.pt"))
        with self.assertRaisesRegex(CallFailed, "does not say what it takes: register it again with real rows"):
            self.worker.open(self.folder / "pair.pt", "torchscript")
        with self.assertRaisesRegex(CallFailed, r"takes 2 inputs \(a, b\)"):
            self.worker.open(self.folder / "pair.pt", "torchscript", sample=npy(self.rows))
        inputs = [{"name": name, "datatype": "BF16" if name == "b" else "FP32", "shape": [-1, 3]} for name in "ab"]
        opened = self.served(self.folder / "pair.pt", "torchscript", inputs=inputs)
        self.assertEqual(self.specs(opened, "outputs"), [("sum", "FP32", [-1, 3]), ("product", "FP32", [-1, 3])])
        halves = torch.from_numpy(self.rows).to(torch.bfloat16)
        result = self.worker.run(self.rows, halves.view(torch.int16).numpy().view("u2"))
        self.same(result["sum"], Pair()(torch.from_numpy(self.rows), halves)["sum"])
        with self.assertRaisesRegex(CallFailed, "UINT16, which torch does not take"):
            self.worker.open(self.folder / "pair.pt", "torchscript", inputs=[{"name": "a", "datatype": "UINT16", "shape": [-1]}])

    def test_an_exported_program_has_its_own_shapes(self):
        dynamic = {"x": {0: torch.export.Dim("n")}}
        torch.export.save(torch.export.export(self.net, (torch.ones(2, 3),), dynamic_shapes=dynamic), str(self.folder / "net.pt2"))
        opened = self.served(self.folder / "net.pt2", "torch-export")
        self.assertEqual(
            self.specs(opened, "inputs") + self.specs(opened, "outputs"), [("x", "FP32", [-1, 3]), ("output", "FP32", [-1, 2])]
        )
        for count in (1, 7):
            self.same(self.worker.run(self.rows[:count])["output"], self.own(self.rows[:count]))

    def test_an_exported_program_of_fixed_size_and_named_outputs(self):
        torch.export.save(torch.export.export(Pair(), (torch.ones(2, 3), torch.ones(2, 3))), str(self.folder / "pair.pt2"))
        opened = self.served(self.folder / "pair.pt2", "torch-export")
        self.assertEqual(self.specs(opened, "inputs"), [("a", "FP32", [2, 3]), ("b", "FP32", [2, 3])])
        self.assertEqual(self.specs(opened, "outputs"), [("sum", "FP32", [2, 3]), ("product", "FP32", [2, 3])])
        self.same(self.worker.run(self.rows[:2], self.rows[2:4])["product"], self.rows[:2] * self.rows[2:4])

    def test_an_exported_program_for_two_rows_or_more_serves_one(self):
        dynamic = {"x": {0: torch.export.Dim("n", min=2)}}
        torch.export.save(torch.export.export(self.net, (torch.ones(4, 3),), dynamic_shapes=dynamic), str(self.folder / "two.pt2"))
        self.served(self.folder / "two.pt2", "torch-export")
        self.same(self.worker.run(self.rows[:1])["output"], self.own(np.concatenate([self.rows[:1]] * 2))[:1])

    def test_a_script_mode_archive_without_model_fn(self):
        code = self.folder / "archive" / "code"
        code.mkdir(parents=True)
        (code / "inference.py").write_text(
            "def predict_fn(data, model):\n    assert data.dtype.is_floating_point\n    return model(data).tanh()\n"
        )
        torch.jit.script(self.net).save(str(self.folder / "archive" / "model.pth"))
        opened = self.served(self.folder / "archive", "script-mode", "code/inference.py")
        self.assertEqual(opened["form"], "bytes")
        rows = self.rows[:2].tolist()
        _, body, _ = self.worker.invoke(json.dumps(rows).encode(), {"content-type": "application/json"})
        self.assertEqual(json.loads(body), self.own(np.float32(rows)).tanh().tolist())

    def test_code_that_returns_a_tensor(self):
        (self.folder / "model.py").write_text(
            'import torch\ndef predict(x: "float32[n,3]"):\n    return torch.from_numpy(x).requires_grad_() * 2\n'
        )
        opened = self.served(self.folder, "code", "model.py")
        self.assertEqual(self.specs(opened, "outputs"), [("output", "FP32", [-1, 3])])
        self.assertIn("torch", opened["facts"]["libraries"])
        self.assertIn("torch", opened["facts"]["modules"])
        self.same(self.worker.run(self.rows)["output"], self.rows * 2)


if __name__ == "__main__":
    unittest.main()
