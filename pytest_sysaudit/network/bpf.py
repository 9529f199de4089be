"""Capture filters: compiled by libpcap, or by our own assembler where it is not installed."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from pytest_sysaudit.errors import CannotAssess
from pytest_sysaudit.network import bpf_assembler
from pytest_sysaudit.network.bpf_assembler import Instruction, Program
from pytest_sysaudit.network.decode import untagged
from pytest_sysaudit.text import decode

#: libpcap's own number for raw IP differs from the one in files.
_DLT = {101: 12}
_NETMASK_UNKNOWN = 0xFFFFFFFF
_LIBRARIES = ("libpcap.so.0.8", "libpcap.so.1", "libpcap.so")


class _Line(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Code(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("lines", ctypes.POINTER(_Line)))


@cache
def libpcap() -> ctypes.CDLL | None:
    """Return libpcap, or None where it is not installed."""
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.pcap_open_dead.restype = ctypes.c_void_p
        library.pcap_geterr.restype = ctypes.c_char_p
        for function in (library.pcap_geterr, library.pcap_close):
            function.argtypes = [ctypes.c_void_p]
        code = ctypes.POINTER(_Code)
        library.pcap_compile.argtypes = [
            ctypes.c_void_p, code, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32,
        ]  # fmt: skip
        library.pcap_freecode.argtypes = [code]
        return library
    return None


def compile_filter(expression: str, link: int, snaplen: int, library: Any = libpcap) -> Program:
    """Return the cBPF program of *expression*, written as for tcpdump.

    Args:
        expression: "" lets everything through.
        link: the link-layer type that the program is for.
        snaplen: how many bytes of a packet the program keeps.
        library: gives libpcap, or None where there is none.

    Raises:
        CannotAssess: the expression is no filter; the message holds libpcap's own.
    """
    if not expression.strip():
        return ((0x06, 0, 0, snaplen),)
    found = library()
    if found is None:
        return bpf_assembler.assemble(expression, link, snaplen)
    if "\0" in expression:
        raise CannotAssess(f"the capture filter {expression!r} holds a zero byte")
    return _compile(found, expression, link, snaplen)


def _compile(library: ctypes.CDLL, expression: str, link: int, snaplen: int) -> Program:
    handle = library.pcap_open_dead(_DLT.get(link, link), snaplen)
    code = _Code()
    try:
        failed = library.pcap_compile(
            handle, ctypes.byref(code), expression.encode(), 1, _NETMASK_UNKNOWN
        )
        if failed:
            why = decode(library.pcap_geterr(handle) or b"no reason given")
            raise CannotAssess(f"the capture filter {expression!r} is wrong: libpcap says: {why}")
        lines = [code.lines[index] for index in range(code.length)]
        program = tuple((line.code, line.jt, line.jf, line.k) for line in lines)
        library.pcap_freecode(ctypes.byref(code))
        return program
    finally:
        library.pcap_close(handle)


def matcher(expression: str, link: int) -> Callable[[bytes], bool]:
    """Return what tells whether *expression* lets a frame of type *link* through.

    VLAN tags are looked at only if the expression is about them, as in a live capture.
    """
    program = compile_filter(expression, link, 0x40000)
    if re.search(r"\bvlan\b", expression):
        return lambda data: run(program, data) > 0
    return lambda data: run(program, untagged(data, link)) > 0


_JUMPS: dict[int, Callable[[int, int], bool]] = {
    0x00: lambda _a, _b: True,
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: bool(a & b),
}
_ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    0x00: lambda a, b: a + b,
    0x10: lambda a, b: a - b,
    0x20: lambda a, b: a * b,
    0x30: lambda a, b: a // b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << b if b < 32 else 0,  # noqa: PLR2004 - bits of a register
    0x70: lambda a, b: a >> b,
    0x80: lambda a, _b: -a,
    0x90: lambda a, b: a % b,
    0xA0: lambda a, b: a ^ b,
}
_WIDTH = {0x00: 4, 0x08: 2, 0x10: 1}
_WORD = 0xFFFFFFFF


class _Machine:
    """The registers of one run of a program over one frame."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.a = self.x = 0
        self.memory = [0] * 16

    def load(self, code: int, k: int) -> int:
        """Return what a load instruction loads; IndexError if it is beyond the frame."""
        mode = code & 0xE0
        if mode in (0x20, 0x40):  # absolute, or relative to X
            at = k + (self.x if mode == 0x40 else 0)  # noqa: PLR2004
            return self._number(at, _WIDTH[code & 0x18])
        if mode == 0xA0:  # noqa: PLR2004 - the length of an IPv4 header
            return 4 * (self._number(k, 1) & 15)
        return {0x00: k, 0x60: self.memory[k & 15], 0x80: len(self.data)}[mode]

    def _number(self, at: int, width: int) -> int:
        if at + width > len(self.data):
            raise IndexError(at)
        return int.from_bytes(self.data[at : at + width])

    def step(self, line: Instruction) -> int:
        """Carry out one instruction; return how many of those that follow to skip."""
        code, jt, jf, k = line
        kind = code & 7
        operand = self.x if code & 8 else k
        if kind == 0:
            self.a = self.load(code, k)
        elif kind == 1:
            self.x = self.load(code, k)
        elif kind in (2, 3):
            self.memory[k & 15] = self.a if kind == 2 else self.x  # noqa: PLR2004
        elif kind == 4:  # noqa: PLR2004 - arithmetic
            self.a = _ARITHMETIC[code & 0xF0](self.a, operand) & _WORD
        elif kind == 5:  # noqa: PLR2004 - jump
            if code & 0xF0 == 0:
                return k
            return jt if _JUMPS[code & 0xF0](self.a, operand) else jf
        elif code & 0xF8 == 0x80:  # noqa: PLR2004 - X to A
            self.a = self.x
        else:
            self.x = self.a
        return 0


def run(program: Program, data: bytes) -> int:
    """Run a cBPF program over a frame as the kernel does; return how many bytes it keeps."""
    machine = _Machine(data)
    at = 0
    try:
        while program[at][0] & 7 != 6:  # noqa: PLR2004 - return
            at += 1 + machine.step(program[at])
    except (IndexError, ZeroDivisionError):
        return 0  # a load beyond the frame, a division by zero: the kernel refuses the packet
    code, _, _, k = program[at]
    return machine.a if code & 0x10 else k
