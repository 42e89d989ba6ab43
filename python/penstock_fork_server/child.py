"""What happens between the fork and the first line of a model's code. A worker must reach neither the fork server, nor another worker of
it, nor its files or memory: the same environment serves models of different owners.

    forker -> A: new user, mount, pid, IPC and network namespaces; forks B and ends, so the keeper becomes B's parent
              B: process 1 of the worker's namespace: mounts, gives up all rights, forks C, and waits for it
              C: the worker

The rights that B needs are those of its own user namespace, and only until C exists. Everything that it covers by a mount stays covered:
unmounting needs rights, and new user namespaces, which would give them, are forbidden.
"""
import gc
import json
import os
import random
import resource
import runpy
import shutil
import signal
import socket
import sys
import traceback

from . import system

# Folders with an entry per worker, which no worker sees. Only `own` and `memory` can be written.
_INPUTS, _OWN, _MEMORY = "/penstock/inputs", "/penstock/own", "/penstock/memory"
_INPUT, _WORK, _TEMPORARY = "/penstock/in", "/opt/ml", "/tmp"
_START = _INPUT + "/start.json"
_PROCESSES_MAX = 1024
_MEMORY_DESCRIPTOR = 3
_DESCRIPTORS_MAX = 65536
# Replaced by the forker: whether each worker gets a network namespace without a network.
has_network = False


def enter_user_namespace(flags):
    """New namespaces in which this process has all rights. The user and group ids stay the same inside."""
    user, group = os.getuid(), os.getgid()
    system.unshare(system.CLONE_NEWUSER | flags)
    # The kernel requires it of a process without rights outside.
    for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (user, user)), ("gid_map", "%d %d 1" % (group, group))):
        with open("/proc/self/" + name, "w") as file:
            file.write(text)


def become_worker(worker, answer):
    """In process A. Writes the pid of B to the pipe `answer`, and a text if something fails. Never returns."""
    try:
        os.setsid()
        # In force for the new user namespace as a whole, so the processes of one worker do not count for another.
        _limit(resource.RLIMIT_NPROC, _PROCESSES_MAX)
        network = 0 if has_network else system.CLONE_NEWNET
        enter_user_namespace(system.CLONE_NEWNS | system.CLONE_NEWPID | system.CLONE_NEWIPC | network)
        pid = os.fork()
        if pid == 0:
            _become_first(worker, answer)
        os.write(answer, b"%d" % pid)
    except BaseException as error:  # noqa: B902: nothing may return into the forker
        os.write(answer, (getattr(error, "strerror", None) or repr(error)).encode("utf-8", "replace")[:1000])
    finally:
        os._exit(1)


def _become_first(worker, answer):
    """In process B."""
    try:
        memory = _see_own_files_only(worker)
        _close_others((answer, memory))
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
        system.leave_keyring()
        system.drop_rights()
        _check()
        pid = os.fork()
        if pid == 0:
            os.close(answer)
            _run(memory)
        # It has the rights of the worker, which can trace it: nothing of the fork server stays open here.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        _close_others(())
        _wait(pid)
    except BaseException as error:  # noqa: B902
        try:
            os.write(answer, (getattr(error, "strerror", None) or repr(error)).encode("utf-8", "replace")[:1000])
        except OSError:
            pass
    finally:
        os._exit(1)


def _see_own_files_only(worker):
    """Mounts the worker's folders and covers all others. Returns the descriptor of its shared memory."""
    name = os.path.basename(worker)
    memory = os.open(os.path.join(_MEMORY, name), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    for folder in ("work", "tmp"):
        os.makedirs(os.path.join(_OWN, name, folder), 0o700)
    system.mount(None, "/", None, system.MS_REC | system.MS_PRIVATE)
    system.mount(os.path.join(_INPUTS, name), _INPUT, None, system.MS_BIND)
    system.mount(None, _INPUT, None, system.MS_REMOUNT | system.MS_BIND | system.MS_RDONLY | _flags(_INPUT))
    system.mount(os.path.join(_OWN, name, "work"), _WORK, None, system.MS_BIND)
    covered = _mounts_below(_TEMPORARY)
    system.mount(os.path.join(_OWN, name, "tmp"), _TEMPORARY, None, system.MS_BIND)
    for path, descriptor, is_folder in covered:
        _make_target(path, is_folder)
        system.mount("/proc/self/fd/%d" % descriptor, path, None, system.MS_BIND | system.MS_REC)
    safe = system.MS_NOSUID | system.MS_NODEV
    system.mount("proc", "/proc", "proc", safe | system.MS_NOEXEC)
    system.mount("tmpfs", "/dev/shm", "tmpfs", safe, "mode=1777,size=256m")
    for folder in (_INPUTS, _OWN, _MEMORY):
        system.mount("tmpfs", folder, "tmpfs", safe | system.MS_RDONLY, "mode=555,size=4k")
    # The working folder would still be one from before the mounts.
    os.chdir(_WORK)
    return memory


def remove_own_files(worker):
    """In the keeper, once all processes of the worker have ended. The server itself does not touch these files while packages run that
    can replace a folder by a link."""
    own = os.path.join(_OWN, os.path.basename(worker))
    shutil.rmtree(own, ignore_errors=True)
    # What is left is in folders from which the model took its permissions.
    for base, folders, _ in os.walk(own):
        for name in folders:
            path = os.path.join(base, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(own, ignore_errors=True)


def _mounts_below(folder):
    """Files of the host that are visible there, such as an installation in /tmp: path, descriptor and whether it is a folder. The
    descriptors lead to them after the folder is covered."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4].encode().decode("unicode_escape").encode("latin-1") for line in file]
    paths = []
    for path in sorted(os.fsdecode(point) for point in points):
        if path.startswith(folder + "/") and not any(path.startswith(outer + "/") for outer in paths):
            paths.append(path)
    return [(path, os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC), os.path.isdir(path)) for path in paths]


def _make_target(path, is_folder):
    os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
    if not is_folder:
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))


def _flags(path):
    """Flags that a remount must repeat: the kernel does not let a user namespace remove those of its parent."""
    now = os.statvfs(path).f_flag
    pairs = ((os.ST_NOSUID, system.MS_NOSUID), (os.ST_NODEV, system.MS_NODEV), (os.ST_NOEXEC, system.MS_NOEXEC))
    times = ((os.ST_NOATIME, 1024), (os.ST_NODIRATIME, 2048), (os.ST_RELATIME, 1 << 21))
    return sum(flag for told, flag in (*pairs, *times) if now & told)


def _close_others(kept):
    """Closes the pipes to the keeper, and whatever a library opened: an open file is shared with the forker and the other workers."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, _DESCRIPTORS_MAX)


def _check():
    """Raises `OSError` unless the worker's rights are gone. A kernel that does something else must not go unnoticed."""
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd"):
        if int(status[name], 16) != 0:
            raise OSError(0, "the worker still has capabilities: %s %s" % (name, status[name].strip()))
    if status["NoNewPrivs"].strip() != "1" or os.getpid() != 1:
        raise OSError(0, "the worker is not in its own pid namespace, or may gain rights")
    for folder in (_INPUTS, _OWN, _MEMORY):
        if os.listdir(folder):
            raise OSError(0, "the worker sees folders of others in %s" % folder)


def _wait(pid):
    """Reaps what loses its parent, until the worker ends. Then the kernel ends every process of the namespace."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _limit(kind, most):
    _, hard = resource.getrlimit(kind)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (bound, bound))


def _run(memory):
    """In process C: becomes what a spawned worker is, and runs its program."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        with open(_START) as file:
            start = json.load(file)
        _move(memory, _MEMORY_DESCRIPTOR)
        _connect_output(start)
        os.environ.clear()
        os.environ.update(start["environment"])
        _seed()
        gc.enable()
        sys.argv[:] = [start["program"], *start["arguments"]]
        runpy.run_path(start["program"], run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        if isinstance(error.code, str):
            sys.stderr.write(error.code + "\n")
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        os._exit(code & 0xFF)


def _move(descriptor, to):
    if descriptor != to:
        os.dup2(descriptor, to)
        os.close(descriptor)
    os.set_inheritable(to, False)


def _connect_output(start):
    """Standard output and error go to the server by a connection of their own. It confirms the hello, so none of the output is part of
    it."""
    from .keeper import hello

    output = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    output.connect(start["socket"])
    output.sendall(hello(start["log"]["id"], start["log"]["token"]))
    if output.recv(1) == b"":
        raise OSError(0, "the server did not accept the output of the worker")
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()


def _seed():
    """Random generators would otherwise produce the same numbers in each worker, and the key of multiprocessing would be known to all."""
    random.seed()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed(int.from_bytes(os.urandom(4), "little"))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None:
        multiprocessing.current_process().authkey = os.urandom(32)
