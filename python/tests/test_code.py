"""A user's `model.py`, through the worker: each form."""

import json
import socket
import tempfile
import unittest
from pathlib import Path

from penstock_worker import frames
from tests.case import Code, sample
from tests.link import CallFailed, Worker

try:
    import numpy as np
except ImportError:
    np = None


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


if __name__ == "__main__":
    unittest.main()
