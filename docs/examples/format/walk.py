"""Verify a recording without pytest-sysaudit: python walk.py DIR."""

import gzip
import hashlib
import json
import sys
from pathlib import Path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def walk_chain(path):
    """Follow the hashes of a chain; return its records and its last hash."""
    last, records = "0" * 64, []
    for line in path.read_bytes().split(b"\n")[:-1]:  # behind the last one: a torn record
        last = sha256(last.encode() + b" " + line[65:])
        assert line[:65] == last.encode() + b" ", f"{path.name}: record {len(records) + 1}"
        records.append(json.loads(line[65:]))
    return records, last


def named(records):
    """Yield what the records name of the pack."""
    for record in records:
        parts = record.get("observation", record.get("note", {})).get("parts", ())
        yield from (part for part in getattr(parts, "values", parts.__iter__)() if "at" in part)


def walk_pack(path, records, *, whole):
    """Check each content where a record names it, and that nothing is in between."""
    data, end = path.read_bytes(), 0
    for part in sorted(named(records), key=lambda part: part["at"]):
        member = data[part["at"] : part["at"] + part["packed"]]
        assert sha256(member) == part["packed_sha256"], f"{path.name}: byte {part['at']}"
        content = gzip.decompress(member)
        assert (sha256(content), len(content)) == (part["sha256"], part["size"])
        assert part["at"] <= end, f"{path.name}: byte {end}: nothing names this"
        end = max(end, part["at"] + part["packed"])
    assert end == len(data) or not whole, f"{path.name}: byte {end}: nothing names this"


def walk(folder):
    """Return whether the run ended; raise AssertionError where something is not as it was."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes()) if path.exists() else None
    for chain in sorted(folder.glob("*.chain")):
        records, last = walk_chain(chain)
        pack = chain.with_suffix(".objects.gz")
        walk_pack(pack, records, whole=manifest is not None)
        if manifest is not None:
            told = {entry["name"]: entry for entry in manifest["chains"] + manifest["packs"]}
            size = chain.stat().st_size
            assert told[chain.name] == {
                "name": chain.name, "records": len(records), "last": last, "size": size
            }  # fmt: skip
            assert told[pack.name]["sha256"] == sha256(pack.read_bytes())
    return manifest is not None


if __name__ == "__main__":
    sys.exit(None if walk(Path(sys.argv[1])) else "the run did not end")
