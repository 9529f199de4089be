"""What PAM asks of passwords and of those who guess them."""

from __future__ import annotations

import pytest

from pytest_sysaudit.facts.pam import number
from pytest_sysaudit.facts.pam_rules import flat, walk
from pytest_sysaudit.text import listed

pytestmark = pytest.mark.platform("linux")

#: Modules that keep passwords on this host.
LOCAL = ("pam_unix", "pam_unix2", "pam_tcb")
QUALITY = ("pam_pwquality", "pam_passwdqc", "pam_cracklib")
#: Their shortest password where nothing is set, and how much a class of characters may shorten it.
SHORTEST = {"pam_pwquality": (8, 0), "pam_cracklib": (9, 1)}
CREDITS = ("dcredit", "ucredit", "lcredit", "ocredit")
SU = ("/bin/su", "/usr/bin/su")
WELL = "well"
LOCKS = ("pam_faillock", "pam_tally2", "pam_tally")
#: Lengths that passwdqc asks where nothing is set: of one class, two, phrases, three, four.
PASSWDQC = "disabled,24,11,8,7"


def _good(rule):
    """Whether the module agrees when a user gives the right password, and no exception is made."""
    return rule.module != "pam_deny" and (rule.module in LOCAL or not rule.skips)


def _wrong(rule):
    """The same for a wrong password."""
    return rule.module not in (*LOCAL, "pam_deny") and not rule.skips


def _asked(host, audit, kind):
    """Return the stacks of *kind* of the services in question that exist here."""
    pam = host.facts.pam
    names = [name for name in audit.inputs.services if name in pam]
    if not names:
        audit.not_applicable(f"PAM has no service {', '.join(audit.inputs.services)}")
    return pam, {name: pam.stack(name, kind) for name in names}


def _before(rules, last):
    """Return the rules before the first one of the modules *last*; None if there is none."""
    places = [place for place, rule in enumerate(rules) if rule.module in last]
    return rules[: places[0]] if places else None


def _grouped(found):
    """Return services by what was found about them; a service called passwd is no secret."""
    groups = {}
    for name, words in found.items():
        groups.setdefault(words, []).append(name)
    return groups


def _by_words(groups):
    """Return a text for each thing that is not well, with its services."""
    return [f"{words} ({', '.join(names)})" for words, names in groups.items() if words != WELL]


def _setters(host, audit):
    """Return for each service that changes local passwords the rules that come before it does."""
    pam, stacks = _asked(host, audit, "password")
    found = {}
    for name, stack in stacks.items():
        if any(rule.module in LOCAL for rule in flat(stack)):
            found[name] = _before(walk(stack, _good), LOCAL)
            if found[name] is None:
                audit.cannot_assess(f"{name}: it is not clear when PAM comes to pam_unix")
    if not found:
        audit.not_applicable("no service changes passwords that are kept on this host")
    return pam, found


@pytest.mark.control(
    "account.nullok",
    severity="high",
    frameworks={"cis-debian12": ["5.3.3.4.1"]},
)
def test_pam_refuses_empty_passwords(host, audit):
    """PAM lets nobody in without a password.

    Why: with nullok, an account whose password field is empty, by accident or on purpose, is open
    to everybody; where pam_permit suffices, each one is.

    Fix: take nullok out of the pam_unix lines in /etc/pam.d (Debian: /usr/share/pam-configs/unix,
    then `pam-auth-update`; RHEL: `authselect enable-feature without-nullok`).
    """
    pam, bad = host.facts.pam, {}
    for service in pam.services:
        for kind in ("auth", "account", "password", "session"):
            for rule in pam.rules(service, kind):
                if why := _asks_nothing(rule):
                    bad.setdefault(f"{why} stands in {rule.place}", []).append(service)
    audit.observe("without a password", bad)
    assert not bad, listed(sorted(bad))


def _asks_nothing(rule):
    """Return what lets users in without a password; "" if nothing does."""
    if rule.module in LOCAL and {"nullok", "nullok_secure"} & set(rule.options):
        return "nullok"
    if rule.type == "auth" and rule.action(agrees=True) == "done":
        if rule.module == "pam_permit":
            return "pam_permit as sufficient"
        if rule.module == "pam_wheel" and "trust" in rule.options:
            return "trust of pam_wheel"
    return ""


def _weakness(pam, rule, inputs):
    """Return what is weak about a rule of one of `QUALITY`; "" if nothing is."""
    options = pam.options(rule)
    if not rule.enforced or options.get("enforcing") == "0" or options.get("enforce") == "none":
        return f"{rule.module} only warns"
    if rule.module == "pam_passwdqc":
        return _passwdqc(options.get("min", PASSWDQC), inputs)
    shortest, credit = SHORTEST[rule.module]
    length = number(options, "minlen", shortest)
    each = [number(options, name, credit) for name in CREDITS]
    length = max(6, length - sum(max(0, credit) for credit in each))
    classes = max(number(options, "minclass", 0), sum(credit < 0 for credit in each))
    if length >= inputs.length or (length >= inputs.mixed and classes >= inputs.classes):
        return ""
    return f"{length} characters of {classes or 'any'} classes are enough"


def _passwdqc(minimum, inputs):
    """Return what is weak about the option ``min`` of passwdqc."""
    wanted = (*[inputs.length] * 3, *[inputs.mixed] * 2)
    lengths = [word.strip() for word in minimum.split(",")]
    pairs = zip(lengths, wanted, strict=True)
    bad = [word for word, least in pairs if word != "disabled" and int(word) < least]
    return f"min={minimum} allows short ones" if bad else ""


@pytest.mark.control(
    "account.pwquality",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.3.2.3", "5.3.3.2.2"],
        "cis-dil": ["5.3.1"],
        "nist-800-53": ["CM-6(a)", "IA-5(1)(a)", "IA-5(4)", "IA-5(c)"],
        "pci-dss-4": ["8.3", "8.3.6"],
    },
    inputs={"services": ["passwd", "login", "sshd"], "length": 14, "mixed": 12, "classes": 3},
)
def test_new_passwords_are_good_ones(host, audit):
    """New passwords must be long.

    Why: short passwords are guessed, and nobody chooses long ones unasked.

    Fix: install libpam-pwquality (RHEL: libpwquality has it) and set `minlen = 14` in
    /etc/security/pwquality.conf; 12 characters do with `minclass = 3`. The inputs `length`, `mixed`
    and `classes` are these bounds.
    """
    pam, services = _setters(host, audit)
    found = {}
    for name, rules in services.items():
        rule = next((rule for rule in rules if rule.module in QUALITY), None)
        weak = _weakness(pam, rule, audit.inputs) if rule else "nothing tests the quality"
        found[name] = weak or WELL
    bad = _by_words(audit.observe("services", _grouped(found)))
    assert not bad, listed(bad)


@pytest.mark.control(
    "account.history",
    severity="low",
    frameworks={"cis-debian12": ["5.3.3.3.1"], "cis-dil": ["5.3.3"]},
    inputs={"services": ["passwd", "login", "sshd"], "remember": 5},
)
def test_old_passwords_are_not_taken_again(host, audit):
    """PAM remembers the last passwords of each user and refuses them.

    Why: a password that was stolen once stays in lists for ever.

    Fix: put `password required pam_pwhistory.so remember=24 use_authtok` before pam_unix in
    /etc/pam.d/common-password (RHEL: `authselect enable-feature with-pwhistory`).
    """
    pam, services = _setters(host, audit)
    found = {}
    for name, rules in services.items():
        own = [rule for rule in rules if rule.module == "pam_pwhistory" and rule.enforced]
        local = [rule for rule in pam.rules(name, "password") if rule.module in LOCAL]
        kept = [number(pam.options(rule), "remember", 10) for rule in own]
        found[name] = max(kept + [number(rule.options, "remember", 0) for rule in local])
    audit.observe("remembered", _grouped(found))
    bad = [f"{kept} in {name}" for name, kept in found.items() if kept < audit.inputs.remember]
    assert not bad, f"they remember fewer than {audit.inputs.remember} passwords: {listed(bad)}"


def _lock(pam, name, inputs):
    """Return what is wrong with how *name* locks accounts; "" if nothing is."""
    auth, account = pam.stack(name, "auth"), pam.stack(name, "account")
    good, wrong = walk(auth, _good), walk(auth, _wrong)
    before = _before(good, LOCAL) or ()
    modes = {(rule.module, mode) for rule in good for mode in rule.options}
    asks = [rule for rule in before if rule.module in LOCKS and "authfail" not in rule.options]
    resets = ("pam_faillock", "authsucc") in modes
    if not any(rule.enforced for rule in asks) and not resets:
        return "no pam_faillock asks whether the account is locked (preauth)"
    old = [rule for rule in asks if rule.module != "pam_faillock"]
    at = next((place for place, rule in enumerate(wrong) if rule.module in LOCAL), len(wrong))
    counts = old or [
        r for r in wrong[at:] if r.module == "pam_faillock" and "authfail" in r.options
    ]
    if not counts:
        return "no pam_faillock counts wrong passwords (authfail)"
    if not resets and not any(rule.module in LOCKS for rule in walk(account, _good)):
        return "no pam_faillock forgets them after a good login (account or authsucc)"
    return "; ".join(filter(None, (_bounds(pam, rule, inputs) for rule in (*asks, *counts))))


def _bounds(pam, rule, inputs):
    """Return which option of one rule is out of bounds."""
    options = dict(pam.options(rule))
    tries, seconds = (3, 600) if rule.module == "pam_faillock" else (0, 0)
    deny = number(options, "deny", tries)
    if options.get("unlock_time") == "never":
        options["unlock_time"] = "0"
    unlock = number(options, "unlock_time", seconds)
    if not 0 < deny <= inputs.deny:
        return f"deny={deny} in {rule.place}"
    return f"unlock_time={unlock} in {rule.place}" if 0 < unlock < inputs.unlock_time else ""


@pytest.mark.control(
    "account.faillock",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.3.2.2", "5.3.3.1.1", "5.3.3.1.2"],
        "cis-dil": ["5.3.2"],
        "nist-800-53": ["AC-7(a)", "AC-7(b)", "CM-6(a)"],
        "pci-dss-4": ["8.3", "8.3.4"],
    },
    inputs={"services": ["login", "sshd", "su", "sudo"], "deny": 5, "unlock_time": 900},
)
def test_wrong_passwords_lock_the_account(host, audit):
    """After a few wrong passwords an account is locked for a while.

    Why: without a limit, passwords are guessed over weeks by machines that do nothing else.

    Fix: call pam_faillock before (preauth) and after (authfail) pam_unix, and in account; set
    `deny = 5` and `unlock_time = 900` in /etc/security/faillock.conf (RHEL: `authselect
    enable-feature with-faillock`). An unlock_time of 0 means: until root unlocks it.
    """
    pam, services = _asked(host, audit, "auth")
    found = {}
    for name, stack in services.items():
        if any(rule.module in LOCAL for rule in flat(stack)):
            found[name] = _lock(pam, name, audit.inputs) or WELL
    if not found:
        audit.not_applicable("no service asks for passwords that are kept on this host")
    bad = _by_words(audit.observe("services", _grouped(found)))
    assert not bad, listed(bad)


def _limits(rule):
    """Whether a rule lets only members of a group become root."""
    others = {"deny", "trust"} & set(rule.options)
    return rule.module == "pam_wheel" and rule.enforced and not others


@pytest.mark.control(
    "account.su",
    severity="medium",
    frameworks={
        "cis-debian12": ["5.2.7"],
        "cis-dil": ["5.6"],
        "pci-dss-4": ["2.2", "2.2.6"],
    },
)
def test_only_a_group_may_use_su(host, audit):
    """Only the members of one group become root through su.

    Why: everybody else would have as many tries at root's password as they like.

    Fix: put `auth required pam_wheel.so use_uid group=GROUP` behind pam_rootok and before the other
    auth lines of /etc/pam.d/su; or make su executable for a group only (mode 4750).
    """
    host.facts.paths.ask(SU)
    paths = [host.facts.paths[path] for path in SU]
    there = [path for path in paths if path.holds("e")]
    if not there:
        audit.not_applicable("there is no su on this host")
    stats = [path.details for path in there if path.details]
    closed = len(stats) == len(there) and not any(stat.permissions & 0o001 for stat in stats)
    rules = () if closed else walk(host.facts.pam.stack("su", "auth"), _good)
    audit.observe("auth of su", [f"{rule.control} {rule.module}" for rule in rules])
    limited = closed or any(map(_limits, rules))
    assert limited, "no pam_wheel line keeps anybody from su"
