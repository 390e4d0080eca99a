#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completion as the shells do it: a line, the tab key, and what they offer then."""

import json
import os
import shutil
import subprocess
import tempfile

from cli import PATIENCE, RNX, main, rnx, same, test

FOLDER = tempfile.mkdtemp(prefix="rnx-completion-")
# By its name, as people call it.
os.symlink(os.path.abspath(RNX), os.path.join(FOLDER, "rnx"))
os.makedirs(os.path.join(FOLDER, "a folder", "inside"))
open(os.path.join(FOLDER, "a file"), "w", encoding="utf-8").close()
ENVIRONMENT = dict(os.environ, PATH=FOLDER + ":" + os.environ["PATH"], HOME=FOLDER,
                   TERM="dumb")

# Sets what bash sets when the tab key is pressed at the end of a line, and calls what it
# calls; bash itself parts the line into words.
BASH = r"""
source <(rnx completion bash)
function answer {
	local i word
	COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
	COMP_WORDS=()
	# As readline does, with = and : as words of their own.
	for word in $1; do
		while [[ $word == *[=:]* ]]; do
			i=${word%%[=:]*}
			[[ -n $i ]] && COMP_WORDS+=("$i")
			word=${word#"$i"}
			COMP_WORDS+=("${word:0:1}")
			word=${word:1}
		done
		[[ -n $word ]] && COMP_WORDS+=("$word")
	done
	[[ $1 == *[\ =:] ]] && COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	function compopt { :; }
	_rnx rnx "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "${COMPREPLY[@]}"
}
answer "$1"
"""

# What zsh's own functions would be given; they work under a line editor only.
ZSH = r"""
function compdef { }
function compset { PREFIX=${PREFIX#*=} }
function compadd { print -rl -- "${(@)values}" }
function _files { print -r -- "files ${1-}" }
function _normal { print -r -- "normal $CURRENT ${words[1]}" }
rnx completion zsh >$HOME/_rnx && source $HOME/_rnx
words=("${(@s: :)1}")
CURRENT=$#words PREFIX=${words[-1]}
_rnx
exit 0
"""


def shell(name, *argv):
    result = subprocess.run([name, *argv], env=ENVIRONMENT, cwd=FOLDER, timeout=PATIENCE,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, check=False)
    same(result.returncode, 0, result.stderr)
    return result.stdout.decode()


def bash(line):
    return shell("bash", "--norc", "-c", BASH, "bash", line).splitlines()


def zsh(line):
    return shell("zsh", "-f", "-c", ZSH, "zsh", line).splitlines()


def fish(line):
    return shell("fish", "--no-config", "-c",
                 "rnx completion fish | source; complete -C $argv[1]", line).splitlines()


def words(lines):
    return sorted(line.split("\t")[0] for line in lines if line)


def a_job():
    reply = rnx("--json", "run", "-d", "--network=none", "--schedule=5h", "true")
    same(reply.returncode, 0, reply.stderr)
    return str(json.loads(reply.stdout)["number"])


def offers(complete):
    """What all of them have to know."""
    same(words(complete("rnx sta")), ["status"])
    same(words(complete("rnx run --max-c")), ["--max-cpu"])
    number = a_job()
    assert number in words(complete("rnx status ")), complete("rnx status ")
    same(words(complete("rnx cancel " + number)), [number])
    same(words(complete("rnx delete " + number)), [])


@test
def bash_completes():
    offers(bash)
    # Bash parts words at '=': what is offered is what goes behind it.
    same(bash("rnx run --network=br"), ["bridge"])
    same(bash("rnx run --upload-dir=a"), ["a folder"])
    same(sorted(bash("rnx run --upload=a")), ["a file", "a folder"])
    # Behind rnx run there is another command.
    assert "true" in bash("rnx run tru"), bash("rnx run tru")


def zsh_completes():
    offers(zsh)
    same(zsh("rnx run --network=br"), ["bridge"])
    same(zsh("rnx run --upload=a"), ["files "])
    same(zsh("rnx run --upload-dir=a"), ["files -/"])
    same(zsh("rnx run --name=x sh -"), ["normal 2 sh"])


def fish_completes():
    offers(fish)
    same(fish("rnx run --network=br"), ["--network=bridge"])
    same(words(fish("rnx run --upload-dir=a")), ["--upload-dir=a folder/"])
    assert "true" in words(fish("rnx run tru")), fish("rnx run tru")


# Everybody has bash; the others are tried where they are installed.
if shutil.which("zsh"):
    test(zsh_completes)
if shutil.which("fish"):
    test(fish_completes)

if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
