"""How a host starts, access control, flags of interfaces: usual, odd and broken answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from lab.fake import FakeTransport

from pytest_sysaudit.errors import CannotAssess, Denied, Incomplete, NotApplicable
from pytest_sysaudit.facts import boot, interfaces_flags, loader_files, mac, open_facts, releases

SHELLS = [
    argv for argv in (["dash"], ["bash"], ["busybox", "sh"], ["mksh"]) if shutil.which(argv[0])
]


def table(name, answer):
    return getattr(open_facts(FakeTransport(results={bool: answer})), name)


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request):
    return request.param


def run(argv, script):
    done = subprocess.run(
        [*argv, "-c", script], capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


GRUB = r"""### BEGIN
set superusers="root"
  password_pbkdf2 root grub.pbkdf2.sha512.10000.AB.CD
password_pbkdf2 other ${GRUB2_PASSWORD}
password third opensesame
menuentry 'Debian' --class x {
	linux	/vmlinuz root=/dev/sda1 ro quiet
	initrd /initrd.img
}
if [ x ]; then linux16 /memtest; fi
linuxefi /vmlinuz selinux=0
"""


@pytest.fixture
def host_files(tmp_path):
    """A folder that stands for /, with what a host has below /boot."""
    for path, text in {
        "boot/grub/grub.cfg": GRUB,
        "boot/grub/user.cfg": "GRUB2_PASSWORD=grub.pbkdf2.sha512.1.AB\n",
        "boot/grub2/grubenv": "# GRUB Environment Block\nkernelopts=root=/dev/sda1 audit=1\n####",
        "boot/loader/entries/a b.conf": "title x\noptions root=/dev/sda1 $tuned",
        "boot/extlinux/extlinux.conf": "LABEL x\n  append root=/dev/vda quiet\n",
        "boot/cmdline.txt": "console=tty1 root=/dev/mmcblk0p2\n",
        "boot/efi/EFI/debian/grub.cfg": "search x\nconfigfile $prefix/grub.cfg\n",
        "boot/vmlinuz-6.1.0-18-amd64": "",
        "boot/vmlinuz-0-rescue-1": "",
        "boot/vmlinuz": "",
        "lib/modules/6.9.1/vmlinuz": "",
        "lib/modules/6.9.2/modules.dep": "",
        "run/reboot-required": "",
        "run/reboot-required.pkgs": "linux-base\ndbus\ndbus\n",
        "etc/fstab": f"# x\nUUID=1 / ext4 rw 0 1\nUUID=2 {tmp_path}/boot ext4 rw 0 2\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def below(script, root):
    for folder in ("boot", "lib/modules", "run/reboot", "run/systemd", "etc/fstab", "efi/loader"):
        script = script.replace(f" /{folder}", f" {root}/{folder}")
        script = script.replace(f"</{folder}", f"<{root}/{folder}")
        script = script.replace(f"=/{folder}", f"={root}/{folder}")
    return script


def test_all_that_a_host_starts_with(shell, host_files):
    found = boot.parse(run(shell, below(boot._SCRIPT, host_files)))
    assert found.release == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert found.arguments == tuple(Path("/proc/cmdline").read_text().split())
    assert found.markers == (f"{host_files}/run/reboot-required",)
    assert found.waits == ("linux-base", "dbus")
    assert found.kernels == ("6.1.0-18-amd64", "6.9.1")
    assert not found.unmounted
    assert found.refused == ()
    files = {file.path.removeprefix(f"{host_files}/boot/"): file for file in found.loader}
    grub = files["grub/grub.cfg"]
    assert (grub.superusers, grub.entries, grub.gives_hash) == (True, True, False)
    assert grub.passwords == ("hash", "variable", "plain")
    assert grub.kernels == (
        ("/vmlinuz", "root=/dev/sda1", "ro", "quiet"),
        ("/vmlinuz", "selinux=0"),
    )
    assert files["grub/user.cfg"].gives_hash
    assert not files["efi/EFI/debian/grub.cfg"].entries
    assert files["grub2/grubenv"].kernels == (("root=/dev/sda1", "audit=1"),)
    assert files["loader/entries/a b.conf"].kernels == (("root=/dev/sda1", "$tuned"),)
    assert files["extlinux/extlinux.conf"].kernels == (("root=/dev/vda", "quiet"),)
    assert files["cmdline.txt"].kernels == (("console=tty1", "root=/dev/mmcblk0p2"),)


def test_no_password_of_a_boot_loader_leaves_the_host(shell, host_files):
    said = run(shell, below(boot._SCRIPT, host_files))
    assert "opensesame" not in said
    assert "AB" not in said


def test_a_boot_folder_that_is_not_mounted(shell, host_files):
    shutil.rmtree(host_files / "boot")
    shutil.rmtree(host_files / "lib/modules/6.9.1")
    found = boot.parse(run(shell, below(boot._SCRIPT, host_files)))
    assert found.unmounted
    assert found.kernels == ("6.9.2",)
    with pytest.raises(CannotAssess, match="not mounted"):
        found.whole()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="another user is taken from root")
def test_what_may_not_be_read_is_told(shell, host_files):
    (host_files / "boot/grub/grub.cfg").chmod(0o600)
    (host_files / "boot/efi").chmod(0o700)
    for folder in (host_files, *host_files.parents):
        if str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *shell]
    found = boot.parse(run(argv, below(boot._SCRIPT, host_files)))
    assert found.refused == (f"{host_files}/boot/efi", f"{host_files}/boot/grub/grub.cfg")
    with pytest.raises(Denied, match="needs root"):
        found.whole()


BOOT = "release 6.1\nversion #1\narguments \ncontainer \n@files\n@end\n"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (BOOT.removesuffix("@end\n"), Incomplete),
        ("", Incomplete),
        (BOOT.replace("@files\n", ""), CannotAssess),
        (BOOT.replace("release", "what"), CannotAssess),
        (BOOT.replace("@end", "what\n@end"), CannotAssess),
        (BOOT.replace("@end", "kernel before any file\n@end"), CannotAssess),
        (BOOT.replace("@files", "clock 10 1\n@files"), CannotAssess),
        ((1, "", "sh: why"), CannotAssess),
    ],
)
def test_a_start_that_was_not_read_is_no_table(answer, error):
    with pytest.raises(error):
        _ = table("boot", answer)


def test_a_container_has_no_kernel_of_its_own():
    table("boot", BOOT).own_kernel()
    with pytest.raises(NotApplicable, match="lxc"):
        table("boot", BOOT.replace("container ", "container lxc")).own_kernel()


def test_the_mark_of_a_container_without_systemd_is_seen(shell, host_files):
    (host_files / "run/host").mkdir()
    (host_files / "run/host/container-manager").write_text("systemd-nspawn\n")
    text = below(boot._SCRIPT, host_files).replace("/proc/2/comm", "/no/such")
    text = text.replace("f=/run/host/", f"f={host_files}/run/host/")
    assert boot.parse(run(shell, text)).container == "systemd-nspawn"


def test_what_is_newer_than_the_last_start():
    lines = "clock 1000 100.5\ninstalled 950 glibc\ninstalled 800 dbus\n"
    lines += "package openssl-libs is not installed\n"
    assert table("boot", BOOT.replace("@files", f"{lines}@files")).updated == ("glibc",)
    assert table("boot", BOOT).updated is None


@pytest.mark.parametrize(
    ("running", "installed", "expected"),
    [
        ("6.1.0-9-amd64", ["6.1.0-18-amd64", "6.1.0-9-amd64"], ("6.1.0-18-amd64",)),
        ("6.1.0-18-amd64", ["6.1.0-9-amd64", "6.1.0-19-cloud-amd64"], ()),
        ("6.1.0-18-amd64", ["6.6.13+bpo-amd64"], ("6.6.13+bpo-amd64",)),
        ("6.5.0-0.deb12.4-amd64", ["6.6.13+deb12.1-amd64"], ("6.6.13+deb12.1-amd64",)),
        (
            "5.14.0-362.8.1.el9_3.x86_64",
            ["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-70.el9.aarch64"],
            ("5.14.0-427.13.1.el9_4.x86_64",),
        ),
        ("6.6.8-200.fc39.x86_64", ["6.6.8-100.fc38.x86_64"], ()),
        ("6.6.8-0-lts", ["6.6.14-0-lts", "6.6.14-0-virt"], ("6.6.14-0-lts",)),
        (
            "6.8.0-31-generic",
            ["6.8.0-31-generic", "6.8.0-40-generic", "6.8.0-35-generic"],
            (
                "6.8.0-35-generic",
                "6.8.0-40-generic",
            ),
        ),
    ],
)
def test_which_kernels_are_newer(running, installed, expected):
    assert releases.newer(running, installed) == expected


def test_a_file_without_lines_is_a_file():
    files, refused = loader_files.parse_files(["file /boot/grub/grub.cfg", "refused /boot/x"])
    assert files == (loader_files.LoaderFile("/boot/grub/grub.cfg"),)
    assert refused == ("/boot/x",)


MAC = """selinux 1
configured SELINUX=Enforcing
apparmor Y
/usr/bin/x (y)//child (enforce)
a (complain)
@profiles
@end
"""


def test_what_is_enforced():
    found = table("mac", MAC)
    assert (found.selinux, found.configured, found.apparmor) == ("enforcing", "enforcing", True)
    assert found.profiles("enforce") == ("/usr/bin/x (y)//child",)
    assert found.profiles("complain") == ("a",)
    assert table("mac", "apparmor N\n@end\n") == mac.Mac()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("cat: can't open 'x': Permission denied\n@refused", Denied),
        ("cat: x: Invalid argument\n@refused", CannotAssess),
        ("@refused", CannotAssess),
        ("@unmounted", CannotAssess),
    ],
)
def test_profiles_that_are_not_told(words, error):
    found = table("mac", f"apparmor Y\n{words}\n@end\n")
    assert found.apparmor
    with pytest.raises(error):
        found.profiles("enforce")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("mac", MAC.removesuffix("@end\n")),
        ("mac", MAC.replace("selinux 1", "selinux 2")),
        ("mac", MAC.replace("a (complain)", "a")),
        ("mac", MAC.replace("@profiles\n", "")),
        ("mac", "@end\n"),
        ("interfaces_flags", "@end\n"),
        ("interfaces_flags", "net lo 0x9 -\n"),
        ("interfaces_flags", "net lo 9x -\n@end\n"),
        ("interfaces_flags", "net lo 0x9\n@end\n"),
        ("interfaces_flags", "what lo 0x9\n@end\n"),
        ("interfaces_flags", (1, "", "/sys/class/net is not there")),
    ],
)
def test_answers_that_are_not_whole_are_no_table(name, answer):
    with pytest.raises(CannotAssess):
        _ = table(name, answer)


def test_access_control_in_every_shell(shell):
    assert isinstance(mac.parse(run(shell, mac._SCRIPT)), mac.Mac)


def test_selinux_and_apparmor_of_a_host(shell, tmp_path):
    for path, text in {
        "sys/fs/selinux/enforce": "0",
        "etc/selinux/config": "# SELINUX=no\nSELINUX=permissive\nSELINUXTYPE=targeted\n",
        "sys/module/apparmor/parameters/enabled": "Y\n",
        "sys/kernel/security/apparmor/profiles": "a b (enforce)\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    script = mac._SCRIPT.replace("/sys/", f"{tmp_path}/sys/").replace("/etc/", f"{tmp_path}/etc/")
    found = mac.parse(run(shell, script))
    assert found == mac.Mac("permissive", "permissive", apparmor=True, modes={"a b": "enforce"})


FLAGS = """net br0 0x1103 -
net eth0 0x1103 m
net lo 0x9 -
net wlan0 0x1002 w
of rfkill1 wlan0
bluetooth hci0
of rfkill0 hci0
rfkill rfkill0 00
rfkill rfkill1 01
@end
"""


def test_flags_and_radios():
    found = table("interfaces_flags", FLAGS)
    assert found.promiscuous() == ("br0",)
    assert [(r.name, r.kind, r.blocked) for r in found.radios()] == [
        ("wlan0", "wireless", True),
        ("hci0", "bluetooth", False),
    ]
    assert [device.name for device in found if device.is_up] == ["br0", "eth0", "lo"]


def test_radios_of_a_host(shell, tmp_path):
    for path, text in {
        "net/wlan0/flags": "0x1003\n",
        "net/wlan0/phy80211/rfkill0/x": "",
        "net/lo/flags": "0x9\n",
        "net/bonding_masters": "",
        "bluetooth/hci0/rfkill1/x": "",
        "rfkill/rfkill0/soft": "0\n",
        "rfkill/rfkill0/hard": "0\n",
        "rfkill/rfkill1/soft": "1\n",
        "rfkill/rfkill1/hard": "0\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    script = interfaces_flags._SCRIPT.replace("/sys/class", str(tmp_path))
    found = interfaces_flags.parse(run(shell, script))
    assert [(d.name, d.kind, d.is_up, d.blocked) for d in found] == [
        ("lo", "net", True, False),
        ("wlan0", "wireless", True, False),
        ("hci0", "bluetooth", False, True),
    ]


#: Opens a capture that takes everything, and looks at the flags while it is open.
CAPTURE = """import socket, struct, subprocess, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
    s.bind(("d0", 0))
    s.setsockopt(263, 1, struct.pack("IHH8s", socket.if_nametoindex("d0"), 1, 0, b""))
    subprocess.run(sys.argv[1:], check=True)
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root makes a namespace with a capture in it")
def test_a_capture_that_runs_is_seen(tmp_path):
    (tmp_path / "look").write_text(interfaces_flags._SCRIPT)
    (tmp_path / "capture").write_text(CAPTURE)
    setup = (
        "mount -t sysfs sysfs /sys && ip link add d0 type veth peer name d1 && ip link set d0 up"
    )
    look = f"sh {tmp_path}/look"
    argv = ["unshare", "-n", "-m", "sh"]
    before = interfaces_flags.parse(run(argv, f"{setup} && {look}"))
    during = interfaces_flags.parse(run(argv, f"{setup} && python3 {tmp_path}/capture {look}"))
    assert (before.promiscuous(), during.promiscuous()) == ((), ("d0",))
