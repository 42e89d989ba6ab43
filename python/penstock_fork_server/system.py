"""System calls that Python does not offer, by ctypes. Each raises `OSError` with the name of the call."""
import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_KEYCTL_JOIN_SESSION_KEYRING = 1
# The numbers of the two calls that the C library does not wrap.
_NUMBERS = {"x86_64": (126, 250), "aarch64": (91, 219), "riscv64": (91, 219)}


def _checked(result, call):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (call, os.strerror(number)))


def unshare(flags):
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source, target, kind, flags, options=""):
    """`kind` is the type of the file system, or None if `flags` say that nothing new is mounted."""
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options))
    _checked(result, "mount %s" % target)


def _prctl(option, *arguments):
    padded = [ctypes.c_ulong(number) for number in (*arguments, 0, 0, 0, 0)[:4]]
    return _libc.prctl(ctypes.c_int(option), *padded)


def die_with_parent():
    """If the parent is killed, this process is, too."""
    _checked(_prctl(_PR_SET_PDEATHSIG, 9), "prctl PR_SET_PDEATHSIG")


def drop_rights():
    """Removes all capabilities for good: also a program with set-user-id gains none."""
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl PR_SET_NO_NEW_PRIVS")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)  # kernels before 4.3 have none
    for capability in range(64):
        if _prctl(_PR_CAPBSET_DROP, capability) != 0:
            break  # the kernel knows no further one
    capset, _ = _NUMBERS[platform.machine()]
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.syscall(ctypes.c_long(capset), header, nothing), "capset")


def leave_keyring():
    """A new session keyring: the inherited one is shared with the fork server and the other workers."""
    _, keyctl = _NUMBERS[platform.machine()]
    _libc.syscall(ctypes.c_long(keyctl), ctypes.c_long(_KEYCTL_JOIN_SESSION_KEYRING), None)  # fails without keyrings


def check_machine():
    """Raises `OSError` on a processor whose call numbers are not known."""
    if platform.machine() not in _NUMBERS:
        raise OSError("the numbers of system calls on %s are not known" % platform.machine())
