# ruff: noqa: PT009 - the suite does what users do
import unittest

import pytest

from conftest import note


@pytest.fixture(scope="class")
def of_class(host):
    host.run("class")
    yield host.target.name
    host.run("class")
    note(f"tear down of_class {host.target.name}")


class TestClass:
    def setup_method(self):
        self.ready = True

    def test_first(self, host, of_class):
        host.run("x")
        assert of_class == host.target.name
        assert self.ready

    def test_second(self, host, of_class):
        host.run("x")
        assert of_class == host.target.name


@pytest.fixture
def bad_set_up(host):
    host.run("x")
    raise RuntimeError(f"set-up of {host.target.name}")


@pytest.fixture
def bad_tear_down(host):
    yield
    host.run("x")
    raise RuntimeError(f"tear-down of {host.target.name}")


@pytest.fixture(scope="module")
def bad_module(host):
    host.run("x")
    note(f"bad_module {host.target.name}")
    raise RuntimeError(f"module of {host.target.name}")


@pytest.fixture(scope="module")
def picky_module(host):
    host.run("x")
    if host.target.name.endswith("1"):
        pytest.skip(f"not for {host.target.name}")


def test_bad_set_up(host, bad_set_up):
    assert host


def test_bad_tear_down(host, bad_tear_down):
    assert host


def test_bad_call_and_tear_down(host, bad_tear_down):
    assert host.target.name == "other"


def test_bad_module(host, bad_module):
    assert host


def test_bad_module_again(host, bad_module):
    assert host


def test_picky(host, picky_module):
    assert host


def test_without_a_target(shared):
    assert shared


def test_local(local_host):
    assert local_host


@pytest.mark.control("suite.target")
def test_target(target):
    assert target.name


class TestCase(unittest.TestCase):
    def test_plain(self):
        with self.subTest("x"):
            self.assertTrue(True)
