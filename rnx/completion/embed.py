# SPDX-License-Identifier: MIT
"""Writes files as texts of C: NAME=FILE… become static const char NAME[]."""

import sys

print("/* SPDX-License-Identifier: MIT */")
for word in sys.argv[1:]:
    name, path = word.split("=", 1)
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    print(f"static const char {name}[] =")
    for line in lines:
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("?", "\\?")
        print(f'\t"{escaped}\\n"')
    print("\t;")
