"""paramiko's transport with what it lacks: quick ways, prompt closing, the server's offer."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

import paramiko

from pytest_sysaudit.transport.shell.pipe import Hearer, Pipe
from pytest_sysaudit.transport.ssh.inside import Ends, Packets, Wakeful, log_in_at_once, missing
from pytest_sysaudit.transport.ssh.pipe import ChannelPipe, StockPipe

log = logging.getLogger("pytest_sysaudit.ssh")

#: paramiko's own chatter; it says ERROR and shows tracebacks for what we report in one line.
WIRE_LOG = "pytest_sysaudit.ssh.wire"
#: Servers that are known to read what comes before they have answered.
_PATIENT = ("OpenSSH", "dropbear")


class Tunnel:
    """A channel of a jump host, to be used as a socket; closing it never fails."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def close(self) -> None:
        """Close the channel, if the jump host is still there."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()


class Wire(Wakeful):
    """One ssh connection, not yet logged in.

    Attributes:
        guess: whether its first channel may be used before the server has opened it.
        guessed_wrong: whether that was done, and the server did not go along.
        channel_timeout: seconds for opening a channel.
    """

    def __init__(self, sock: Any, *, guess: bool = True) -> None:
        logger = logging.getLogger(WIRE_LOG)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL + 1)
        self.guess = guess
        self._guessed: ChannelPipe | None = None
        self._asked_for_login = False
        self._ends: Ends | None = None
        super().__init__(sock)
        self.set_log_channel(WIRE_LOG)
        options = self.get_security_options()
        gcm = [name for name in options.ciphers if "gcm" in name]
        options.ciphers = [*gcm, *(name for name in options.ciphers if name not in gcm)]
        lacks = missing(self)
        if lacks:
            log.debug("paramiko %s has no %s: stock ways", paramiko.__version__, ", ".join(lacks))
        else:
            self._ends = Ends(self)

    @property
    def heard(self) -> list[str]:
        """The lines that the server sent before and as its banner."""
        return self.packetizer.heard if isinstance(self.packetizer, Packets) else []

    @property
    def guessed_wrong(self) -> bool:
        """Whether the guess about the first channel failed, and maybe broke the connection."""
        pipe = self._guessed
        return pipe is not None and (pipe.guess_failed or not pipe.confirmed)

    def run(self) -> None:
        """Do what paramiko does, and tell all ends of channels when it is over."""
        try:
            super().run()
        finally:
            if self._ends is not None:
                self._ends.all_gone()

    def log_in(self, user: str, key: paramiko.PKey) -> list[str]:
        """Try *key*; return the methods that are wanted besides. As ``auth_publickey``."""
        first, self._asked_for_login = not self._asked_for_login, True
        if first and self._ends is not None and self._knows_banner(*_PATIENT):
            return log_in_at_once(self, user, key)
        return list(self.auth_publickey(user, key))

    def _knows_banner(self, *names: str) -> bool:
        return any(name in self.remote_version for name in names)

    def execute(self, line: str, hearer: Hearer) -> Pipe:
        """Start a command line on a channel of its own; a `Starter`."""
        if not self.is_active():
            raise OSError("the connection is gone")
        if self._ends is None:
            return StockPipe(self, line, hearer, self.channel_timeout)
        openssh = self._knows_banner("OpenSSH")
        guess, self.guess = self.guess and openssh, False
        try:
            pipe = ChannelPipe(self._ends, line, hearer, guess=guess, gentle=not openssh)
        except (EOFError, paramiko.SSHException) as error:
            raise OSError("the connection is gone") from error
        if guess:
            self._guessed = pipe
        return pipe

    def close(self) -> None:
        """Close the connection at once: a shut down socket wakes the reading thread."""
        self.packetizer.complete_handshake()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.sock.close()
