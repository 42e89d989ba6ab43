"""A hostile process model: executes the Python code it receives and returns the value of `result`."""
import json, os, traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({})

    def do_POST(self):
        code = self.rfile.read(int(self.headers["Content-Length"])).decode()
        names = {"result": None}
        try:
            exec(code, names)
            self.answer({"result": names["result"]})
        except BaseException as error:
            self.answer({"error": type(error).__name__, "text": str(error), "trace": traceback.format_exc()})

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
