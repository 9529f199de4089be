"""What Heimdall makes of an HDF file: its own reader, inspecjs, run by node.

The package stands unmodified, as npm hands it out, in tests/data with its licence (Apache-2.0):
30 kB without dependencies, where Debian's npm brings some hundred packages to install it with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
PACKAGE = DATA / "inspecjs-2.12.6.tgz"
#: npm's `dist.integrity` (sha512) of this release.
INTEGRITY = (
    "XsS4QwuYaknGKJSrkAtiPmpBy/HVRWi4Hsd3U5EaRiYykwnf2BV6SNxedK9QOrFt2geZNWqkaptGXXVMTJtIzQ=="
)
NO_NODE = None if shutil.which("node") else "no node to run Heimdall's reader: install nodejs"

_READ = """
const {convertFile, contextualizeEvaluation} = require(process.argv[1]);
const read = convertFile(require("fs").readFileSync(process.argv[2], "utf8"), true);
const file = read["1_0_ExecJson"];
const errors = Object.fromEntries(Object.entries(read.errors || {}).map(([k, e]) => [k, `${e}`]));
const shown = !file ? [] : contextualizeEvaluation(file).contains.flatMap(p => p.contains)
  .filter(c => c.extendedBy.length === 0).map(c => ({
    id: c.data.id, status: c.root.hdf.status, severity: c.root.hdf.severity,
    nist: c.root.hdf.canonized_nist({}), details: c.root.hdf.finding_details,
    waived: c.root.hdf.waived, attested: c.root.hdf.attested,
    descriptions: c.root.hdf.descriptions, code: c.full_code, segments: c.root.hdf.segments}));
process.stdout.write(JSON.stringify({kind: file ? "exec-json" : "", errors, shown}));
"""


def unpack(folder: Path) -> Path:
    """Unpack the reader below *folder* and return where it is; its hash is npm's."""
    content = PACKAGE.read_bytes()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    assert found == INTEGRITY, f"{PACKAGE} is not what npm hands out"
    with tarfile.open(PACKAGE) as archive:
        archive.extractall(folder)  # its hash was checked: nobody else made it
    return folder / "package"


def read(reader: Path, file: Path) -> dict[str, Any]:
    """Return what the reader makes of *file*.

    Returns:
        ``kind``: ``exec-json``, or "" for what it cannot read; ``errors``: why not; ``shown``: the
        controls of Heimdall's table, each with what it shows of them.
    """
    argv = ["node", "-e", _READ, str(reader), str(file)]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
