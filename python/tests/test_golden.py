"""Frames that the server's own code wrote, in the folder PENSTOCK_GOLDEN: read, and written again as the same bytes."""

import base64
import json
import os
import unittest

from penstock_worker import frames
from penstock_worker.errors import MalformedFrame, PlatformError
from penstock_worker.frames import Frame
from penstock_worker.shared_memory import SharedMemory
from penstock_worker.tensors import TIMINGS, Spec, array_bytes, ran_frame, raw_tensors, read_inputs, run_frame, write_strings

FOLDER = os.environ.get("PENSTOCK_GOLDEN")


def frame_of(golden):
    return Frame(memoryview(bytearray(base64.b64decode(golden["frame"]))))


def written(parts):
    return b"".join(bytes(part) for part in parts)


@unittest.skipUnless(FOLDER, "PENSTOCK_GOLDEN names no folder; test/python/worker.test.ts sets it")
class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(FOLDER, "golden.json")) as file:
            cls.golden = json.load(file)

    def expect_tensors(self, golden, frame):
        found = [(index, datatype, list(shape), bytes(data)) for index, datatype, shape, data in raw_tensors(frame)]
        due = [(t["index"], t["datatype"], t["shape"], base64.b64decode(t["data"])) for t in golden["tensors"]]
        self.assertEqual(found, due)
        return due

    def test_runs_are_read_and_written_as_the_same_bytes(self):
        self.assertGreater(len(self.golden["runs"]), 70)
        for golden in self.golden["runs"]:
            with self.subTest(golden["what"]):
                frame = frame_of(golden)
                self.assertEqual((frame.kind, frame.call, frame.plan), (frames.RUN, golden["call"], golden["plan"]))
                due = self.expect_tensors(golden, frame)
                self.assertEqual(written(run_frame(frame.call, due, frame.plan)), bytes(frame.data))

    def test_values_survive_as_writable_aligned_arrays(self):
        for golden in self.golden["runs"]:
            with self.subTest(golden["what"]):
                frame = frame_of(golden)
                due = [(t["index"], t["datatype"], t["shape"]) for t in golden["tensors"]]
                specs = [Spec("x", datatype, shape) for _, datatype, shape in due]
                values = read_inputs(frame, specs)
                again = []
                for (index, datatype, shape), value in zip(due, values):
                    if datatype == "BYTES":
                        elements = value if isinstance(value, list) else value.reshape(-1).tolist()
                        again.append((index, datatype, shape, write_strings("x", elements)))
                        continue
                    self.assertEqual(list(value.shape), shape)
                    self.assertTrue(value.flags.writeable and value.flags.aligned)
                    again.append((index, datatype, shape, array_bytes(value)))
                self.assertEqual(written(run_frame(frame.call, again, frame.plan)), bytes(frame.data))

    def test_the_result_of_a_run_is_written_as_the_server_reads_it(self):
        golden = self.golden["ran"]
        frame = frame_of(golden)
        due = self.expect_tensors(golden, frame)
        self.assertEqual(list(TIMINGS.unpack_from(frame.data, frame.body)), golden["timings"])
        self.assertEqual(written(ran_frame(9, due, golden["timings"])), bytes(frame.data))

    def test_messages_and_payloads_are_the_same_bytes(self):
        golden = self.golden["message"]
        frame = frame_of(golden)
        self.assertEqual(frame.message, golden["message"])
        self.assertEqual(frames.message_frame(3, frames.CALL, golden["message"]), bytes(frame.data))
        for golden in self.golden["payloads"]:
            frame, body = frame_of(golden), base64.b64decode(golden["body"])
            self.assertEqual(bytes(frames.frame_body(frame, frame.message)), body)
            message = {"headers": {"accept": "*/*"}}
            self.assertEqual(written(frames.payload_frame(5, frames.INVOKE, message, body)), bytes(frame.data))

    def test_a_model_that_keeps_its_input_does_not_see_it_change(self):
        descriptor = os.open(os.path.join(FOLDER, "shared-memory"), os.O_RDWR)
        try:
            memory = SharedMemory(descriptor)
            kept = []
            for golden in self.golden["shared"] * 2:
                frame = memory.resolve(frame_of(golden))
                self.expect_tensors(golden, frame)
                kept.append((golden, read_inputs(frame, [Spec("x", "FP32", [-1, 4])])[0]))
                frame = None
            for slot in range(2):
                os.pwrite(descriptor, b"\xff" * 1000, slot * 16 * 1024 * 1024 + 64)
            memory.resolve(frame_of(self.golden["shared"][0]))
            for golden, array in kept:
                self.assertEqual(array.tobytes(), base64.b64decode(golden["tensors"][0]["data"]))
            self.assertEqual(len({array.ctypes.data for _, array in kept}), 4, "each kept input has memory of its own")
        finally:
            os.close(descriptor)

    def test_a_slot_is_used_again_when_nothing_refers_to_it(self):
        descriptor = os.open(os.path.join(FOLDER, "shared-memory"), os.O_RDONLY)
        try:
            memory = SharedMemory(descriptor)
            places = set()
            for _ in range(3):
                frame = memory.resolve(frame_of(self.golden["shared"][0]))
                places.add(read_inputs(frame, [Spec("x", "FP32", [-1, 4])])[0].ctypes.data)
                frame = None
            self.assertEqual(len(places), 1)
        finally:
            os.close(descriptor)

    def test_a_truncated_frame_is_malformed_and_a_wrong_size_is_the_callers_fault(self):
        whole = base64.b64decode(self.golden["runs"][10]["frame"])
        for end in range(16, len(whole), 8):
            cut = bytearray(whole[:end])
            cut[:4] = end.to_bytes(4, "little")
            with self.assertRaises(MalformedFrame):
                raw_tensors(Frame(memoryview(cut)))
        longer = run_frame(1, [(0, "FP32", [3], b"12345678")])
        with self.assertRaises(PlatformError) as caught:
            read_inputs(Frame(memoryview(bytearray(longer[0]))), [Spec("x", "FP32", [-1])])
        self.assertEqual(caught.exception.code, "invalid_request")


if __name__ == "__main__":
    unittest.main()
