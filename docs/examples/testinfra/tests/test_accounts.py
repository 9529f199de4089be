testinfra_hosts = ["sysaudit://web"]


def test_passwd(host):
    passwd = host.file("/etc/passwd")
    assert passwd.exists
    assert passwd.user == "root"
    assert host.user("root").uid == 0


def test_command(host):
    command = host.run("echo %s", "it's quoted")
    assert command.rc == 0
    assert command.stdout == "it's quoted\n"
