"""What of this machine an audit needs: each probe says whether it is there, and the way out."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sysaudit import __version__
from pytest_sysaudit.errors import InventoryError, SysauditError
from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import first_line, listed, plural

if TYPE_CHECKING:
    from pytest_sysaudit.inventory.load import LoadedInventory
    from pytest_sysaudit.inventory.target import Target

OK, MISSING, ABSENT = "ok", "missing", "absent"
"""There; not there though this inventory needs it; not there, and nothing here needs it."""
_LIBRARIES = ("pytest", "pytest-testinfra", "pytest-xdist", "paramiko", "boto3", "scapy")
_SECRETS = frozenset({"password", "key_passphrase", "bearer", "external_id"})
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_UNSYNCHRONIZED = 5
"""What adjtimex(2) returns of a clock that nobody sets."""
#: Parts of botocore that run programs or ask the network for credentials.
_FAR = (
    "iam-role",
    "container-role",
    "custom-process",
    "sso",
    "login",
    "assume-role-with-web-identity",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, whether it is there, what it is, and what to do where it is not.

    ``state`` is `OK`, `MISSING` or `ABSENT`.
    """

    name: str
    state: str
    words: str
    way_out: str = ""

    def to_plain(self) -> dict[str, Plain]:
        """Return JSON data."""
        return asdict(self)


class Needs:
    """What the targets of an inventory need; nothing without one."""

    def __init__(self, found: LoadedInventory | None) -> None:
        self.targets: Sequence[Target] = [*found.targets.values()] if found else []
        self.signing_key = found.model.evidence.signing_key if found else None
        self.base = found.path.parent if found and found.path else Path()
        live = [target for target in self.targets if not target.entry.embedded]
        self.ssh = [one for one in live if one.kind == "ssh"]
        self.openssh = [one for one in self.ssh if _entry(one).connection == "openssh"]
        self.aws = [one for one in live if one.kind == "aws"]
        self.local = [one for one in live if one.kind == "local"]
        networks = [one for one in self.targets if one.kind == "network"]
        self.capture = [one for one in networks if not (_entry(one).via or _entry(one).pcap)]


def _entry(target: Target) -> Any:
    return target.entry


def examine(path: Path, *, given: bool) -> tuple[list[Finding], LoadedInventory | None]:
    """Return what is there, and the inventory at *path* if it can be used.

    Args:
        path: the inventory.
        given: whether somebody named it; else none is needed.
    """
    about, found = inventory(path, given=given)
    needs = Needs(found)
    findings = [*software(), about, *secrets(needs), *signing_key(needs)]
    findings += [root(needs), capture(needs), pcap_library()]
    findings += [agent(needs), keys(needs), ssh_program(needs), *aws(needs), reports(), clock()]
    return findings, found


def software() -> Iterator[Finding]:
    """Yield Python, and the libraries with their versions."""
    number = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", OK, f"{number}, {sys.executable}")
    there, missing = [f"pytest-sysaudit {__version__}"], []
    for name in _LIBRARIES:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("libraries", OK, ", ".join(there))
    if missing:
        yield Finding("more", ABSENT, ", ".join(missing), f"pip install {' '.join(missing)}")


def inventory(path: Path, *, given: bool) -> tuple[Finding, LoadedInventory | None]:
    """Return whether the inventory at *path* can be used, and what it says."""
    from pytest_sysaudit.inventory.load import load

    if not path.exists():
        state = MISSING if given else ABSENT
        way_out = "`sysaudit init` writes one; without it, only this machine is audited"
        return Finding("inventory", state, f"there is no {path}", way_out), None
    try:
        found = load(path)
    except InventoryError as error:
        words = f"{plural(len(error.problems), 'problem')}: {error.problems[0]}"
        way_out = f"`sysaudit inventory check {path}` says all"
        return Finding("inventory", MISSING, words, way_out), None
    return Finding("inventory", OK, f"{path}: {plural(len(found.targets), 'target')}"), found


def secrets(needs: Needs) -> Iterator[Finding]:
    """Yield whether the secrets that the inventory names can be had; none is shown."""
    from pytest_sysaudit.evidence.redact import Redactor
    from pytest_sysaudit.inventory.secrets import Secrets, stdin_is_terminal

    store = Secrets(Redactor())
    good = 0
    for target in needs.targets:
        entry = target.entry.model_dump(exclude={"vars", "inputs", "groups"})
        for place, ref in references(entry):
            if ref == "prompt":
                if not stdin_is_terminal():
                    yield Finding(
                        "secret",
                        MISSING,
                        f"{target.name}: {place}: prompt: standard input is no terminal",
                        "use env:NAME or file:PATH",
                    )
                else:
                    good += 1
                continue
            try:
                store.get(ref, purpose=f"{target.name}: {place}", base=target.base)
            except SysauditError as error:
                yield Finding("secret", MISSING, str(error), _set_it(ref))
            else:
                good += 1
    if good:
        yield Finding("secrets", OK, f"{plural(good, 'secret')} can be had")


def signing_key(needs: Needs) -> Iterator[Finding]:
    """Yield whether the key that signs recordings can be had and is one, if there is to be one."""
    from pytest_sysaudit.evidence.redact import Redactor
    from pytest_sysaudit.evidence.signing import read_key
    from pytest_sysaudit.inventory.secrets import Secrets

    ref = needs.signing_key
    if ref is None or ref == "prompt":
        return
    try:
        key = read_key(Secrets(Redactor()).get(ref, purpose="the signing key", base=needs.base))
    except SysauditError as error:
        yield Finding("signing key", MISSING, str(error), "sysaudit evidence key DIR makes one")
    else:
        yield Finding("signing key", OK, f"recordings are signed; public key {key.public}")


def references(entry: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the reference of each secret that *entry* names."""
    from pytest_sysaudit.inventory.secrets import is_reference

    for key, value in entry.items():
        place = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from references(value, place)
        elif key not in _SECRETS and above != "headers":
            continue
        elif isinstance(value, str) and is_reference(value):
            yield place, value


def _set_it(ref: str) -> str:
    kind, _, name = ref.partition(":")
    return f"export {name}=..." if kind == "env" else f"write it to {name}, with mode 0600"


def root(needs: Needs) -> Finding:
    """Return whether this user is root or may become it."""
    if os.geteuid() == 0:
        return Finding("root", OK, "this user is root")
    state = MISSING if needs.local else ABSENT
    words = "this user is not root: checks of this machine that need it are not assessed"
    if shutil.which("sudo") is None:
        return Finding("root", state, words, "run pytest as root")
    return Finding(
        "root", state, words, "run pytest as root, or set become: {method: sudo} on the local host"
    )


def capture(needs: Needs) -> Finding:
    """Return whether packets of this machine can be captured."""
    from pytest_sysaudit.network.local import may_capture

    if may_capture():
        return Finding("CAP_NET_RAW", OK, "packets of this machine can be captured")
    names = listed(target.name for target in needs.capture)
    words = f"packets of this machine cannot be captured{f' (for {names})' if names else ''}"
    state = MISSING if needs.capture else ABSENT
    return Finding("CAP_NET_RAW", state, words, "run pytest as root, or with CAP_NET_RAW")


def pcap_library() -> Finding:
    """Return whether libpcap is there, which compiles filters."""
    from pytest_sysaudit.network.bpf import libpcap

    if libpcap() is not None:
        return Finding("libpcap", OK, "any capture filter is understood")
    words = "only simple capture filters are understood"
    return Finding("libpcap", ABSENT, words, "apt-get install libpcap0.8, or dnf install libpcap")


def agent(needs: Needs) -> Finding:
    """Return whether an ssh agent answers, and how many keys it has."""
    way_out = 'eval "$(ssh-agent)" && ssh-add, or name key files in the inventory'
    if not (path := os.environ.get("SSH_AUTH_SOCK")):
        return Finding("ssh agent", ABSENT, "SSH_AUTH_SOCK is not set", way_out)
    import paramiko

    try:
        client = paramiko.Agent()
        count = len(client.get_keys())
        client.close()
    except (paramiko.SSHException, OSError) as error:
        return Finding("ssh agent", ABSENT, f"{path} does not answer: {error}", way_out)
    if count:
        return Finding("ssh agent", OK, f"it has {plural(count, 'key')}")
    named = all(_entry(one).ssh.key_file or _entry(one).ssh.password for one in needs.ssh)
    words = "it has no key" if Path(path).exists() else f"{path} is not there"
    return Finding("ssh agent", ABSENT, words, "" if named and needs.ssh else way_out)


def keys(needs: Needs) -> Finding:
    """Return which usual keys of this user, and which of the inventory, are there."""
    home = Path("~/.ssh").expanduser()
    there = [name for name in _KEYS if (home / name).exists()]
    named = [one for one in needs.ssh if _entry(one).ssh.key_file]
    if there or named:
        words = [f"{home}: {', '.join(there)}"] if there else []
        words += [f"{plural(len(named), 'host')} with a key file of its own"] if named else []
        return Finding("ssh keys", OK, "; ".join(words))
    lonely = [one for one in needs.ssh if not _entry(one).ssh.password]
    state = MISSING if lonely and not os.environ.get("SSH_AUTH_SOCK") else ABSENT
    way_out = "ssh-keygen -t ed25519, and put the public half on the hosts"
    return Finding("ssh keys", state, f"no key in {home}", way_out)


def ssh_program(needs: Needs) -> Finding:
    """Return whether the ssh program is there, which `connection: openssh` needs."""
    if path := shutil.which("ssh"):
        return Finding("ssh program", OK, path)
    names = listed(target.name for target in needs.openssh)
    words = f"not there{f' (for {names})' if names else ''}"
    state = MISSING if needs.openssh else ABSENT
    return Finding("ssh program", state, words, "apt-get install openssh-client")


def aws(needs: Needs) -> Iterator[Finding]:
    """Yield which AWS credentials this machine has, without asking the network for any."""
    import botocore.exceptions
    import botocore.session

    for profile in dict.fromkeys([None, *(_entry(one).profile for one in needs.aws)]):
        name = f"AWS profile {profile}" if profile else "AWS credentials"
        used = [one.name for one in needs.aws if _entry(one).profile == profile]
        state = MISSING if used else ABSENT
        way_out = f"aws configure{f' --profile {profile}' if profile else ''}"
        try:
            session = botocore.session.Session(profile=profile)
            resolver = session.get_component("credential_provider")
            for far in _FAR:
                resolver.remove(far)
            found = resolver.load_credentials()
            there = profile is None or profile in session.available_profiles
        except (botocore.exceptions.BotoCoreError, OSError, ValueError) as error:
            yield Finding(name, state, first_line(str(error)), way_out)
            continue
        if found is not None:
            yield Finding(name, OK, f"found by {found.method} (not shown, not tried)")
        elif profile is not None and there:
            yield Finding(name, OK, "is configured; --connect tries whether it gives credentials")
        else:
            words = "none in the environment or in ~/.aws"
            yield Finding(
                name, state, f"{words}{f' (for {listed(used)})' if used else ''}", way_out
            )


def reports() -> Finding:
    """Return whether reports can be written to where they go by default."""
    from pytest_sysaudit.reports import FOLDER

    folder = FOLDER if FOLDER.exists() else Path()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        words = f"{folder.absolute()}: {error.strerror}"
        return Finding("reports", MISSING, words, "--audit-report FORMAT=PATH names another place")
    return Finding("reports", OK, f"can be written to {FOLDER.absolute()}")


def clock() -> Finding:
    """Return whether somebody sets the clock, by which expiry dates and evidence are judged."""
    import ctypes
    from datetime import UTC, datetime

    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    try:
        library = ctypes.CDLL(None)
        state = library.adjtimex(ctypes.create_string_buffer(1024))
    except (OSError, AttributeError):
        return Finding("clock", ABSENT, f"{now}; whether it is right is not known")
    if state in (-1, _UNSYNCHRONIZED):
        way_out = "timedatectl set-ntp true; expiry dates are judged by it"
        return Finding(
            "clock", ABSENT, f"{now}; nobody sets it, as far as the kernel knows", way_out
        )
    return Finding("clock", OK, f"{now}, synchronized")
