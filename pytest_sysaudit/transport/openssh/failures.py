"""Why the ssh program did not get in, in the words that the other ssh transport has for it."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from pytest_sysaudit.errors import HostKeyError, LoginRefused, Unreachable
from pytest_sysaudit.text import first_line, printable, shorten
from pytest_sysaudit.transport.openssh.route import Route, Step
from pytest_sysaudit.transport.openssh.story import Story
from pytest_sysaudit.transport.ssh.hostkeys import HostKey

_RESOLVE = re.compile(r"Could not resolve hostname (\S+): (.+)")
_CONNECT = re.compile(r"connect to (?:address|host) (\S+) port (\d+): (.+)")
_OFFER = re.compile(r"no matching (.+?) found\. Their offer: (.*)")
_OFFENDING = re.compile(r"Offending (?:\S+ )?key in (.+):(\d+)")
_KNOWN = re.compile(r"Offending|REMOTE HOST IDENTIFICATION HAS CHANGED")
_BROKEN_OFF = re.compile(
    r"Connection (?:closed|reset) by|kex_exchange_identification|Broken pipe|reset by peer"
)
_CHANNEL = re.compile(r"channel \d+: open failed: ([^:]+): (.*)")
_OPTION = re.compile(r"Bad configuration option|keyword .* extra arguments|[Bb]ad .*(?:value|spec)")


class TurnedAway(Unreachable):
    """sshd closed the connection before it said anything: too many are logging in at once."""


class WrongKeyError(HostKeyError):
    """The server showed another key than the pinned one; it may have that one too."""


def failure(route: Route, *, timed_out: bool, said: str = "") -> Unreachable:
    """Return why ssh did not get in.

    Args:
        route: its logs tell.
        timed_out: whether we ended it, for its time was over.
        said: its standard error.
    """
    timed_out = timed_out or "timed out" in read(route.target).text
    for step in route.hops:
        story = read(step)
        if not story.inside:
            if found := _failure(step, story, route, timed_out=timed_out, said=said):
                return found
            break
    story = read(route.target)
    if route.hops and not story.greeted and (found := _behind(route, timed_out=timed_out)):
        return found
    return _failure(route.target, story, route, timed_out=timed_out, said=said) or Unreachable(
        f"{route.target.name}: ssh ended without a login: {_words(story, said)}"
    )


def read(step: Step) -> Story:
    """Return what ssh told about *step*."""
    try:
        return Story(step.log.read_text("utf-8", "backslashreplace"))
    except FileNotFoundError:
        return Story("")


def _failure(
    step: Step, story: Story, route: Route, *, timed_out: bool, said: str
) -> Unreachable | None:
    """Return what went wrong at *step*; None if its log does not tell."""
    where = f"{step.name}: {story.place or step.host}"
    found: Unreachable | None = _unmet(step, story, where, route)
    if found is not None:
        return found
    if story.key is not None and "Host key verification failed" in story:
        return _host_key(step, story, where)
    if "Permission denied" in story or "Too many authentication failures" in story:
        return _refused(story, where)
    if timed_out or "timed out" in story.text.lower():
        return _slow(where, story, route)
    if _OPTION.search(story.text + said) and not story.connected:
        found = Unreachable(
            f"{step.name}: the ssh program does not take its settings: {_words(story, said)}"
        )
    return found or _broken_off(where, story)


def _unmet(step: Step, story: Story, where: str, route: Route) -> Unreachable | None:
    """Return why there was no connection, or no common algorithm."""
    if found := _RESOLVE.search(story.text):
        return Unreachable(
            f"{step.name}: the name {found[1].strip(chr(39))!r} cannot be resolved: {found[2]}; "
            "check address"
        )
    if found := _CONNECT.search(story.text):
        return _unconnected(step, found, route.connect_timeout)
    if found := _OFFER.search(story.text):
        kind = found[1].removesuffix(" method").removesuffix(" type")
        return Unreachable(
            f"{where} and we have no algorithm in common: its {kind} algorithms are "
            f"{', '.join(found[2].split(','))}"
        )
    return None


def _unconnected(step: Step, found: re.Match[str], seconds: float) -> Unreachable:
    host, port, why = found[1], found[2], printable(found[3].strip())
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    where = f"{step.name}: {place}"
    if "refused" in why:
        return Unreachable(f"{where} refused the connection; does sshd listen on that port?")
    if "timed out" in why:
        return _unanswered(where, seconds)
    if "No route" in why or "unreachable" in why:
        return Unreachable(f"{where} cannot be reached: no route ({why})")
    return Unreachable(f"{where}: {why}")


def _unanswered(where: str, seconds: float) -> Unreachable:
    return Unreachable(
        f"{where} did not answer within {seconds:g} s (connect_timeout); is the address right, and "
        "does a firewall drop the packets?"
    )


def _slow(where: str, story: Story, route: Route) -> Unreachable:
    """Return the error for a step whose time was over."""
    seconds = f"{route.connect_timeout:g} s (connect_timeout)"
    if story.trusted:
        return Unreachable(
            f"{where} did not finish the login within {route.auth_timeout:g} s (auth_timeout)"
        )
    if story.greeted:
        return Unreachable(f"{where} did not finish the key exchange within {seconds}")
    if story.connected:
        return Unreachable(
            f"{where} accepted the connection but sent no SSH banner within {seconds}; "
            "is that sshd?"
        )
    return _unanswered(where, route.connect_timeout)


def _broken_off(where: str, story: Story) -> Unreachable | None:
    heard = printable(shorten(story.heard, 120))
    if not story.greeted and heard:
        kind = TurnedAway if "MaxStartups" in heard else Unreachable
        return kind(f"{where} does not let us in over SSH; it said {heard!r}")
    if not story.greeted and _BROKEN_OFF.search(story.text):
        return TurnedAway(
            f"{where} closed the connection before its SSH banner; it may allow no more logins "
            "now (MaxStartups), or not from here"
        )
    if story.greeted and not story.inside:
        what = "the login" if story.trusted else "the key exchange"
        return Unreachable(f"{where} broke off {what}: {_words(story, '')}")
    return None


def _refused(story: Story, where: str) -> LoginRefused:
    parts = [f"tried {', '.join(story.tried)}" if story.tried else "there was nothing to try"]
    parts += [f"the server accepts {story.accepts}"] if story.accepts else []
    parts += [
        shorten(line, 200)
        for line in story.told
        if line.startswith("Load key") or "Permissions " in line or "sign_and_send" in line
    ]
    return LoginRefused(
        f"{where} refused the login as {story.user!r}: {'; '.join(map(printable, parts))}. Check "
        "user and ssh.key_file, that the public key is in the authorized_keys of that user, and "
        "that the key needs no passphrase here: ssh runs with BatchMode, so it asks nobody"
    )


def _host_key(step: Step, story: Story, where: str) -> HostKeyError:
    place = where.removeprefix(f"{step.name}: ")
    if step.fingerprint is not None:
        return WrongKeyError(_wrong_pin(step, place, story.key_text))
    if "revoked" in story.text.lower():
        return HostKeyError(
            f"{step.name}: {place} shows the host key {story.key_text}, which known_hosts marks as "
            "revoked; give the host a new key, and record that one"
        )
    if _KNOWN.search(story.text):
        return _changed(step, story, place)
    file = step.known_hosts or "a known_hosts file"
    _, fingerprint = story.key or ("", "")
    return HostKeyError(
        f"{step.name}: the host key of {place} is not known; it shows {story.key_text}. Compare it "
        "with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub, on its console); after "
        f"you compared it, put `fingerprint: {fingerprint}` under ssh: in the inventory, or record "
        f"the key in {file}"
    )


def pinned_error(step: Step, shown: list[str]) -> HostKeyError:
    """Return the error for a host none of whose keys has the pinned fingerprint."""
    place = read(step).place or step.host
    return HostKeyError(_wrong_pin(step, place, ", ".join(shown)))


def _wrong_pin(step: Step, place: str, keys: str) -> str:
    return (
        f"{step.name}: the host key of {place} is not the pinned one: the inventory says "
        f"{step.fingerprint}, it shows {keys}. Somebody may stand between you and the host. If "
        "the host was reinstalled, compare the new key on its console and change ssh.fingerprint"
    )


def _changed(step: Step, story: Story, place: str) -> HostKeyError:
    found = _OFFENDING.search(story.text)
    known = "known_hosts has another"
    remove = "remove the old one there"
    if found is not None:
        known = f"{found[1]}:{found[2]} says {_key_at(Path(found[1]), int(found[2]))}"
        remove = next(
            (line for line in story.told if line.startswith("ssh-keygen -f")),
            f"remove line {found[2]} of {found[1]}",
        )
    return HostKeyError(
        f"{step.name}: the host key of {place} has changed: it shows {story.key_text}, but {known}."
        " Somebody may stand between you and the host. If the host was reinstalled: "
        f"{remove}, then record the new key after comparing it"
    )


def _key_at(path: Path, number: int) -> str:
    """Return ``ED25519 SHA256:...`` of the key on a line of a known_hosts file."""
    try:
        words = path.read_text("utf-8", "backslashreplace").splitlines()[number - 1].split()
        kind, coded = words[-2:] if len(words) < 4 else words[1:3]  # noqa: PLR2004 - a comment
        return HostKey(type=kind, blob=base64.b64decode(coded)).text
    except (OSError, ValueError, IndexError, binascii.Error):
        return "another"


def _behind(route: Route, *, timed_out: bool) -> Unreachable | None:
    """Return why the last jump host did not open the way; None if that was not it."""
    hop, target = route.hops[-1], route.target
    jump = f"{target.name}: the jump host"
    place = read(target).place or target.host
    story = read(hop)
    if found := _CHANNEL.search(story.text):
        why = f"{found[1]}: {found[2]}".lower()
        where = f"{jump} could not connect to {place}"
        if "administratively prohibited" in why:
            return Unreachable(f"{where}: it forbids forwarding (AllowTcpForwarding, PermitOpen)")
        return Unreachable(f"{where}: {printable(found[2] or found[1]).lower()}")
    if timed_out and story.inside:
        return Unreachable(
            f"{jump} did not open a way to {place} within {route.connect_timeout:g} s "
            "(connect_timeout)"
        )
    return None


def _words(story: Story, said: str) -> str:
    """Return what ssh said last, on one line."""
    lines = [*(line for line in said.splitlines() if line.strip()), *story.told]
    return first_line(shorten(printable("; ".join(lines[-3:])), 300)) or "it said nothing"
