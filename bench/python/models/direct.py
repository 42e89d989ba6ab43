"""Calls the function as a script would, without a server. For each line `ROWS SECONDS PAUSE_MS` of its input it calls it that long, each
time after the pause, and prints the median time of a call in milliseconds."""

import json
import sys
import time

import numpy as np

folder = sys.argv[1]
sys.path.insert(0, folder)
import model as function  # noqa: E402

model = function.load(folder)
with open(sys.argv[2]) as file:
    rows = json.load(file)


def median_ms(count, seconds, pause_ms):
    times = []
    end = time.perf_counter() + seconds
    i = 0
    while time.perf_counter() < end or len(times) < 20:
        chosen = [rows[(i + k) % len(rows)] for k in range(count)]
        i += count
        x = np.asarray(chosen)
        if pause_ms:
            time.sleep(pause_ms / 1e3)
        started = time.perf_counter()
        function.predict(model, x)
        times.append(time.perf_counter() - started)
    return float(np.median(times[len(times) // 5 :])) * 1e3


for line in sys.stdin:
    count, seconds, pause_ms = line.split()
    print(median_ms(int(count), float(seconds), float(pause_ms)), flush=True)
