"""Entry point: `INTERPRETER -I -S -u -X faulthandler FOLDER/penstock_fork_server SOCKET ID`. `-S`: the packages of the environment may
run code when Python starts, and the keeper runs none of theirs."""
import os
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("penstock_fork_server needs Python 3.9 or later, got %s\n" % sys.version.split()[0])
    sys.exit(2)

_folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _folder]
sys.path.insert(0, os.path.dirname(_folder))
from penstock_fork_server.keeper import main  # noqa: E402

del sys.path[0]

if __name__ == "__main__":
    main(sys.argv[1:])
