"""A user's `model.py`, through the worker: each form, and what goes wrong in it."""

import base64
import json
import signal
import socket
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

from penstock_worker import frames
from penstock_worker.errors import LinkClosed
from penstock_worker.tensors import run_frame, write_strings
from tests.link import CallFailed, Worker

try:
    import numpy as np
except ImportError:
    np = None


class Code(unittest.TestCase):
    """The tests share one worker, which opens one model after the other."""

    count = 0

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.worker = Worker()

    @classmethod
    def tearDownClass(cls):
        cls.worker.close()
        cls.temporary.cleanup()

    def folder_with(self, source, name="model.py"):
        Code.count += 1
        folder = Path(self.temporary.name) / ("m%d" % Code.count)
        folder.mkdir()
        (folder / name).write_text(textwrap.dedent(source))
        return folder

    def served(self, source, **message):
        folder = self.folder_with(source)
        opened = self.worker.open(folder, "code", "model.py", **message)
        self.worker.load(folder, "code", opened, "model.py")
        return opened

    def refused(self, source, reason, **message):
        with self.assertRaisesRegex(CallFailed, reason) as caught:
            self.worker.open(self.folder_with(source), "code", "model.py", **message)
        return caught.exception.message

    def fails(self, reason, *values):
        with self.assertRaisesRegex(CallFailed, reason) as caught:
            self.worker.run(*values)
        return caught.exception.message

    def json(self, *rows):
        return [json.loads(text) for text in self.worker.run([json.dumps(row) for row in rows])["response"]]


def until(condition):
    """Waits for something that happens in another process."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 30 s")


def sample(content_type, text):
    return {"contentType": content_type, "body": base64.b64encode(text.encode()).decode()}


@unittest.skipIf(np is None, "the environment has no numpy")
class Tensors(Code):
    def test_a_batch_with_a_model_from_load(self):
        opened = self.served(
            """
            import json
            def load(folder):
                return json.loads((folder / "factor.json").read_text()) if (folder / "factor.json").exists() else 3
            def predict(model, x: "float32[n,2]", y: "float32[n]") -> {"sum": "float32[n]", "twice": "float64[n,2]"}:
                return {"twice": x * 2, "sum": x.sum(1) * model + y}
            """
        )
        self.assertEqual([str(spec["shape"]) for spec in opened["inputs"]], ["[-1, 2]", "[-1]"])
        result = self.worker.run(np.float32([[1, 2], [3, 4]]), np.float32([0.5, 0]))
        self.assertEqual(result["sum"].tolist(), [9.5, 21.0])
        self.assertEqual(result["twice"].tolist(), [[2, 4], [6, 8]])

    def test_outputs_without_an_annotation_are_read_off_a_run(self):
        opened = self.served(
            """
            def predict(x: "float32[n,m,3]"):
                return x.mean(2), [str(len(row)) for row in x]
            """
        )
        due = [("output", "FP32", [-1, -1]), ("output_1", "BYTES", [-1])]
        self.assertEqual([(spec["name"], spec["datatype"], spec["shape"]) for spec in opened["outputs"]], due)
        result = self.worker.run(np.ones((2, 5, 3), "f4"))
        self.assertEqual((result["output"].shape, result["output_1"].tolist()), ((2, 5), ["5", "5"]))

    def test_one_row_at_a_time(self):
        opened = self.served(
            """
            def predict(x: "int64[3]", name: "str[]") -> ("int64[2]", "str[]"):
                return x[:2], name.upper()
            """
        )
        self.assertEqual([spec["shape"] for spec in opened["inputs"] + opened["outputs"]], [[-1, 3], [-1], [-1, 2], [-1]])
        result = self.worker.run(np.arange(6).reshape(2, 3), ["a", "b"])
        self.assertEqual((result["output"].tolist(), result["output_1"].tolist()), ([[0, 1], [3, 4]], ["A", "B"]))

    def test_a_class(self):
        self.served(
            """
            class Model:
                def __init__(self, folder):
                    self.names = sorted(path.name for path in folder.iterdir())
                def predict(self, x: "str[n,1]") -> "str[n,1]":
                    assert self.names[0] == "model.py" and x.shape[1] == 1
                    return x + "!"
            """
        )
        self.assertEqual(self.worker.run(np.array([["ä"], [""]], dtype=object))["output"].tolist(), [["ä!"], ["!"]])

    def test_no_annotation_with_a_sample(self):
        opened = self.served("def predict(x):\n    return x * 2", sample=sample("application/json", "[[1.5, 2], [3, 4]]"))
        self.assertEqual(opened["inputs"], [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}])
        self.assertEqual(self.worker.run(np.array([[1.0, 2.0]]))["output"].tolist(), [[2, 4]])

    def test_a_frame_has_an_input_for_each_column_of_the_sample(self):
        source = """
            import pandas as pd
            def predict(rows: pd.DataFrame):
                return pd.DataFrame({"total": rows["a"] + rows["b"], "city": rows["city"].str.upper()})
            """
        opened = self.served(source, sample=sample("text/csv", "a,b,city\n1,2.5,Ulm\n3,4,Bern\n5,6,Graz\n"))
        inputs = [(spec["name"], spec["datatype"]) for spec in opened["inputs"]]
        self.assertEqual(inputs, [("a", "INT64"), ("b", "FP64"), ("city", "BYTES")])
        self.assertEqual([(spec["name"], spec["datatype"]) for spec in opened["outputs"]], [("total", "FP64"), ("city", "BYTES")])
        result = self.worker.run(np.array([1, 2]), np.array([0.5, 0.25]), ["ulm", "x"])
        self.assertEqual((result["total"].tolist(), result["city"].tolist()), ([1.5, 2.25], ["ULM", "X"]))
        self.refused(source, "takes a DataFrame: register it again with real rows")

    def test_nullable_columns_are_numbers_and_missing_values_in_them_are_refused(self):
        self.served(
            """
            import pandas as pd
            def predict(x: "float32[n]") -> {"total": "int64[n]"}:
                return pd.DataFrame({"total": pd.array([None if value < 0 else int(value) for value in x], dtype="Int64")})
            """
        )
        self.assertEqual(self.worker.run(np.float32([1, 2]))["total"].tolist(), [1, 2])
        self.fails("missing values in output 'total', a column of the nullable type Int64: .* makes NaN of them", np.float32([1, -1]))

    def test_results_that_do_not_fit_name_what_was_due(self):
        self.served(
            """
            import numpy as np
            RESULTS = [
                lambda x: None,
                lambda x: x[:1],
                lambda x: x.astype("f8"),
                lambda x: x.astype(object),
                lambda x: [[1.0, 2.0], [3.0]],
                lambda x: x[:, :1],
                lambda x: x > 0,
                lambda x: x * np.nan,
                lambda x: (x, x),
                lambda x: x.astype("c8"),
            ]
            def predict(x: "float32[n,2]") -> "float32[n,2]":
                return RESULTS[int(x[0, 0])](x)
            """
        )
        rows = [np.float32([[i, 0], [i, 1]]) for i in range(10)]
        self.fails("returned None where an array of 2 rows was due", rows[0])
        self.fails("returned 1 row in output 'output' for 2 rows: expected a row for each", rows[1])
        self.assertEqual(self.worker.run(rows[2])["output"].dtype, np.float32)
        self.fails("an array of objects in output 'output': expected FP32", rows[3])
        self.fails("whose elements differ in length", rows[4])
        self.fails(r"the shape \[2, 1\] in output 'output': expected \[-1, 2\]", rows[5])
        self.assertEqual(self.worker.run(rows[6])["output"].tolist(), [[1, 0], [1, 1]])
        self.assertTrue(np.isnan(self.worker.run(rows[7])["output"]).all())
        self.fails("returned 2 outputs where 1 array of 2 rows were due", rows[8])
        self.fails("returned complex64 in output 'output': expected FP32", rows[9])

    def test_an_exception_shows_its_class_only_and_a_status_its_message(self):
        self.served(
            """
            class Unfit(Exception):
                status = 422
            def predict(x: "float32[n]") -> "float32[n]":
                if x[0] > 1:
                    raise Unfit("x must be at most 1")
                raise ValueError("secret")
            """
        )
        message = self.fails("model_failed: the model failed: ValueError; its log has the traceback$", np.float32([0]))
        self.assertNotIn("secret", json.dumps(message))
        message = self.fails("invalid_request: x must be at most 1", np.float32([2]))
        self.assertEqual(message["status"], 422)

    def test_sizes_with_one_name_must_agree(self):
        self.served('def predict(a: "float32[n,m]", b: "float32[n,m]") -> "float32[n]":\n    return a.sum(1) + b.sum(1)')
        self.fails("invalid_request: the dimension 'm' is 2 in one input and 3 in another", np.ones((1, 2)), np.ones((1, 3)))
        self.fails("invalid_request: input 'b' has 1 rows, and 'a' has 2", np.ones((2, 2)), np.ones((1, 2)))

    def test_no_rows(self):
        self.served('def predict(x: "float32[n,2]") -> "float32[n]":\n    return x.sum(1)')
        self.assertEqual(self.worker.run(np.empty((0, 2)))["output"].shape, (0,))

    def test_a_large_batch_and_a_kept_input(self):
        self.served(
            """
            KEPT = []
            def predict(x: "float32[n,1000]") -> "float32[n,1000]":
                KEPT.append(x)
                x += 1
                return KEPT[0]
            """
        )
        first = np.arange(100_000, dtype="f4").reshape(100, 1000)
        for _ in range(3):
            result = self.worker.run(first if _ == 0 else first * 0)["output"]
            np.testing.assert_array_equal(result, first + 1)


class Json(Code):
    def test_a_batch_is_a_list(self):
        opened = self.served(
            """
            def predict(texts: list):
                return [{"length": len(text), "rows": len(texts)} for text in texts]
            """
        )
        self.assertEqual(opened["form"], "json")
        self.assertEqual(opened["inputs"], [{"name": "request", "datatype": "BYTES", "shape": [-1]}])
        self.assertEqual(self.json("a", "äöü"), [{"length": 1, "rows": 2}, {"length": 3, "rows": 2}])

    def test_one_row_and_results_that_json_does_not_know(self):
        self.served(
            """
            try:
                import numpy as np
            except ImportError:
                np = None
            def predict(item: dict):
                return {"x": np.float32(0.5) if np else 0.5, "list": np.arange(3) if np else [0, 1, 2], "nan": float("nan"), "set": {1}}
            """
        )
        self.assertEqual(self.json({"a": 1}), [{"x": 0.5, "list": [0, 1, 2], "nan": None, "set": [1]}])

    def test_rows_of_another_type_and_texts_that_are_not_json_are_the_callers_fault(self):
        self.served("def predict(text: str):\n    return text")
        self.fails("invalid_request: row 1 must be a string, got an object", ['"a"', "{}"])
        self.fails("invalid_request: row 0 is not JSON", ["nope"])
        self.fails("invalid_request: row 0 is not JSON", ["[" * 100_000])

    def test_a_list_of_another_length_and_what_is_no_json_fail(self):
        self.served("def predict(rows: list):\n    return rows[1:] if rows[0] else [b'x']")
        self.fails("model_failed: predict\\(\\) returned a list of 1 for 2 rows", ["1", "2"])
        self.fails("model_failed: predict\\(\\) returned what is not JSON", ["0"])

    def test_without_plans_a_run_under_a_plan_is_refused_and_the_next_run_is_served(self):
        self.served("def predict(item: dict):\n    return item")
        with self.assertRaisesRegex(CallFailed, "this worker has loaded no plans: expected plan 0, got 3"):
            self.worker.run(["{}"], plan=3)
        self.assertEqual(self.json({"a": 1}), [{"a": 1}])


class BytesAndStreams(Code):
    def test_bytes(self):
        opened = self.served(
            """
            def predict(body: bytes, content_type: str, accept: str, request):
                if content_type == "text/plain":
                    return body.decode() + "|" + accept + "|" + request.id + "|" + str(request.deadline_s is None)
                return (body[::-1], "image/png") if body else body
            """
        )
        self.assertEqual((opened["form"], opened["inputs"], opened["outputs"]), ("bytes", [], []))
        message, body, _ = self.worker.invoke(b"abc", {"content-type": "text/plain", "accept": "a/b", "x-request-id": "r1"})
        self.assertEqual((body, message["headers"]), (b"abc|a/b|r1|True", {"content-type": "text/plain; charset=utf-8"}))
        message, body, _ = self.worker.invoke(b"abc")
        self.assertEqual((body, message["headers"]["content-type"], message["status"]), (b"cba", "image/png", 200))
        self.assertEqual(self.worker.invoke(b"")[0]["headers"]["content-type"], "application/octet-stream")

    def test_a_body_in_files_and_a_reply_that_is_too_large(self):
        self.served("def predict(body: bytes):\n    return body")
        folder = Path(tempfile.mkdtemp(dir=self.temporary.name))
        (folder / "a").write_bytes(b"one ")
        (folder / "b").write_bytes(b"two")
        files = {"paths": [str(folder / "a"), str(folder / "b")], "bytes": 7}
        self.assertEqual(self.worker.invoke(b"", files=files)[1], b"one two")
        with self.assertRaisesRegex(CallFailed, "too_large: the reply of the model has 5 bytes"):
            self.worker.invoke(b"12345", replyBytesMax=4)

    def test_another_result_fails(self):
        self.served("def predict(body: bytes):\n    return {}")
        with self.assertRaisesRegex(CallFailed, "returned a dict: expected bytes, str"):
            self.worker.invoke(b"")

    def test_a_stream_sends_each_yield_at_once(self):
        self.served("def predict(item: dict):\n    for i in range(item['n']):\n        yield {'i': i}")
        message, body, pieces = self.worker.invoke(b'{"n": 3}', {"content-type": "application/json"}, streams=True)
        self.assertEqual([piece for piece in pieces if piece], [b'{"i":0}\n', b'{"i":1}\n', b'{"i":2}\n'])
        self.assertEqual((message["isStreamed"], body, message["headers"]["content-type"]), (True, b"", "application/jsonl"))
        message, body, pieces = self.worker.invoke(b'{"n": 2}', {"content-type": "application/json"})
        self.assertEqual((message["isStreamed"], body, pieces), (False, b'{"i":0}\n{"i":1}\n', []))
        with self.assertRaisesRegex(CallFailed, "invalid_request: the body must be an object"):
            self.worker.invoke(b"[]", {"content-type": "application/json"}, streams=True)

    def test_a_text_is_found_in_a_request_of_generate_stream(self):
        self.served("def predict(text: str):\n    yield text.upper()")
        body = b'{"text_input": "ab", "parameters": {"n": 1}}'
        self.assertEqual(self.worker.invoke(body, {"content-type": "application/json"})[1], b"AB")
        self.assertEqual(self.worker.invoke(b'"cd"', {"content-type": "application/json"})[1], b"CD")
        with self.assertRaisesRegex(CallFailed, "invalid_request: the body must be a string"):
            self.worker.invoke(b'{"text_input": 1}', {"content-type": "application/json"})

    def test_a_stream_waits_for_its_receiver_and_stops_with_it(self):
        folder = self.folder_with(
            """
            import pathlib
            MARK = pathlib.Path(__file__).parent / "closed"
            def predict(text: str):
                try:
                    while True:
                        yield "x" * 300_000
                finally:
                    MARK.write_text("closed")
            """
        )
        opened = self.worker.open(folder, "code", "model.py")
        self.worker.load(folder, "code", opened, "model.py")
        worker, call = self.worker, self.worker.new_call()
        message = {"headers": {}, "replyBytesMax": 100, "streams": True}
        worker.send(frames.payload_frame(call, frames.INVOKE, message, b"go"))
        received = 0
        worker.next_frame()  # the head
        while received <= 1024 * 1024:
            received += worker.next_frame().message["bytes"]
        worker.connection.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            worker.next_frame()
        worker.connection.settimeout(60)
        # A status that arrives during the stream is answered after it.
        status = worker.new_call()
        worker.send([frames.message_frame(status, frames.CALL, {"method": "status"})])
        worker.send([frames.message_frame(call, frames.TAKEN, {"stop": True})])
        frame = worker.next_frame()
        self.assertEqual((frame.kind, frame.call), (frames.FAILED, call))
        self.assertEqual(worker.next_frame().call, status)
        self.assertEqual((folder / "closed").read_text(), "closed")

    def test_an_exception_within_a_stream_ends_it(self):
        self.served("def predict(text: str):\n    yield 'a'\n    raise RuntimeError('x')")
        with self.assertRaisesRegex(CallFailed, "model_failed: the model failed: RuntimeError"):
            self.worker.invoke(b"go", streams=True)


class Refusals(Code):
    def test_files_that_cannot_be_opened(self):
        message = self.refused(
            "import cv2\ndef predict(x: 'float32[n]'): ...", "No module named 'cv2': add opencv-python-headless to requirements.txt"
        )
        self.assertIn("import cv2", "\n".join(message["lines"]))
        self.assertNotIn("penstock_worker", "\n".join(message["lines"]))
        self.refused("def predict(x:\n", "SyntaxError")
        self.refused("import sys\nsys.exit(3)", r"opening the model called sys.exit\(3\)")
        self.refused("x = 1", "neither predict\\(\\) nor class Model")
        self.refused("class Model:\n    pass\ndef predict(x: str): ...", "has predict\\(\\) and class Model")
        self.refused("class Model:\n    pass", "has no predict")
        self.refused("def predict(model, x: str): ...", "has no load")
        self.refused("def predict(x): ...", "says neither what it takes")
        self.refused("def load(folder):\n    raise OSError('no weights')\ndef predict(x: str): ...", "OSError: no weights")
        if np is None:
            self.refused("def predict(x: 'float32[n,3]'): ...", "the environment has no numpy")
            return
        self.refused(
            "def predict(x: 'float32[n,3]'):\n    return undefined", "predict\\(\\) failed for 2 made-up rows: NameError.*Give a sample"
        )
        self.refused("def predict(x: 'float32[n,3]') -> 'float32[3]': ...", "takes a batch, and returns one row")

    def test_an_entry_outside_of_the_folder_and_an_unknown_flavour(self):
        folder = self.folder_with("x = 1")
        with self.assertRaisesRegex(CallFailed, "leads out of the model's folder"):
            self.worker.open(folder, "code", "../../../../../etc/passwd")
        with self.assertRaisesRegex(CallFailed, "unknown flavour 'tea'"):
            self.worker.open(folder, "tea")
        with self.assertRaisesRegex(CallFailed, "no file 'other.py'"):
            self.worker.open(folder, "code", "other.py")
        with self.assertRaisesRegex(CallFailed, "unsupported: .*'inspect'"):
            self.worker.call("inspect")


class Hostile(unittest.TestCase):
    """Each ends or disturbs a worker of its own."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.worker = Worker()
        self.addCleanup(self.worker.close)

    def load(self, source):
        folder = Path(self.temporary.name)
        (folder / "model.py").write_text(textwrap.dedent(source))
        opened = self.worker.open(folder, "code", "model.py")
        self.worker.load(folder, "code", opened, "model.py")

    def ended_with(self):
        code = self.worker.process.wait(30)
        return code, self.worker.close()

    def test_ways_to_end_leave_their_reason(self):
        self.load(
            "import ctypes, os, sys\ndef predict(item: dict):\n    if item['how'] == 'segv':\n        ctypes.string_at(0)\n    os._exit(3)"
        )
        with self.assertRaises(LinkClosed):
            self.worker.run(['{"how": "segv"}'])
        code, text = self.ended_with()
        self.assertEqual(code, -11)
        self.assertIn("Segmentation fault", text)
        self.assertIn("in predict", text)

    def test_os_exit_ends_the_worker_with_its_code(self):
        self.load("import os\ndef predict(item: dict):\n    os._exit(3)")
        with self.assertRaises(LinkClosed):
            self.worker.run(["{}"])
        self.assertEqual(self.ended_with()[0], 3)

    def test_memory_that_there_is_not_fails_the_call_alone(self):
        self.load(
            """
            import resource
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
            def predict(item: dict):
                return len(bytearray(item["bytes"]))
            """
        )
        with self.assertRaisesRegex(CallFailed, "model_failed: the model failed: it ran out of memory$"):
            self.worker.run([json.dumps({"bytes": 10 << 30})])
        self.assertEqual(self.worker.run(['{"bytes": 5}'])["response"], ["5"])

    def test_sys_exit_ends_the_worker_with_its_code_and_traceback(self):
        self.load("import sys\ndef predict(item: dict):\n    sys.exit(7)")
        with self.assertRaises(LinkClosed):
            self.worker.run(["{}"])
        code, text = self.ended_with()
        self.assertEqual(code, 7)
        self.assertIn("the model called sys.exit(7)", text)
        self.assertIn("model.py", text)

    def test_a_model_that_meddles_with_its_process_is_served_all_the_same(self):
        self.load(
            """
            import os, signal, sys, threading, time
            def predict(item: dict):
                how = item["how"]
                if how == "descriptors":
                    os.closerange(0, 100)
                if how == "write":
                    try:
                        os.write(3, b"x")
                    except OSError as error:
                        return error.errno
                if how == "chdir":
                    os.chdir("/")
                if how == "thread":
                    threading.Thread(target=time.sleep, args=(1000,)).start()
                if how == "signal":
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if how == "print":
                    for i in range(20_000):
                        print("line", i)
                if how == "streams":
                    sys.stdout = sys.stderr = None
                    raise ValueError("x")
                return how
            """
        )
        for how in ("write", "print", "chdir", "thread", "signal", "descriptors"):
            due = 9 if how == "write" else how
            self.assertEqual(json.loads(self.worker.run([json.dumps({"how": how})])["response"][0]), due)
        with self.assertRaises(CallFailed):
            self.worker.run(['{"how": "streams"}'])
        self.assertGreater(self.worker.call("status")["rssBytes"], 0)
        self.worker.connection.close()
        self.assertEqual(self.worker.process.wait(10), 0, "a thread that runs on does not delay the end")

    def test_a_hang_shows_where_when_the_server_signals_it(self):
        self.hangs("while True:\n                    pass")

    def test_a_hang_within_one_operation_of_c_shows_where(self):
        self.hangs("pow(3, 10**9)")

    def hangs(self, forever):
        self.load(
            """
            import pathlib
            def predict(item: dict):
                (pathlib.Path(__file__).parent / "started").write_text("")
                %s
            """
            % forever
        )
        self.worker.send(run_frame(self.worker.new_call(), [(0, "BYTES", [1], write_strings("", ["{}"]))]))
        until((Path(self.temporary.name) / "started").exists)
        self.worker.process.send_signal(signal.SIGUSR2)
        until(lambda: "in predict" in self.worker.printed())
        self.worker.process.kill()
        self.assertIn('model.py", line ', self.ended_with()[1])

    def test_stop_ends_it(self):
        self.assertEqual(self.worker.call("stop"), {})
        self.assertEqual(self.worker.process.wait(10), 0)

    def test_warnings_and_tracebacks_are_printed_once(self):
        self.load(
            """
            import warnings
            def predict(item: dict):
                warnings.simplefilter("always")
                warnings.warn("deprecated")
                if item.get("fails"):
                    raise ValueError("bad row") from KeyError("cause")
                return 1
            """
        )
        for _ in range(5):
            self.worker.run(["{}"])
            with self.assertRaises(CallFailed):
                self.worker.run(['{"fails": true}'])
        text = self.worker.close()
        self.assertEqual(text.count("UserWarning: deprecated"), 1)
        self.assertEqual(text.count("ValueError: bad row"), 1)
        self.assertIn("KeyError: 'cause'", text)
        self.assertNotIn("penstock_worker", text)


if __name__ == "__main__":
    unittest.main()
