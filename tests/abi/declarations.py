# SPDX-License-Identifier: MIT
"""Reads the public headers: functions, their parameters and the comment in front of each."""

import re
from typing import NamedTuple


class Function(NamedTuple):
    header: str
    line: int
    name: str
    result: str
    params: list
    comment: str


_COMMENT = re.compile(r"/\*\*.*?\*/", re.S)
_FUNCTION = re.compile(
    r"(?P<comment>/\*\*(?:(?!\*/).)*\*/\s*)?^JL_API\b(?P<decl>[^;]*);", re.S | re.M)
_NAME = re.compile(r"(?P<result>.*?)\b(?P<name>jl_\w+)\s*\((?P<params>.*)\)\s*$", re.S)


def _split(params):
    """Splits at commas outside parentheses."""
    depth, part, parts = 0, "", []
    for c in params:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += c
    return [" ".join(p.split()) for p in parts + [part]]


def _param_name(param):
    pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)", param)
    return pointer.group(1) if pointer else re.findall(r"\w+", param)[-1]


def functions(path):
    text = path.read_text()
    for match in _FUNCTION.finditer(text):
        decl = _NAME.match(match.group("decl").strip())
        params = _split(decl.group("params"))
        if params == ["void"]:
            params = []
        yield Function(
            header=path.name,
            line=text.count("\n", 0, match.start("decl")) + 1,
            name=decl.group("name"),
            result=decl.group("result").replace("JL_MUST_CHECK", "").strip(),
            params=[_param_name(p) for p in params],
            comment=match.group("comment") or "")


def comments(path):
    return _COMMENT.findall(path.read_text())
