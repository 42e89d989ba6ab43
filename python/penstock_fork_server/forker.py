"""The process that has the libraries imported, and forks a worker at each command. It runs the code of the environment's packages, but
none of any model, and reads nothing that belongs to one worker."""
import gc
import importlib
import json
import os
import sys

from . import child
from .warm_up import warm_up

_IMPORT_NAMES_MAX = 5000
# Names of the modules that a spawned worker would not have yet. A model's own module of the same name comes before them.
imported_ahead = set()


def run_forker(commands, reports, request):
    """Imports, reports `prepared` or `unusable`, and forks until the pipe of commands closes."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    child.has_network = request["hasNetwork"]
    reason = _prepare(request["worker"], request["modules"][:_IMPORT_NAMES_MAX])
    _report(reports, {"event": "unusable", "reason": reason} if reason else {"event": "prepared"})
    if reason:
        return
    rest = b""
    while True:
        data = os.read(commands, 65536)
        if data == b"":
            os._exit(0)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            worker = json.loads(line)["id"]
            try:
                _report(reports, {"event": "forked", "id": worker, "pid": _fork(worker)})
            except OSError as error:
                _report(reports, {"event": "failed", "id": worker, "reason": error.strerror or str(error)})


def _report(reports, message):
    os.write(reports, json.dumps(message).encode() + b"\n")


def _prepare(worker, modules):
    """Imports the modules. Returns the reason if workers must not be forked from here, otherwise an empty text."""
    import site

    site.main()  # the virtual environment: `-S` left it out
    _import_worker(worker)
    before = set(sys.modules)
    for name in modules:
        # The model's own modules are not in the environment, and others may need what only the model brings.
        try:
            importlib.import_module(name)
        except Exception:
            pass
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "a library initialised CUDA while it was imported, and CUDA cannot be used after a fork"
    warm_up()
    imported_ahead.update(set(sys.modules) - before)
    shared = _shared_mapping()
    if shared is not None:
        return "a library shares memory with its forks (%s), through which workers could reach each other" % shared
    gc.collect()
    gc.freeze()
    return ""


def _import_worker(path):
    """The worker's own modules, which a read-only checkout compiles at each import. Those of `flavours` import a library only when they
    open a model."""
    parent, package = os.path.split(path)
    sys.path.insert(0, parent)
    for folder in ("", ".flavours"):
        for name in sorted(os.listdir(path + folder.replace(".", "/"))):
            if name.endswith(".py") and not name.startswith("__"):
                importlib.import_module("%s%s.%s" % (package, folder, name[:-3]))
    sys.path.remove(parent)


def _shared_mapping():
    """A mapping that stays shared after a fork and can be written; None if there is none."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(None, 5)
            if fields[1].startswith("rw") and fields[1].endswith("s"):
                return fields[5].strip() if len(fields) > 5 else "anonymous"
    return None


def _fork(worker):
    """Forks a worker, whose parent becomes the keeper. Returns the pid of its process 1. Raises `OSError`."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        child.become_worker(worker, write)  # never returns
    os.close(write)
    answer = b""
    while True:
        data = os.read(read, 4096)
        if data == b"":
            break
        answer += data
    os.close(read)
    os.waitpid(pid, 0)
    if not answer.isdigit():
        raise OSError(0, "the isolation of a worker failed: %s" % (answer.decode("utf-8", "replace") or "its process ended"))
    return int(answer)
