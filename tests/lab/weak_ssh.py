"""What is wrong with sshd, sudo and keys on the weak host."""

from __future__ import annotations

from lab.plant import Plant, sshd, write

_SUDO = "/etc/sudoers.d"

PLANTS: dict[str, Plant] = {
    "ssh.root-login": Plant("permitrootlogin", sshd("PermitRootLogin yes")),
    "ssh.empty-passwords": Plant("permitemptypasswords", sshd("PermitEmptyPasswords yes")),
    "ssh.password-auth": Plant("passwordauthentication", sshd("PasswordAuthentication yes")),
    "ssh.max-auth-tries": Plant("MaxAuthTries is 10", sshd("MaxAuthTries 10")),
    "ssh.login-grace": Plant("LoginGraceTime is 300", sshd("LoginGraceTime 300")),
    "ssh.x11": Plant("x11forwarding", sshd("X11Forwarding yes")),
    "ssh.hostbased": Plant("hostbasedauthentication", sshd("HostbasedAuthentication yes")),
    "ssh.rhosts": Plant("ignorerhosts", sshd("IgnoreRhosts no")),
    "ssh.user-env": Plant("permituserenvironment", sshd("PermitUserEnvironment yes")),
    "ssh.log-level": Plant("silent", sshd("LogLevel QUIET")),
    "ssh.strict-modes": Plant("strictmodes", sshd("StrictModes no")),
    "ssh.banner": Plant("banner", sshd("Banner none")),
    "ssh.idle": Plant("every 0 s", sshd("ClientAliveInterval 0")),
    "ssh.forwarding": Plant("allowtcpforwarding", sshd("AllowTcpForwarding yes")),
    "ssh.sessions": Plant("maxsessions", sshd("MaxSessions 100", "MaxStartups 100:30:200")),
    "ssh.pam": Plant("usepam", sshd("UsePAM no")),
    "ssh.access-list": Plant("neither AllowUsers", sshd("# nobody is named")),
    "ssh.match-blocks": Plant(
        "games", sshd("Match User games", "  MaxAuthTries 20", file="90-match.conf")
    ),
    "ssh.ciphers": Plant("3des-cbc", sshd("Ciphers +aes128-cbc,3des-cbc")),
    "ssh.macs": Plant("hmac-sha1", sshd("MACs +hmac-sha1")),
    "ssh.kex": Plant("group14-sha1", sshd("KexAlgorithms +diffie-hellman-group14-sha1")),
    "ssh.wire": Plant("3des-cbc"),
    "ssh.hostkey-alg": Plant("ssh-rsa", sshd("HostKeyAlgorithms +ssh-rsa")),
    "ssh.hostkey-size": Plant(
        "ssh_host_rsa_key (ssh-rsa, 1024 bits)",
        "rm /etc/ssh/ssh_host_rsa_key*\n"
        "ssh-keygen -q -t rsa -b 1024 -N '' -C lab -f /etc/ssh/ssh_host_rsa_key",
    ),
    "ssh.moduli": Plant(
        "1 of 1024 bits", "echo '20200101000000 2 6 100 1023 2 F3A1' >>/etc/ssh/moduli"
    ),
    "ssh.config-mode": Plant("/etc/ssh/sshd_config", "chmod 0666 /etc/ssh/sshd_config"),
    "ssh.hostkey-mode": Plant("ssh_host_ecdsa_key", "chmod 0640 /etc/ssh/ssh_host_ecdsa_key"),
    "ssh.client": Plant(
        "forwardagent",
        write(
            "/etc/ssh/ssh_config.d/lab.conf",
            "Host *",
            "  ForwardAgent yes",
            "  StrictHostKeyChecking no",
        ),
    ),
    "sudo.nopasswd": Plant(
        "auditor",
        write(f"{_SUDO}/lab", "auditor ALL=(ALL) NOPASSWD: /usr/bin/id", mode="0440"),
    ),
    "sudo.authenticate": Plant(
        "authenticate", write(f"{_SUDO}/asks-nobody", "Defaults !authenticate", mode="0440")
    ),
    "sudo.use-pty": Plant("use_pty", write(f"{_SUDO}/no-pty", "Defaults !use_pty", mode="0440")),
    "sudo.logfile": Plant("syslog", write(f"{_SUDO}/no-log", "Defaults !syslog", mode="0440")),
    "sudo.all-all": Plant("games", write(f"{_SUDO}/all", "games ALL=(ALL:ALL) ALL", mode="0440")),
    # sudo does not read this one, for everybody may write it: a finding all the same
    "sudo.mode": Plant(
        "/etc/sudoers.d/open", write(f"{_SUDO}/open", "news ALL=(ALL) ALL", mode="0666")
    ),
    "account.authorized-keys": Plant(
        "/home/wide/.ssh/authorized_keys",
        "mkdir -p /home/wide/.ssh; ssh-keygen -q -t rsa -b 1024 -N '' -C small -f /tmp/small\n"
        "cat /tmp/small.pub >/home/wide/.ssh/authorized_keys; rm /tmp/small*\n"
        "chown -R wide: /home/wide/.ssh; chmod 0666 /home/wide/.ssh/authorized_keys",
    ),
    "secret.ssh-keys": Plant(
        "/home/wide/.ssh/id_ed25519",
        "ssh-keygen -q -t ed25519 -N '' -C bare -f /home/wide/.ssh/id_ed25519\n"
        "chown wide: /home/wide/.ssh/id_ed25519*; chmod 0644 /home/wide/.ssh/id_ed25519",
    ),
}
