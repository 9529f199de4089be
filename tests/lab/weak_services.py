"""What runs on the weak host and should not, what should run and does not."""

from __future__ import annotations

from lab.dockerlike import docker
from lab.plant import Plant, port, service, unit, write

_FAILED = "Failed password for root from 203.0.113.9 port 4022 ssh2"
#: journald hands a burst on to rsyslog in part only: some lines at a time, until enough are there.
_BURST = f"""i=0; until [ "$(grep -c 203.0.113.9 /var/log/auth.log)" -ge 60 ]; do
i=$((i+1)); [ $i -lt 100 ] || exit 1
for n in 1 2 3 4 5 6 7 8 9 10; do echo '{_FAILED}'; done | logger -p auth.info -t 'sshd[77]'
sleep 0.1; done"""
_FULL = """mkdir /srv/full; mount -t tmpfs -o size=1m full /srv/full
head -c 1020000 /dev/zero >/srv/full/data"""
_MANY = """mkdir /srv/many; mount -t tmpfs -o nr_inodes=20 many /srv/many
i=0; while [ $i -lt 18 ]; do : >/srv/many/$i; i=$((i+1)); done"""
PLANTS: dict[str, Plant] = {
    "service.failed": Plant(
        "lab-fails.service",
        unit("lab-fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false", start=True),
    ),
    "service.unwanted": Plant("rpcbind", service("rpcbind", "/bin/sleep infinity")),
    "service.required": Plant("no-such-service", inputs={"services": ["no-such-service"]}),
    "service.ftp-anon": Plant(
        "/etc/vsftpd.conf:1",
        write("/usr/sbin/vsftpd", "#!/bin/sh", mode="0755")
        + "\n"
        + write("/etc/vsftpd.conf", "anonymous_enable=YES"),
    ),
    "service.exports": Plant(
        "no_root_squash",
        write("/usr/sbin/exportfs", "#!/bin/sh", mode="0755")
        + "\n"
        + write("/etc/exports", "/srv *(rw,no_root_squash)"),
    ),
    "service.sandbox": Plant("rpcbind", inputs={"enabled": True}),
    "net.listening": Plant("tcp 0.0.0.0:2323", port(2323)),
    "net.missing-listener": Plant("nobody listens on 443"),
    "net.mta-local": Plant("0.0.0.0:25 ", port(25)),
    "net.promisc": Plant("host0", running="ip link set host0 promisc on"),
    "net.firewall": Plant("nothing keeps out IPv4 tcp on host0"),
    "net.firewall-open-ports": Plant("tcp 0.0.0.0:2323"),
    "net.firewall-loopback": Plant("forged packets get in"),
    "log.active": Plant(
        "rsyslog", running="systemctl --quiet mask --now rsyslog.service syslog.socket", later=True
    ),
    "log.persistent": Plant(
        "volatile", write("/etc/systemd/journald.conf.d/lab.conf", "[Journal]", "Storage=volatile")
    ),
    "log.remote": Plant("remote"),
    "log.no-listen": Plant(
        "udp 0.0.0.0:514",
        write("/etc/rsyslog.d/lab.conf", 'module(load="imudp")', 'input(type="imudp" port="514")'),
    ),
    "log.filemode": Plant(
        "/etc/rsyslog.conf", "sed -i 's/^.FileCreateMode.*/$FileCreateMode 0666/' /etc/rsyslog.conf"
    ),
    "log.rotate": Plant("logrotate"),
    "log.patterns": Plant("203.0.113.9", running=_BURST),
    "time.daemon": Plant("no time daemon"),
    "time.synced": Plant("no time daemon"),
    "time.sources": Plant(
        "0 time servers",
        running="sed -i /^pool/d /etc/chrony/chrony.conf; systemctl start chrony",
        later=True,
    ),
    "time.skew": Plant(
        "off by 3600",
        running="mv /usr/bin/date /usr/bin/date.right\n"
        'printf \'#!/bin/sh\\nexec /usr/bin/date.right -d "+1 hour" "$@"\\n\' >/usr/bin/date\n'
        "chmod 0755 /usr/bin/date; date",
        later=True,
    ),
    "integrity.installed": Plant("has no data base", "rm -f /var/lib/aide/aide.db*"),
    "integrity.scheduled": Plant(
        "nothing runs aide",
        "systemctl --quiet disable dailyaidecheck.timer; rm -f /etc/cron.daily/dailyaidecheck",
    ),
    "container.socket": Plant("/run/docker.sock", docker(weak=True)),
    "container.tcp": Plant("tcp://0.0.0.0:2375"),
    "container.daemon": Plant("insecure-registries"),
    "container.privileged": Plant("mighty is privileged"),
    "health.swap": Plant("% of swap used"),
    "health.sensors": Plant("coretemp"),
    "health.raid": Plant("/dev/sda"),
    "net.wireless": Plant("wlan0"),
    "health.disk": Plant("/srv/full", running=_FULL),
    "health.inodes": Plant("/srv/many", running=_MANY),
    "health.zombies": Plant(
        "zombie", running="systemd-run --quiet --unit=lab-zombie sh -c 'true & exec sleep infinity'"
    ),
    "health.deleted-exe": Plant(
        "/tmp/gone",
        running="cp /bin/sleep /tmp/gone; systemd-run --quiet --unit=lab-gone /tmp/gone infinity\n"
        "sleep 0.3; rm /tmp/gone",
    ),
    "health.fds": Plant("systemd", inputs={"maximum": 0}),
    "health.pressure": Plant(
        "work waited", inputs={"maximum": {"cpu": -1.0, "memory": -1.0, "io": -1.0}}
    ),
    "health.restart-needed": Plant(
        "updated",
        running="cp /bin/sleep /opt/updated\n"
        "systemd-run --quiet --unit=lab-updated /opt/updated infinity\n"
        "sleep 0.3; rm /opt/updated; cp /bin/sleep /opt/updated",
    ),
    "health.users": Plant(
        "games",
        running="systemd-run --quiet --unit=lab-user -p UtmpIdentifier=lab -p UtmpMode=user"
        " -p TTYPath=/dev/pts/77 -p User=games sleep infinity",
        inputs={"users": ["auditor"]},
    ),
    "health.memory": Plant("memory", inputs={"minimum": 100}),
    "health.load": Plant("load is", inputs={"maximum": -1.0}),
    "health.uptime": Plant("started", inputs={"minimum_seconds": 1_000_000_000}),
    "mount.tmp": Plant("/tmp lacks noexec"),
    "mount.shm": Plant("noexec"),
    "mount.var-tmp": Plant("/var/tmp"),
    "mount.separate": Plant("/var/log"),
    "mount.data": Plant("/srv/data", running="mkdir /srv/data; mount --bind /srv/data /srv/data"),
    "mount.fstab-drift": Plant(
        "/srv/drift",
        "echo 'drift /srv/drift tmpfs noauto,nosuid,noexec,nodev 0 0' >>/etc/fstab",
        "mkdir -p /srv/drift; mount -t tmpfs drift /srv/drift",
    ),
}
