"""A small ssh server on paramiko: commands and read-only SFTP as the current user.

It is a program of its own: ``python sshd_paramiko.py FOLDER PORT``. FOLDER holds ``host_key`` and
``authorized_keys``; whoever owns one of those keys may log in.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import paramiko
from paramiko import common
from paramiko.sftp import SFTP_PERMISSION_DENIED

_CHUNK = 1 << 15
_READ_ONLY = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Handle(paramiko.SFTPHandle):
    """One open file."""

    def __init__(self, file: Any) -> None:
        super().__init__(os.O_RDONLY)
        self.readfile = file

    def stat(self) -> Any:
        """Return the file's attributes."""
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class Files(paramiko.SFTPServerInterface):
    """The file system, to be read."""

    def list_folder(self, path: Any) -> Any:
        """Return the attributes of what is in a folder."""
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name)
                for entry in os.scandir(path)
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: Any) -> Any:
        """Return the attributes of what *path* leads to."""
        return _attributes(path, follow=True)

    def lstat(self, path: Any) -> Any:
        """Return the attributes of *path* itself."""
        return _attributes(path, follow=False)

    def open(self, path: Any, flags: int, _attr: Any) -> Any:
        """Open a file, for reading only."""
        if flags & _READ_ONLY:
            return SFTP_PERMISSION_DENIED
        try:
            return Handle(Path(path).open("rb"))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def readlink(self, path: Any) -> Any:
        """Return what a link says."""
        try:
            return os.readlink(path)  # noqa: PTH115 - the text as it is
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)


def _attributes(path: str, *, follow: bool) -> Any:
    try:
        return paramiko.SFTPAttributes.from_stat(os.stat(path, follow_symlinks=follow))  # noqa: PTH116
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno or 0)


class Server(paramiko.ServerInterface):
    """Lets the owners of *keys* in and runs their commands."""

    def __init__(self, keys: set[bytes]) -> None:
        self._keys = keys

    def get_allowed_auths(self, _username: str) -> str:
        """Return the methods that are accepted."""
        return "publickey"

    def check_auth_publickey(self, _username: str, key: paramiko.PKey) -> int:
        """Return whether *key* may log in."""
        known = key.asbytes() in self._keys
        return common.AUTH_SUCCESSFUL if known else common.AUTH_FAILED

    def check_channel_request(self, kind: str, _chanid: int) -> int:
        """Allow sessions, and nothing else."""
        if kind == "session":
            return common.OPEN_SUCCEEDED
        return common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run *command*."""
        threading.Thread(target=_run, args=(channel, command), daemon=True).start()
        return True


def _run(channel: paramiko.Channel, command: bytes) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path.home(),
        start_new_session=True,
    )
    threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
    pumps = [
        threading.Thread(target=_pump, args=(process.stdout, channel.sendall), daemon=True),
        threading.Thread(target=_pump, args=(process.stderr, channel.sendall_stderr), daemon=True),
    ]
    for pump in pumps:
        pump.start()
    code = process.wait()
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.send_exit_status(code if code >= 0 else 128 - code)
        for pump in pumps:
            pump.join()
        channel.shutdown_write()
        channel.close()


def _feed(channel: paramiko.Channel, pipe: Any) -> None:
    with contextlib.suppress(OSError), pipe:
        while data := channel.recv(_CHUNK):
            pipe.write(data)
            pipe.flush()


def _pump(pipe: Any, send: Any) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := os.read(pipe.fileno(), _CHUNK):
            send(data)


def _serve(connection: socket.socket, host_key: paramiko.PKey, keys: set[bytes]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(connection)
    transport.add_server_key(host_key)
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        transport.start_server(server=Server(keys))


def main(folder: Path, port: int) -> None:
    """Serve until the process is ended."""
    host_key = paramiko.Ed25519Key.from_private_key_file(str(folder / "host_key"))
    lines = (folder / "authorized_keys").read_text().splitlines()
    keys = {base64.b64decode(line.split()[1]) for line in lines if line}
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            _serve(connection, host_key, keys)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
