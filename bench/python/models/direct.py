"""Calls the function as a script would, without a server: prints the median time of 1 and of 32 rows in milliseconds, as JSON."""

import json
import sys
import time

import numpy as np

folder, seconds = sys.argv[1], float(sys.argv[2])
sys.path.insert(0, folder)
import model as function  # noqa: E402

model = function.load(folder)
with open(sys.argv[3]) as file:
    rows = json.load(file)
medians = {}
for count in (1, 32):
    times = []
    end = time.perf_counter() + seconds
    i = 0
    while time.perf_counter() < end or len(times) < 20:
        chosen = [rows[(i + k) % len(rows)] for k in range(count)]
        i += count
        x = np.asarray(chosen)
        started = time.perf_counter()
        function.predict(model, x)
        times.append(time.perf_counter() - started)
    medians[count] = float(np.median(times[len(times) // 5 :])) * 1e3
print(json.dumps(medians))
