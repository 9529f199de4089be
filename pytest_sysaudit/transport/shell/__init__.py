"""One persistent /bin/sh per host and privilege, over whatever can start one there."""
