"""Bad models, a test for each: what is returned, what opening them does, and what they do to their process. The server's part of it is in
`test/python/hostile-openings.test.ts` and `hostile-models.test.ts`."""

import json
import signal
import tempfile
import textwrap
import unittest
from pathlib import Path

from penstock_worker.errors import LinkClosed
from penstock_worker.tensors import run_frame, write_strings
from tests.case import Code, until
from tests.link import CallFailed, Worker

try:
    import numpy as np
except ImportError:
    np = None


@unittest.skipIf(np is None, "the environment has no numpy")
class Results(Code):
    """`predict` gets two rows of two FP32, and must return the same."""

    def returns(self, expression):
        self.served(
            "import numpy as np\ndef predict(x: 'float32[n,2]') -> 'float32[n,2]':\n    return %s" % expression
        )
        return self.rows

    rows = [] if np is None else np.float32([[1, 2], [3, 4]])

    def test_none(self):
        self.fails("predict\\(\\) returned None where an array of 2 rows was due", self.returns("None"))

    def test_a_list_too_short(self):
        self.fails("returned 1 row in output 'output' for 2 rows: expected a row for each", self.returns("x[:1]"))

    def test_a_ragged_list(self):
        self.fails("whose elements differ in length", self.returns("[[1.0, 2.0], [3.0]]"))

    def test_another_shape(self):
        self.fails(r"the shape \[2, 1\] in output 'output': expected \[-1, 2\]", self.returns("x[:, :1]"))

    def test_another_dtype_of_the_same_kind_is_cast(self):
        result = self.worker.run(self.returns("x.astype('f8')"))["output"]
        self.assertEqual((result.dtype, result.tolist()), (np.float32, self.rows.tolist()))

    def test_bool_as_numbers(self):
        self.assertEqual(self.worker.run(self.returns("x > 1"))["output"].tolist(), [[0, 1], [1, 1]])

    def test_another_dtype(self):
        self.fails("returned complex64 in output 'output': expected FP32", self.returns("x.astype('c8')"))

    def test_an_object_array(self):
        self.fails("an array of objects in output 'output': expected FP32", self.returns("x.astype(object)"))

    def test_nan_passes(self):
        self.assertTrue(np.isnan(self.worker.run(self.returns("x * np.nan"))["output"]).all())

    def test_an_output_too_many(self):
        self.fails("returned 2 outputs where 1 array of 2 rows were due", self.returns("(x, x)"))


class Openings(Code):
    def test_a_missing_package(self):
        reason = "No module named 'cv2': add opencv-python-headless to requirements.txt"
        message = self.refused("import cv2\ndef predict(x: 'float32[n]'): ...", reason)
        self.assertIn("import cv2", "\n".join(message["lines"]))
        self.assertNotIn("penstock_worker", "\n".join(message["lines"]))

    def test_a_syntax_error(self):
        message = self.refused("def predict(x:\n", "SyntaxError")
        self.assertIn("model.py", "\n".join(message["lines"]))

    def test_an_import_that_exits(self):
        self.refused("import sys\nsys.exit(3)", r"opening the model called sys.exit\(3\)")

    def test_a_file_without_a_function(self):
        self.refused("x = 1", "neither predict\\(\\) nor class Model")

    def test_a_function_and_a_class(self):
        self.refused("class Model:\n    pass\ndef predict(x: str): ...", "has predict\\(\\) and class Model")

    def test_a_class_without_the_method(self):
        self.refused("class Model:\n    pass", "has no predict")

    def test_a_model_without_load(self):
        self.refused("def predict(model, x: str): ...", "has no load")

    def test_neither_annotation_nor_sample(self):
        self.refused("def predict(x): ...", "says neither what it takes")

    def test_a_load_that_fails(self):
        self.refused("def load(folder):\n    raise OSError('no weights')\ndef predict(x: str): ...", "OSError: no weights")

    def test_a_first_run_that_fails(self):
        failed = "predict\\(\\) failed for 2 made-up rows: NameError.*Give a sample"
        reason = "the environment has no numpy" if np is None else failed
        self.refused("def predict(x: 'float32[n,3]'):\n    return undefined", reason)

    @unittest.skipIf(np is None, "the environment has no numpy")
    def test_a_batch_in_and_a_row_out(self):
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

    def test_a_segmentation_fault_leaves_the_stack_of_python(self):
        self.load("import ctypes\ndef predict(item: dict):\n    ctypes.string_at(0)")
        with self.assertRaises(LinkClosed):
            self.worker.run(["{}"])
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

    def serves_after(self, how, body):
        """A model that does `body` in a request answers it, and the next one."""
        source = "import os, signal, sys, threading, time\ndef predict(item: dict):\n    if item:\n%s\n    return 'served'"
        self.load(source % textwrap.indent(textwrap.dedent(body), "        "))
        answers = [self.worker.run([row])["response"] for row in ('{"how": "%s"}' % how, "{}")]
        self.assertEqual(answers, [['"served"'], ['"served"']])
        self.assertGreater(self.worker.call("status")["rssBytes"], 0)

    def test_a_thread_left_running(self):
        self.serves_after("thread", "threading.Thread(target=time.sleep, args=(1000,)).start()")
        self.worker.connection.close()
        self.assertEqual(self.worker.process.wait(10), 0, "a thread that runs on does not delay the end")

    def test_lines_of_output(self):
        self.serves_after("print", "for i in range(100_000): print('line', i)")

    def test_closing_descriptors(self):
        self.serves_after("descriptors", "os.closerange(0, 100)")

    def test_writing_to_descriptor_3(self):
        self.serves_after("write", "try: os.write(3, b'x')\nexcept OSError as error: assert error.errno == 9\nelse: raise ValueError('it is open')")

    def test_changing_the_folder(self):
        self.serves_after("chdir", "os.chdir('/')")

    def test_ignoring_signals(self):
        self.serves_after("signal", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")

    def test_losing_its_streams(self):
        self.load("import sys\ndef predict(item: dict):\n    sys.stdout = sys.stderr = None\n    raise ValueError('x')")
        for _ in range(2):
            with self.assertRaisesRegex(CallFailed, "model_failed: the model failed: ValueError"):
                self.worker.run(["{}"])

    def test_an_endless_loop_shows_where_when_the_server_signals_it(self):
        self.hangs("while True:\n                    pass")

    def test_a_loop_in_c_that_holds_the_interpreter_shows_where(self):
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
