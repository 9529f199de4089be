"""What people read about the profile of a run."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_sysaudit.record import Plain
from pytest_sysaudit.text import plural


def profile_lines(profile: Mapping[str, Plain] | None, *, digests: bool = False) -> list[str]:
    """Return the profile's name and what it leaves out, a line each; [] without one.

    Args:
        profile: ``run.profile`` of a document.
        digests: whether the files and their SHA-256 follow the name.
    """
    if not profile:
        return []
    excluded, severities = profile["excluded"], profile["severities"]
    first = f"profile {profile['name']}"
    if excluded:
        first += f": {plural(len(excluded), 'control')} left out on purpose"
    if severities:
        first += f"{',' if excluded else ':'} {len(severities)} of another severity"
    lines = [first]
    if digests:
        lines += [f"{file['name']}: SHA-256 {file['sha256']}" for file in profile["files"]]
    lines += [f"{one['control']} is left out: {one['reason']}" for one in excluded]
    lines += [f"{s['control']} counts as {s['severity']}, not {s['declared']}" for s in severities]
    return lines
