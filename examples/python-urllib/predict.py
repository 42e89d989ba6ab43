"""Sends the held-out digits to an endpoint with nothing but Python's standard library, and counts what is right.

Needs an endpoint `digits`: penstock deploy catalogue:digits-mlp digits --approve --objective 'p95<=50ms'
PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
"""

import csv
import json
import os
import pathlib
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

URL = os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("PENSTOCK_KEY")
ROWS = pathlib.Path(__file__).resolve().parents[2] / "assets/catalogue/digits_test.csv"


class Refused(Exception):
    """What the server says: a code for programs, a sentence for people."""

    def __init__(self, status, answer):
        super().__init__(f"{status} {answer['code']}: {answer['error']}")
        self.code = answer["code"]


def call(path, body=None):
    headers = {"Content-Type": "application/json"}
    if KEY:
        headers["Authorization"] = f"Bearer {KEY}"
    data = None if body is None else json.dumps(body).encode()
    for attempt in range(5):
        try:
            request = urllib.request.Request(URL + path, data, headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            # 429 and 503 say when to come back. Everything else will not get better by asking again.
            wait = error.headers.get("Retry-After")
            if wait is None or attempt == 4:
                raise Refused(error.code, json.load(error)) from None
            time.sleep(float(wait))


def tensor(rows):
    return {"name": "pixels", "datatype": "FP32", "shape": [len(rows), len(rows[0])], "data": rows}


def predict(rows):
    """The digit of each row, by the Open Inference Protocol."""
    answer = call("/v2/models/digits/infer", {"inputs": [tensor(rows)], "outputs": [{"name": "label"}]})
    return answer["outputs"][0]["data"]


def main():
    model = call("/v2/models/digits")
    for kind in ("inputs", "outputs"):
        for spec in model[kind]:
            print(f"{kind[:-1]:6} {spec['name']} {spec['datatype']} {spec['shape']}")

    with ROWS.open(newline="") as file:
        lines = list(csv.DictReader(file))
    truth = [int(line.pop("label")) for line in lines]
    rows = [[float(value) for value in line.values()] for line in lines]

    print("the first ten:", predict(rows[:10]))

    # One row a request, sixteen at a time: the server puts those that wait together into batches.
    with ThreadPoolExecutor(16) as pool:
        found = [label for labels in pool.map(lambda row: predict([row]), rows) for label in labels]
    right = sum(label == true for label, true in zip(found, truth))
    print(f"{right} of {len(rows)} are right: accuracy {right / len(rows):.3f}")

    try:
        predict([[1.0, 2.0, 3.0]])
    except Refused as refusal:
        print("three pixels:", refusal)


if __name__ == "__main__":
    main()
