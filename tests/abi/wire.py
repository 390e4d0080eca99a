# SPDX-License-Identifier: MIT
"""What is on the wire is an interface: proto/*.proto against the table in wire.txt.

Clients were compiled with these numbers. wire.txt is written by hand and only ever grows: a line
for each message ("Name: 1 field type, …") and for each method ("Service.Method: …"). Fields are
"number name type", with "[]" for repeated and "@name" for a member of that oneof.
"""

import re

import tap

FOLDER = tap.SOURCE / "proto"
TABLE = tap.SOURCE / "tests" / "abi" / "wire.txt"
FILES = ("joblet.proto", "joblet_ext.proto")
# Below it numbers belong to existing clients, from it on they are ours.
OURS = 1000

FIELD = re.compile(r"(repeated )?(map<\w+, \w+>|[\w.]+) (\w+) = (\d+)$")
METHOD = re.compile(r"rpc (\w+)\((stream )?([\w.]+)\) returns \((stream )?([\w.]+)\)$")


def statements(text):
    """Pieces that end with ; { or }, without comments."""
    text = re.sub(r"//[^\n]*", "", text)
    for piece in re.findall(r"[^;{}]*[;{}]", text):
        yield " ".join(piece[:-1].split()), piece[-1]


def parse(text):
    """({message: {number: (name, type)}}, {service.method: signature}, problems)."""
    messages, methods, problems = {}, {}, []
    message = service = oneof = None
    for words, end in statements(text):
        field, method = FIELD.match(words), METHOD.match(words)
        if end == "}":
            if oneof:
                oneof = None
            else:
                message = service = None
        elif words.startswith("message ") and not message:
            message = words.split()[1]
            messages[message] = {}
        elif words.startswith("service "):
            service = words.split()[1]
        elif words.startswith("oneof ") and message:
            oneof = words.split()[1]
        elif field and message:
            repeated, kind, name, number = field.groups()
            kind = kind.replace(" ", "") + ("[]" if repeated else "") + \
                (f"@{oneof}" if oneof else "")
            if int(number) in messages[message]:
                problems.append(f"{message} has two fields with number {number}")
            messages[message][int(number)] = (name, kind)
        elif method and service:
            name, client, request, server, reply = method.groups()
            methods[f"{service}.{name}"] = \
                f"{client or ''}{request} -> {server or ''}{reply}"
        elif not re.match(r'(syntax = "proto3"|package [\w.]+|import "\w+\.proto")$', words):
            problems.append(f'not understood: "{words}{end}"')
    return messages, methods, problems


def parse_table():
    """The same of wire.txt, by package."""
    packages = {}
    package = None
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("package "):
            package = packages.setdefault(line.split()[1], ({}, {}))
            continue
        name, _, rest = line.partition(":")
        if "->" in rest:
            package[1][name] = rest.strip()
            continue
        package[0][name] = {}
        for field in filter(None, (part.strip() for part in rest.split(", "))):
            number, field_name, kind = field.split(" ", 2)
            package[0][name][int(number)] = (field_name, kind)
    return packages


def differences(what, is_, should):
    """Sentences; a name may stand only on one side."""
    for name in sorted(is_.keys() | should.keys(), key=str):
        if is_.get(name) != should.get(name):
            yield (f"{what}{name}: {is_.get(name, 'nothing')} in the .proto file, "
                   f"{should.get(name, 'nothing')} in wire.txt")


def main():
    table = parse_table()
    for file in FILES:
        text = (FOLDER / file).read_text(encoding="utf-8")
        package = re.search(r"^package ([\w.]+);", text, re.M).group(1)
        messages, methods, problems = parse(text)
        wanted_messages, wanted_methods = table.pop(package, ({}, {}))
        tap.check(f"{file} is understood", problems)
        tap.check(f"{file}: the methods", differences("", methods, wanted_methods))
        tap.check(f"{file}: the messages", [
            f"{name} is only in " + (file if name in messages else "wire.txt")
            for name in sorted(messages.keys() ^ wanted_messages.keys())])
        tap.check(f"{file}: the fields", [
            line for name in sorted(messages.keys() & wanted_messages.keys())
            for line in differences(f"{name} ", messages[name], wanted_messages[name])])
        if package == "joblet":
            tap.check("what is ours has numbers of ours", [
                f"{name} {number} {field}: joblet.x.v1 has no place below {OURS}"
                for name, fields in messages.items() for number, (field, kind) in fields.items()
                if kind.startswith("x.v1.") and number < OURS])
    tap.check("the table has no other package", [f"package {name}" for name in table])
    tap.done()


main()
