"""Entry point: `INTERPRETER -I -u -X faulthandler FOLDER/penstock_worker SOCKET WORKER_ID python`."""

import os
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("penstock_worker needs Python 3.9 or later, got %s\n" % sys.version.split()[0])
    sys.exit(2)

# Python puts the folder that it runs first on sys.path. There, names such as `frames` would hide modules of the model.
_folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _folder]
sys.path.insert(0, os.path.dirname(_folder))
from penstock_worker.worker import main  # noqa: E402

del sys.path[0]

if __name__ == "__main__":
    main(sys.argv[1:])
