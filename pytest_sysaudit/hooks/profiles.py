"""The profile of a run: found by option or setting, laid over the collected controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pytest_sysaudit.errors import ProfileError
from pytest_sysaudit.profiles.catalogue import Catalogue, read_catalogue
from pytest_sysaudit.profiles.load import load, shipped
from pytest_sysaudit.profiles.model import Profile
from pytest_sysaudit.profiles.names import Known, Misfit, unknown_names
from pytest_sysaudit.profiles.story import story
from pytest_sysaudit.record import Control, Plain


def overlay_of(config: pytest.Config) -> Overlay | None:
    """Return the profile that the run is to use; None if nobody asked for one.

    Raises:
        ProfileError: it cannot be used.
    """
    given = config.getoption("audit_profile")
    asked = given or config.getini("audit_profile")
    base = config.invocation_params.dir if given else config.rootpath
    return Overlay(load(asked, Path(base))) if asked else None


def listing() -> list[str]:
    """Return a line for each shipped profile."""
    layers = {name: load([name], path.parent).layers[-1] for name, path in shipped().items()}
    width = max(map(len, layers))
    return [f"{name:{width}}  {layer.title}" for name, layer in layers.items()]


class Overlay:
    """Lays a profile over controls as they are read.

    Args:
        profile: what the run is to use.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._declared: dict[str, Control] = {}
        self._inputs: dict[str, Mapping[str, Any]] = {}

    def control(self, control: Control, inputs: Mapping[str, Any]) -> Control:
        """Note a control as its check declares it; return it with the profile's severity."""
        self._declared[control.id], self._inputs[control.id] = control, inputs
        given = self._profile.severity(control.id)
        return replace(control, severity=given[0]) if given else control

    def inputs(self, control: str, declared: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of a control's inputs, those of the profile before the declared."""
        given = self._profile.inputs(control)
        known = {name: value for name, value in given.items() if name in declared}
        return {**declared, **known} if known else declared

    def takes(self, control: Control) -> bool:
        """Whether *control* is to be judged."""
        return self._profile.judge(self._declared.get(control.id, control)) is True

    def refuse_unknown_names(self, config: pytest.Config, misfit: Misfit) -> None:
        """Refuse a profile that names what does not exist.

        Raises:
            ProfileError: with every such name, and every value of a wrong type.
        """
        if not self._declared:
            return
        known = Known(self._declared, self._inputs, lambda: other_controls(config), misfit)
        if problems := unknown_names(self._profile, known):
            raise ProfileError(problems)

    def story(self) -> dict[str, Plain]:
        """Return what reports say about the profile."""
        return story(self._profile, self._declared.values())


def other_controls(config: pytest.Config) -> Catalogue:
    """Return the controls of the shipped checks, and of those that this project may have."""
    base, here = config.rootpath, Path(config.invocation_params.dir)
    places = [Path(str(files("pytest_sysaudit.checks"))), base / "checks"]
    places += [base / name for name in config.getini("testpaths")]
    places += [here / str(argument).partition("::")[0] for argument in config.args]
    return read_catalogue(place.parent if place.is_file() else place for place in places)
