"""The files that `sysaudit init` writes, as they are written."""
