"""Calls the function as a script would, without a server. Prints the median time in milliseconds, as JSON: of 1 and of 32 rows in a loop
without pauses, and of 1 row after each of the pauses (milliseconds, separated by commas) of the last argument."""

import json
import sys
import time

import numpy as np

folder, seconds = sys.argv[1], float(sys.argv[2])
pauses = [float(text) for text in sys.argv[4].split(",")] if len(sys.argv) > 4 else []
sys.path.insert(0, folder)
import model as function  # noqa: E402

model = function.load(folder)
with open(sys.argv[3]) as file:
    rows = json.load(file)


def median_ms(count, pause_ms):
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


found = {str(count): median_ms(count, 0) for count in (1, 32)}
found["paused"] = [[pause_ms, median_ms(1, pause_ms)] for pause_ms in pauses]
print(json.dumps(found))
