"""The warden: the small process between the host and one plugin. It sees to it that nothing is left behind.

A host that is killed cannot clean up after itself, and a plugin may leave children that no longer belong to
its process group. So the host starts this program, and this program starts the plugin. It takes in every
process that the plugin leaves (on Linux, as a "subreaper"), kills all of them when the plugin ends, when the
host says so or when the host is gone, and removes the plugin's socket. If the warden itself dies, the kernel
kills the plugin.

It runs by itself (`python -I -S warden_main.py <descriptor> <pid of the host>`), has one thread, and imports
only what it needs from the standard library, to be small and quick to start. The descriptor is a stream
socket:

    host -> warden: messages, each after its length (4 bytes, big endian)
        first   what to start (`encode_order`)
        T       send SIGTERM to the plugin's process group; to it alone if it is in the host's
        S path  remove this socket in the end
        the end of the stream: kill everything, whether the host closed it or died
    warden -> host: lines of text
        started <pid> | failed <errno> <step> | exited <status> <signal>
        the end of the stream: nothing is left of the plugin
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import stat
import sys

TYPE_CHECKING = False  # importing `typing` would cost a third of the time to start
if TYPE_CHECKING:
    from collections.abc import Callable

TERMINATE = b"T"
SOCKET = b"S"
LENGTH_BYTES = 4
SOCKET_GROUP = b"PLUGIN_UNIX_SOCKET_GROUP"

# Source: prctl(2) and linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# The warden goes when its plugin or its host goes. A signal to everybody, such as a service manager's or a
# terminal's, is the host's to answer: it stops its plugins in good order.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# What a plugin must not inherit: ignored signals stay ignored over exec, and Python ignores two more.
_RESET = (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ)


def encode_message(body: bytes) -> bytes:
    """A message from the host to the warden."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def encode_order(
    executable: bytes,
    environment: dict[bytes, bytes],
    *,
    folder: bytes = b"",
    interpreter: bytes = b"",
    group: int = 0,
    descriptor: int = -1,
) -> bytes:
    """The first message: what to start, with which environment.

    interpreter: the program that reads the executable; empty when the system runs that itself.
    folder: made for the plugin's sockets (mode 0700) before it starts, removed in the end; empty for none.
    group: the process group that the plugin joins; 0 for one of its own.
    descriptor: the executable, open already and passed to the warden: executed instead of what has its name
    by then; -1 for none.
    """
    variables = [name + b"=" + value for name, value in environment.items()]
    parts = [executable, interpreter, folder, str(group).encode(), str(descriptor).encode(), *variables]
    if any(b"\0" in part for part in parts):
        raise ValueError("a program's path and its environment cannot hold a NUL character")
    return b"\0".join(parts)


def remove_socket(path: str | bytes) -> bool:
    """Remove a dead plugin's socket. False when there is none, it is not ours, or somebody listens there."""
    import socket

    try:
        found = os.lstat(path)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                return False
        os.unlink(path)
    except OSError:
        return False
    return True


class Warden:
    """Watches over one plugin, from its start until nothing of it is left."""

    def __init__(self, host: int, host_pid: int) -> None:
        self._host = host
        self._host_pid = host_pid
        self._received = b""
        self._ordered = False
        self._plugin = 0  # its pid as long as nobody else can have it: until it is waited for
        self._exec_result = -1  # a pipe: holds an errno when exec failed, just ends when it worked
        self._folder = b""
        self._socket = b""
        self._poll = select.poll()
        self._poll.register(host, select.POLLIN)
        self._wake, wakeup = os.pipe()
        self._poll.register(self._wake, select.POLLIN)
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def watch(self) -> None:
        """Return when the plugin or the host has ended, and nothing is left of the plugin."""
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        host = _open_pidfd(self._host_pid)
        if host >= 0:
            self._poll.register(host, select.POLLIN)
        # A host that had died before would have handed us to another parent; now its end can be seen.
        if os.getppid() == self._host_pid:
            while self._is_needed(host):
                pass
        self._kill_everything()
        if self._socket:
            remove_socket(self._socket)
        if self._folder:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    def _is_needed(self, host: int) -> bool:
        """Wait for the next thing that happens; False when it is time to clean up."""
        ready = {descriptor for descriptor, _ in self._poll.poll()}
        if self._exec_result in ready and not self._has_started():
            return False
        if host in ready or (self._host in ready and not self._obey()):
            return False
        if self._wake in ready:
            os.read(self._wake, 4096)
        return not self._has_exited()

    def _obey(self) -> bool:
        """Do what the host says; False when it wants the end, or has ended itself."""
        try:
            data = os.read(self._host, 65536)
        except OSError:
            return False
        self._received += data
        while len(self._received) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(self._received[:LENGTH_BYTES], "big")
            if len(self._received) < end:
                break
            body, self._received = self._received[LENGTH_BYTES:end], self._received[end:]
            if not self._ordered:
                self._ordered = True
                if not self._start(body):
                    return False
            elif body == TERMINATE:
                self._signal_group(signal.SIGTERM)
            elif body.startswith(SOCKET):
                self._socket = body[len(SOCKET) :]
        return data != b""

    def _start(self, order: bytes) -> bool:
        executable, interpreter, folder, group, descriptor, *variables = order.split(b"\0")
        # A name may be empty where a shell left something odd behind; exec would refuse all for its sake.
        environment = dict(variable.split(b"=", 1) for variable in variables if not variable.startswith(b"="))
        try:
            step = "mkdir"
            if folder:
                os.mkdir(folder, 0o700)
                self._folder = folder
                _share(folder, environment.get(SOCKET_GROUP, b""))
            step = "fork"
            self._exec_result, result = os.pipe()
            self._poll.register(self._exec_result, select.POLLIN)
            warden = os.getpid()
            # No signal may reach the fork before it is the plugin: it would be taken for the warden's.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            self._plugin = os.fork()
        except OSError as error:
            self._tell(f"failed {error.errno} {step}")
            return False
        if self._plugin == 0:
            command = [interpreter, executable] if interpreter else [executable]
            _become(command, environment, warden, result, int(group), int(descriptor))
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.close(result)
        # The plugin's output ends when the plugin's own processes end: nobody else may hold these.
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        return True

    def _has_started(self) -> bool:
        """Read how exec ended; False when it failed."""
        error = os.read(self._exec_result, 32)
        self._poll.unregister(self._exec_result)
        os.close(self._exec_result)
        self._exec_result = -1
        if error:
            self._tell(f"failed {error.decode()} exec")
            os.waitpid(self._plugin, 0)
            self._plugin = 0
            return False
        self._tell(f"started {self._plugin}")
        return True

    def _has_exited(self) -> bool:
        """Has the plugin itself ended? Waits for those it left behind that have ended since."""
        while True:
            try:
                # The plugin stays unwaited for: until then, nobody else can get its pid or its group.
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if found is None:
                return False
            if found.si_pid == self._plugin:
                return self._exec_result < 0  # else `_has_started` will tell why it ended
            os.waitpid(found.si_pid, 0)

    def _kill_everything(self) -> None:
        """Kill the plugin, its group and its descendants until none is left."""
        while True:
            self._signal_group(signal.SIGKILL)
            for pid in _descendants(os.getpid()):
                _send(os.kill, pid, signal.SIGKILL)
            try:
                # Deaths may hand us children that nobody knew before; so we look again after them.
                pid, status = os.waitpid(-1, 0)
                while pid:
                    if pid == self._plugin:
                        self._plugin = 0
                        code = os.waitstatus_to_exitcode(status)
                        self._tell(f"exited {max(code, 0)} {max(-code, 0)}")
                    pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return

    def _signal_group(self, number: int) -> None:
        if self._plugin and not _send(os.killpg, self._plugin, number):
            _send(os.kill, self._plugin, number)  # it has left its group, not made it yet, or is in another

    def _tell(self, line: str) -> None:
        try:
            os.write(self._host, line.encode() + b"\n")
        except OSError:
            return  # the host is gone; there is nobody to tell


def _share(folder: bytes, group: bytes) -> None:
    """Let a group, by name or number, into the folder, as the sockets in it will."""
    if not group:
        return
    if not group.isdigit():
        import grp

        try:
            group = str(grp.getgrnam(os.fsdecode(group)).gr_gid).encode()
        except KeyError:
            raise OSError(errno.EINVAL, "no such group") from None
    os.chown(folder, -1, int(group))
    os.chmod(folder, 0o770)


def _become(
    command: list[bytes],
    environment: dict[bytes, bytes],
    warden: int,
    result: int,
    group: int,
    descriptor: int,
) -> None:
    """Turn this fork of the warden into the plugin; it never returns."""
    try:
        os.setpgid(0, group)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:
            os._exit(127)  # the warden died before the kernel knew what to do about it
        signal.set_wakeup_fd(-1)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if descriptor < 0:
            os.execve(command[0], command, environment)
        os.set_inheritable(descriptor, False)
        os.execve(descriptor, command, environment)
    except OSError as error:
        os.write(result, str(error.errno).encode())
    finally:
        os._exit(127)


def _send(kill: Callable[[int, int], None], target: int, number: int) -> bool:
    """Send a signal; False when there is nobody to get it, or it is another user's."""
    try:
        kill(target, number)
    except OSError:
        return False
    return True


def _descendants(ancestor: int) -> list[int]:
    """Every process below `ancestor`, as /proc tells; none where the system has no /proc."""
    children: dict[int, list[int]] = {}
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # The name is in parentheses and may hold any character; after it: state, parent.
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(pid)
    found = children.get(ancestor, [])
    for pid in found:  # grows while it is read
        found.extend(children.get(pid, []))
    return found


def _prctl(option: int, value: int) -> None:
    """A wish to Linux; other systems have no such thing and go without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _open_pidfd(pid: int) -> int:
    """A descriptor that becomes readable when the process ends, -1 where there is none to have."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1


if __name__ == "__main__":
    os.set_inheritable(int(sys.argv[1]), False)
    Warden(int(sys.argv[1]), int(sys.argv[2])).watch()
