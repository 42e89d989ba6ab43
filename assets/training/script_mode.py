"""Script mode of SageMaker's training containers: unpacks the code of a job, sets the SM_ variables, and runs the script.

Reads `input/config` below SAGEMAKER_BASE_DIR (default /opt/ml). Needs Python 3.8 and the standard library. If the script fails,
`output/failure` says why, unless the script wrote that file itself. The contract is that of github.com/aws/sagemaker-training-toolkit.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import tarfile
import threading

ENTRIES_MAX, BYTES_MAX, TAIL_BYTES, PR_SET_PDEATHSIG = 100_000, 2**30, 64 * 1024, 1


class UserError(Exception):
    """A mistake in the job, in one sentence."""


def decoded(text):
    """The value of a hyperparameter: JSON, or else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def encoded(value):
    """A value as a variable holds it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def read_json(path):
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        return json.load(file)
    return {}


def arguments_of(hyperparameters):
    """`--name value` sorted by name, `-n value` for one letter, nothing for null."""
    words = []
    for name, value in sorted(hyperparameters.items()):
        if value is not None and name != "":
            text = ",".join("%s=%s" % item for item in sorted(value.items())) if isinstance(value, dict) else str(value)
            words += [("--" if len(name) > 1 else "-") + name, text]
    return words


class Job:
    def __init__(self, base, variables):
        self.base, self.variables, self.code = base, variables, os.path.join(base, "code")
        self.failure = os.path.join(base, "output", "failure")
        config = os.path.join(base, "input", "config")
        settings = {name: decoded(value) for name, value in read_json(os.path.join(config, "hyperparameters.json")).items()}
        own = ("sagemaker_", "_tuning_objective_metric")
        self.hyperparameters = {name: value for name, value in settings.items() if not name.startswith(own)}
        setting = lambda name: str(settings.get("sagemaker_" + name) or variables.get("SAGEMAKER_" + name.upper()) or "")
        self.entry, self.submitted = setting("program"), setting("submit_directory")
        self.name = setting("job_name") or variables.get("TRAINING_JOB_NAME", "")
        self.log_level = settings.get("sagemaker_container_log_level", 20)
        self.resources = read_json(os.path.join(config, "resourceconfig.json"))
        self.channels = read_json(os.path.join(config, "inputdataconfig.json"))
        self.inputs = {name: os.path.join(base, "input", "data", name) for name in sorted(self.channels)}

    def facts(self):
        """What a script can learn of its job, by the names in SageMaker's SM_TRAINING_ENV."""
        resources, at = self.resources, lambda *parts: os.path.join(self.base, *parts)
        host, groups = resources.get("current_host", "algo-1"), resources.get("instance_groups", [])
        group = resources.get("current_instance_group", "homogeneousCluster")
        named = {each.get("instance_group_name"): each for each in groups}
        folders = {"model_dir": at("model"), "input_dir": at("input"), "input_config_dir": at("input", "config")}
        folders.update(output_dir=at("output"), output_data_dir=at("output", "data"), output_intermediate_dir=at("output", "intermediate"))
        place = {"current_host": host, "hosts": resources.get("hosts", [host]), "current_instance_group": group}
        place.update(instance_groups=[*named], instance_groups_dict=named, is_hetero=len(named) > 1, distribution_instance_groups=[])
        place["current_instance_group_hosts"] = named.get(group, {}).get("hosts", [host])
        place["current_instance_type"] = resources.get("current_instance_type", "local")
        place["network_interface_name"] = resources.get("network_interface_name", "lo")
        # The job may have fewer threads than the machine.
        threads = self.variables.get("SM_NUM_CPUS", "")
        cpus = int(threads) if re.fullmatch(r"[0-9]{1,9}", threads) else os.cpu_count()
        machine = {"num_cpus": cpus, "num_gpus": 0, "num_neurons": 0, "log_level": self.log_level}
        module = {"module_name": re.sub(r"\.(py|sh)$", "", self.entry), "module_dir": self.submitted or self.code}
        module.update(user_entry_point=self.entry, framework_module=self.variables.get("SAGEMAKER_TRAINING_MODULE", ""))
        return {**folders, **place, **machine, **module, "input_data_config": self.channels, "resource_config": resources}

    def environment(self):
        facts, own = self.facts(), self.hyperparameters
        whole = {**facts, "additional_framework_parameters": {}, "channel_input_dirs": self.inputs, "hyperparameters": own}
        whole.update(is_master=True, job_name=self.name, master_hostname=facts["current_host"])
        added = {**facts, **{"channel_" + name: folder for name, folder in self.inputs.items()}}
        added.update({"hp_" + name: value for name, value in own.items()})
        added.update(channels=sorted(self.inputs), hps=own, framework_params={}, user_args=arguments_of(own), training_env=whole)
        texts = {"SM_" + name.upper(): encoded(value) for name, value in added.items()}
        usable = {name: text for name, text in texts.items() if "=" not in name and "\0" not in name + text}
        return {**self.variables, **usable, "PYTHONPATH": os.pathsep.join(filter(None, [self.code, self.variables.get("PYTHONPATH")]))}


def unpack(archive, folder):
    """Unpacks files, folders and links that stay inside. Every path is resolved again before it is written to."""
    entries, total, root = 0, 0, os.path.realpath(folder)
    is_inside = lambda path: (os.path.realpath(path) + os.sep).startswith(root + os.sep)
    with tarfile.open(archive) as tar:
        for entry in tar:
            entries, total = entries + 1, total + entry.size
            if entries > ENTRIES_MAX or total > BYTES_MAX:
                raise UserError("the source archive unpacks to more than %d entries or %d MiB" % (ENTRIES_MAX, BYTES_MAX >> 20))
            path, is_link = os.path.join(folder, entry.name), entry.issym() or entry.islnk()
            link = os.path.join(os.path.dirname(path) if entry.issym() else folder, entry.linkname)
            is_kind = is_link or entry.isfile() or entry.isdir()
            if not is_kind or not is_inside(path) or (is_link and not is_inside(link)):
                raise UserError("the source archive has the entry %r: expected files and folders inside the archive" % entry.name[:200])
            entry.mode |= 0o700 if entry.isdir() else 0o600
            entry.uid, entry.gid, entry.uname, entry.gname = os.getuid(), os.getgid(), "", ""
            # What the filters of newer Pythons check is checked above, in every Python.
            tar.extract(entry, folder, **({"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}))


def place_code(job):
    """Puts the submitted code into `code`. The server has fetched what lies in S3."""
    os.makedirs(job.code, exist_ok=True)
    is_local = job.submitted != "" and not job.submitted.startswith("s3://")
    source = job.submitted if is_local else os.path.join(job.code, "sourcedir.tar.gz")
    if os.path.isdir(source) and os.path.realpath(source) != os.path.realpath(job.code):
        shutil.copytree(source, job.code, symlinks=True, dirs_exist_ok=True)
    elif os.path.isfile(source):
        unpack(source, job.code)
    elif is_local and not os.path.isdir(source):
        raise UserError("sagemaker_submit_directory %r does not exist: expected s3://, a folder or a tar.gz of the job" % source[:200])
    path = os.path.join(job.code, job.entry)
    is_folder = os.path.isdir(path) and not os.path.isfile(os.path.join(path, "__main__.py"))
    is_missing = job.entry.endswith((".py", ".sh")) and not os.path.isfile(path)
    if os.path.isabs(job.entry) or is_missing or is_folder:
        names = ", ".join(sorted(os.listdir(job.code))[:10]) or "nothing"
        raise UserError("the entry point %r is not a file of the source, which has %s" % (job.entry[:200], names))


def installed_python(job):
    """The interpreter: that of the environment, or a layer on top of it with the packages that the source asks for."""
    has = lambda name: os.path.isfile(os.path.join(job.code, name))
    wanted = [("requirements.txt", ("--requirement", "requirements.txt"))] if has("requirements.txt") else []
    wanted += [("the package of the source", (".",))] if has("setup.py") or has("pyproject.toml") else []
    if wanted == []:
        return sys.executable
    if job.variables.get("PENSTOCK_REQUIREMENTS") == "refuse":
        raise UserError("%s could not be installed: this server does not install packages for jobs" % wanted[0][0])
    layer = os.path.join(job.variables.get("HOME") or os.path.join(job.base, "scratch"), "layer")
    python = os.path.join(layer, "bin", "python")
    # The layer sees the pip of the environment. Its own would take seconds of the processor.
    without_pip = ("--without-pip",) if importlib.util.find_spec("pip") is not None else ()
    run_step(job, wanted[0][0], (sys.executable, "-m", "venv", "--clear", "--system-site-packages", *without_pip, layer))
    # A virtual environment on top of another sees only the packages of the interpreter below both.
    packages = os.path.join(layer, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    with open(os.path.join(packages, "below.pth"), "w", encoding="utf-8") as file:
        file.write("".join("import site; site.addsitedir(%r)\n" % folder for folder in site.getsitepackages()))
    for what, words in wanted:
        run_step(job, what, (python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet", *words))
    return python


def run_step(job, what, command):
    done = subprocess.run(command, cwd=job.code, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = done.stdout.decode("utf-8", "replace")
    print(output, end="", flush=True)
    if done.returncode != 0:
        lines = output.strip().splitlines() or ["no reason given"]
        raise UserError("%s could not be installed: %s" % (what, next((line for line in reversed(lines) if "ERROR" in line), lines[-1])))


def command_of(job, python):
    words = arguments_of(job.hyperparameters)
    if job.entry.endswith(".sh"):
        os.chmod(os.path.join(job.code, job.entry), 0o700)
        return ["/bin/sh", "-c", " ".join(map(shlex.quote, ["./" + job.entry, *words]))]
    return [python, *([job.entry] if job.entry.endswith(".py") else ["-m", job.entry]), *words]


def run_script(command, folder, environment):
    """Runs the script to its end, and ends what it leaves behind. Returns its exit code, the end of stderr, whether it was to stop."""
    prctl = ctypes.CDLL(None).prctl
    # A group of its own, which is signalled once, and which ends if this process is killed.
    begin = lambda: (os.setpgid(0, 0), prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    options = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "preexec_fn": begin}
    child = subprocess.Popen(command, cwd=folder, env=environment, **options)
    tail, stopped = bytearray(), []

    def copy():
        for piece in iter(lambda: os.read(child.stderr.fileno(), 65536), b""):
            tail.extend(piece)
            del tail[:-TAIL_BYTES]
            while piece:
                piece = piece[os.write(2, piece) :]

    def stop(*_):
        # It may arrive twice: from the group and from the process above.
        if not stopped:
            stopped.append(True)
            os.killpg(child.pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    copier = threading.Thread(target=copy, daemon=True)
    copier.start()
    code = child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    copier.join(5)  # seconds: a process that left the group may hold the pipe open
    return code if code >= 0 else 128 - code, tail.decode("utf-8", "replace"), bool(stopped)


def error_line(text):
    """The exception of the last traceback, or else the last line."""
    lines = text.strip().splitlines() or [""]
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    after = lines[starts[-1] + 1 :] if starts else []
    return next((line for line in after if re.match(r"[A-Za-z_][\w.]*(: |$)", line)), lines[-1])


def write_failure(job, text):
    """Writes the reason of the job, unless the script gave one."""
    os.makedirs(os.path.dirname(job.failure), exist_ok=True)
    with contextlib.suppress(FileExistsError), open(job.failure, "x", encoding="utf-8") as file:
        file.write(text)


def main():
    job = Job(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), dict(os.environ))
    try:
        if job.entry == "":
            raise UserError("there is no entry point: expected the hyperparameter sagemaker_program")
        place_code(job)
        command = command_of(job, installed_python(job))
    except (UserError, OSError, tarfile.TarError, EOFError) as error:
        print(error, file=sys.stderr, flush=True)
        write_failure(job, "ClientError: %s" % error)
        return 1
    status, errors, was_stopped = run_script(command, job.code, job.environment())
    if status != 0 and not was_stopped:
        reason = 'ExecuteUserScriptError:\nExitCode %d\nErrorMessage "%s"\nCommand "%s"'
        write_failure(job, reason % (status, error_line(errors), " ".join(command)))
    return status


if __name__ == "__main__":
    sys.exit(main())
