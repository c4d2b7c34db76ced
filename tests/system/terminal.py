"""A program in a pseudo-terminal, and the screen that it draws."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte

from house import HANGS_S


class Terminal:
    """A program in a pseudo-terminal; what it writes is kept and drawn on a screen."""

    def __init__(self, args, env, folder, columns=80, lines=24):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.data = b""
        self.pending = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.chdir(folder)
            os.execve(args[0], args, env)
        self.code = None

    def read(self, seconds):
        """Draws up to the next return, so that nothing is missed that was on the screen for a moment
        only, however late it is read. False at the end."""
        if not self.pending:
            if not select.select([self.fd], [], [], seconds)[0]:
                return True
            try:
                self.pending = os.read(self.fd, 65536)
            except OSError:
                return False
        end = self.pending.find(b"\r") + 1 or len(self.pending)
        more, self.pending = self.pending[:end], self.pending[end:]
        self.data += more
        self.stream.feed(more)
        return bool(more)

    def until(self, condition, what, seconds=HANGS_S):
        end = time.monotonic() + seconds
        while not condition(self):
            if not self.read(0.05) or time.monotonic() > end:
                if condition(self):
                    return
                raise AssertionError(f"{what}: not seen\n" + self.text())

    def finish(self, seconds=HANGS_S):
        end = time.monotonic() + seconds
        while self.read(0.05):
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return self.code

    def resize(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def type(self, keys):
        os.write(self.fd, keys)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def raw(self):
        return self.data.decode()
