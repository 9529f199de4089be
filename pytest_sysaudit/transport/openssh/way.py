"""A host behind the ssh program: one login proves the way, and each shell is a process of its own.

The first process is given a line to answer, so that it shows that login and shell are there; then
it is handed on as the first shell.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import secrets
import threading
import time
from concurrent.futures import Future
from dataclasses import replace

from pytest_sysaudit.errors import Unreachable
from pytest_sysaudit.lanes import wait, wait_for
from pytest_sysaudit.text import decode, first_line, printable, shorten
from pytest_sysaudit.transport.openssh.failures import (
    TurnedAway,
    WrongKeyError,
    failure,
    pinned_error,
    read,
)
from pytest_sysaudit.transport.openssh.process import Loop, ProcessPipe, shared_loop
from pytest_sysaudit.transport.openssh.route import Route, Step
from pytest_sysaudit.transport.openssh.story import Story
from pytest_sysaudit.transport.shell.pipe import Hearer
from pytest_sysaudit.transport.shell.script import BOOT, START
from pytest_sysaudit.transport.ssh.hostkeys import other_kinds

log = logging.getLogger("pytest_sysaudit.ssh")

_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
_BROKEN = 255  # ssh's own exit code for whatever went wrong


class _Greeting:
    """Hears the first process until its shell answers; then another hears it.

    Attributes:
        out, err: what came so far.
        known: True when the shell has answered; False when the process has ended.
    """

    def __init__(self) -> None:
        self._tag = f"sysaudit-{secrets.token_hex(8)}\n".encode()
        self._lock = threading.Lock()
        self._next: Hearer | None = None
        self._end: tuple[int | None] | None = None
        self.out, self.err = bytearray(), bytearray()
        self.known: Future[bool] = Future()

    @property
    def line(self) -> bytes:
        """What `START` is to run: it answers, and waits for the next line."""
        tag = self._tag.decode().strip()
        return f"echo {tag}; echo {tag} >&2; {BOOT}\n".encode()

    @property
    def said(self) -> str:
        """What was said that is no answer."""
        return printable(decode(bytes(self.out + self.err).replace(self._tag, b"")))

    @property
    def exit_code(self) -> int | None:
        """The exit code of a process that has ended."""
        return self._end[0] if self._end is not None else None

    def on_out(self, data: bytes) -> None:
        """Take standard output."""
        if (hearer := self._kept(self.out, data)) is not None:
            hearer.on_out(data)

    def on_err(self, data: bytes) -> None:
        """Take standard error."""
        if (hearer := self._kept(self.err, data)) is not None:
            hearer.on_err(data)

    def _kept(self, side: bytearray, data: bytes) -> Hearer | None:
        """Keep *data*, or return who is to have it."""
        with self._lock:
            if self._next is not None:
                return self._next
            side += data
            answered = self._tag in self.out and self._tag in self.err
        if answered and not self.known.done():
            self.known.set_result(True)
        return None

    def on_end(self, exit_code: int | None) -> None:
        """Learn that the process has ended."""
        with self._lock:
            self._end, hearer = (exit_code,), self._next
        if hearer is not None:
            hearer.on_end(exit_code)
        elif not self.known.done():
            self.known.set_result(False)

    def hand_over(self, hearer: Hearer) -> None:
        """Let *hearer* have all that came after the answer, and all that will come."""
        with self._lock:
            for side, tell in ((self.out, hearer.on_out), (self.err, hearer.on_err)):
                if rest := bytes(side.partition(self._tag)[2]):
                    tell(rest)
            self._next = hearer
            if self._end is not None:
                hearer.on_end(self._end[0])


class _Watch:
    """Hears a process for the sake of its way: whether its end is that of the connection."""

    def __init__(self, way: OpensshWay, pipe: ProcessPipe, step: Step, hearer: Hearer) -> None:
        self._way = way
        self._pipe = pipe
        self._step = step
        self._hearer = hearer
        self.on_out = hearer.on_out
        self.on_err = hearer.on_err

    def on_end(self, exit_code: int | None) -> None:
        """Tell the end, and what it means."""
        if exit_code in (None, _BROKEN):
            story = read(self._step)
            if "rtype exit-status" not in story:
                exit_code = None
            if not story.inside and not self._pipe.refused:
                self._pipe.refused = "; ".join(story.told[-2:]) or "ssh did not get in"
            elif not story.finished:
                self._way.lose(self._pipe)
        self._way.forget(self._pipe)
        self._hearer.on_end(exit_code)


class OpensshWay:
    """A `Way` over the ssh program; made by `connect`.

    Attributes:
        address: ``address:port``.
        direct: whether it goes through no other host.
        host_key: the fingerprint of the key that the host showed, SHA256:...
        user: who is logged in.
    """

    def __init__(self, route: Route, loop: Loop) -> None:
        self.address = self.host_key = self.user = ""
        self.direct = False
        self.alive = True
        self._route = route
        self._loop = loop
        self._greeting = _Greeting()
        self._first: ProcessPipe | None = None
        self._pipes: set[ProcessPipe] = set()
        self._numbers = itertools.count(2)

    def greet(self) -> _Greeting:
        """Start the first process, and return who hears it."""
        self._first = self._spawn(self._route.target, START, self._greeting)
        self._first.write(self._greeting.line)
        return self._greeting

    def learn(self, story: Story) -> None:
        """Take from the log who the host is."""
        self.address, self.user = story.place, story.user
        self.direct = story.direct
        self.host_key = story.key[1] if story.key else ""

    def start(self, line: str, hearer: Hearer) -> ProcessPipe:
        """Start a command line on the host; a `Starter`."""
        first = self._first
        if line == START and first is not None:
            self._first = None
            self._greeting.hand_over(hearer)
            return first
        if not self.alive:
            raise BrokenPipeError("the connection is closed")
        step = self._route.target
        path = step.log.with_suffix(f".{next(self._numbers)}.log")
        argv = tuple(str(path) if word == str(step.log) else word for word in step.argv)
        return self._spawn(replace(step, argv=argv, log=path), line, hearer)

    def _spawn(self, step: Step, line: str, hearer: Hearer) -> ProcessPipe:
        argv = [*step.argv, "--", step.host, line]
        pipe = ProcessPipe(self._loop, argv, environment())
        self._pipes.add(pipe)
        self._loop.start(pipe, _Watch(self, pipe, step, hearer))
        return pipe

    def kill(self) -> None:
        """End the first process at once."""
        if self._first is not None:
            self._loop.kill(self._first)

    def lose(self, pipe: ProcessPipe) -> None:
        """Learn that the connection of *pipe* broke."""
        if pipe in self._pipes:
            self.alive = False

    def forget(self, pipe: ProcessPipe) -> None:
        """Learn that the process of *pipe* has ended."""
        self._pipes.discard(pipe)

    def close(self) -> None:
        """Close it: every process ends, and what it ran on the host."""
        self.alive = False
        for pipe in list(self._pipes):
            pipe.close()


def environment() -> dict[str, str]:
    """Return the environment of ssh: English, a plain shell for its commands, no window."""
    inherited = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    return {**inherited, "LC_ALL": "C", "SHELL": "/bin/sh", "SSH_ASKPASS_REQUIRE": "never"}


def connect(route: Route) -> OpensshWay:
    """Log in and see a shell answer.

    Raises:
        Unreachable: with the reason; `HostKeyError` and `LoginRefused` among them.
    """
    try:
        return _let_in(route)
    except WrongKeyError:  # the pin may be that of another of the host's keys
        story = read(route.target)
        if story.key is None:
            raise
    shown = [story.key_text]
    for algorithms in _other_kinds(story):
        option = ("-o", f"HostKeyAlgorithms={','.join(algorithms)}")
        again = replace(route, target=replace(route.target, argv=route.target.option(*option)))
        try:
            return _let_in(again)
        except WrongKeyError:
            shown.append(read(again.target).key_text)
    raise pinned_error(route.target, shown)


def _other_kinds(story: Story) -> list[list[str]]:
    """Return the further kinds of host key that the server has, each as a list of algorithms."""
    names = [name for name in story.host_key_algorithms if "cert" not in name]
    return other_kinds(names, story.key[0] if story.key else "")


def _let_in(route: Route) -> OpensshWay:
    """`_log_in`, tried again while connect_timeout lasts if there are too many logins now."""
    end = time.monotonic() + route.connect_timeout
    pause = _PAUSE
    while True:
        try:
            return _log_in(route)
        except TurnedAway as error:
            seconds = pause * random.uniform(0.5, 1.5)  # noqa: S311 - to spread those that wait
            if time.monotonic() + seconds >= end:
                raise
            log.debug("%s; trying again", error)
            wait(time.sleep, seconds)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _log_in(route: Route) -> OpensshWay:
    steps = [*route.hops, route.target]
    for step in steps:
        step.log.unlink(missing_ok=True)
    way = OpensshWay(route, shared_loop())
    greeting = way.greet()
    try:
        _wait_for_answer(greeting, route, len(steps))
    except BaseException:
        way.kill()
        way.close()
        raise
    way.learn(read(route.target))
    log.debug("%s: logged in to %s by ssh", route.target.name, way.address)
    return way


def _wait_for_answer(greeting: _Greeting, route: Route, steps: int) -> None:
    """Wait for the shell, with a deadline for each part of the way.

    Raises:
        Unreachable: it does not answer, and why.
    """
    parts = (route.connect_timeout * steps, route.auth_timeout * steps, route.open_timeout)
    for part, seconds in enumerate(parts):
        try:
            if wait_for(greeting.known, seconds):
                return
            break
        except TimeoutError:
            story = read(route.target)
            if not (story.inside if part else story.trusted):
                break
    raise _no_answer(greeting, route, read(route.target))


def _no_answer(greeting: _Greeting, route: Route, story: Story) -> Unreachable:
    """Return why there is no shell."""
    name, said = route.target.name, shorten(first_line(greeting.said), 200)
    ended = greeting.known.done()
    if not story.inside:
        return failure(route, timed_out=not ended, said=greeting.said)
    if not ended:
        words = f"; it said {said!r}" if said else ""
        return Unreachable(
            f"{name}: no shell was started within {route.open_timeout:g} s (open_timeout): the "
            f"account's login files or a forced command take long, or the host does{words}"
        )
    if "open failed" in story:
        return Unreachable(
            f"{name}: the server opens no further session: {'; '.join(story.told[-2:])} "
            "(MaxSessions may be 0 or 1, or the account may not run commands)"
        )
    return Unreachable(
        f"{name}: the account runs no /bin/sh for us: it said {said or 'nothing'!r}, exit code "
        f"{greeting.exit_code}; its login shell may be nologin, or a forced command"
    )
