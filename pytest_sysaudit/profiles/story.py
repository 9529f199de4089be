"""What reports say about the profile of a run."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_sysaudit.profiles.model import LeftOut, Profile
from pytest_sysaudit.record import Control, Plain


def story(profile: Profile, controls: Iterable[Control]) -> dict[str, Plain]:
    """Return JSON data about *profile*.

    Args:
        profile: what was asked for.
        controls: the collected controls, with the severities that their checks declare.

    Returns:
        ``name``; ``files``, each with ``name``, ``title`` and ``sha256``; ``excluded``, each with
        ``control``, ``reason`` and ``profile``; ``severities``, each with ``control``,
        ``declared``, ``severity`` and ``profile``.
    """
    excluded, severities = [], []
    for control in sorted(controls, key=lambda control: control.id):
        answer = profile.judge(control)
        if isinstance(answer, LeftOut):
            parts = {"reason": answer.reason, "profile": answer.layer}
            excluded.append({"control": control.id, **parts})
        given = profile.severity(control.id)
        if answer is True and given and given[0] is not control.severity:
            parts = {"declared": control.severity.value, "severity": given[0].value}
            severities.append({"control": control.id, **parts, "profile": given[1]})
    files = [
        {"name": layer.name, "title": layer.title, "sha256": layer.document.sha256}
        for layer in profile.layers
    ]
    return {
        "name": profile.name,
        "files": files,
        "excluded": excluded,
        "severities": severities,
    }
