"""A process model that implements SageMaker's container contract with Python's standard library.

MODE and the body of a request select misbehaviour."""
import json, os, signal, subprocess, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

mode = os.environ.get("MODE", "")
lock, inside, most = threading.Lock(), 0, 0
meeting = threading.Barrier(4, timeout=60)
factor = float(open(os.path.join(os.environ["SM_MODEL_DIR"], "factor.txt")).read())


def meet():
    """Waits until four requests are here at the same time. Returns the most that ever were."""
    global inside, most
    with lock:
        inside += 1
        most = max(most, inside)
    meeting.wait()
    with lock:
        inside -= 1
        return most


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if mode == "hang":
            time.sleep(3600)
        self.answer(500 if mode == "sick" or os.path.exists("sick") else 200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        word, _, rest = body.partition(":")
        if word == "die":
            os._exit(3)
        if word == "sleep":
            time.sleep(float(rest))
        if word == "meet":
            return self.answer(200, str(meet()).encode())
        if word == "flood":
            for line in range(int(rest)):
                print("line", line, "x" * 100)
        if word == "sicken":
            open("sick", "w").close()
        if word == "raw":
            self.close_connection = True
            return self.wfile.write(rest.encode())
        if word == "stream":
            return self.stream(int(rest))
        if word == "break":
            return self.stream(int(rest), lambda: os._exit(3))
        if word == "stall":
            return self.stream(int(rest), lambda: time.sleep(3600))
        if word == "refuse":
            return self.answer(int(rest), b"unexpected input")
        if word == "rows":
            return self.answer(200, json.dumps([float(x) * factor for x in rest.split(",")]).encode())
        received = {"headers": {k.lower(): v for k, v in self.headers.items()}, "body": body, "pid": os.getpid(), "cwd": os.getcwd()}
        self.answer(200, json.dumps({**received, "env": dict(os.environ), "argv": sys.argv}).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "received")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, pieces, then=lambda: None):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in range(pieces):
            text = b"piece %d " % piece + b"x" * 1000
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.flush()
        then()
        self.wfile.write(b"0\r\n\r\n")


def chat():
    while True:
        print("still here", flush=True)
        time.sleep(0.001)


if mode == "chatty":
    threading.Thread(target=chat, daemon=True).start()
if mode == "exit":
    print("no weights found")
    sys.exit(3)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode in ("family", "stubborn"):  # a child in another session, which signals to the process group do not reach
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
Server = ThreadingHTTPServer if mode == "threads" else HTTPServer
Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
