"""What OpenSCAP makes of an XCCDF file: Debian's oscap and the schema that comes with it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

SCHEMA = Path("/usr/share/openscap/schemas/xccdf/1.2/xccdf_1.2.xsd")
#: What `oscap xccdf generate report` makes its page with.
STYLESHEET = Path("/usr/share/openscap/xsl/xccdf-report.xsl")
NO_OSCAP = (
    None if shutil.which("oscap") and SCHEMA.exists() else "no oscap here: install openscap-scanner"
)


@cache
def schema():
    """Return the official XCCDF 1.2 schema."""
    from lxml import etree

    return etree.XMLSchema(file=str(SCHEMA))


def oscap(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``oscap xccdf`` with *arguments*."""
    argv = ["oscap", "xccdf", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
