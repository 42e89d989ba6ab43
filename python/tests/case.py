"""A test case whose tests share one worker, and open their own `model.py` in it."""

import base64
import json
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

from tests.link import CallFailed, Worker


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
