# SPDX-License-Identifier: MIT
"""
Merge what the test programs in the virtual machine print into one TAP stream.

The guest wraps each program in lines that begin with a mark:
    MARK begin PROTOCOL NAME
    ... the program's standard output ...
    MARK end STATUS
    MARK err TEXT          (each line of its standard error, after the end)
    MARK done
"""

import re
import sys
import time

MARK = "@@vm:"

_RESULT = re.compile(r"^(not )?ok\b\s*(\d+)?\s*-?\s*(.*)$")
_PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*(skip\S*)\s*(.*))?$", re.IGNORECASE)


class Merge:
    """One TAP stream out of many."""

    def __init__(self, out=sys.stdout, must_run=False, used=lambda: 0.0):
        self.out = out
        self.used = used
        self.must_run = must_run
        self.count = 0
        self.failed = 0
        self.finished = False
        self.name = None
        self._protocol = "tap"
        self._seen = 0
        self._bad = 0
        self._plan = None
        self._start = self._used = 0.0

    def say(self, text):
        """Print one line of TAP."""
        self.out.write(text + "\n")
        self.out.flush()

    def note(self, text):
        """Print a diagnostic line."""
        self.say(f"# {self.name}: {text}" if self.name else f"# {text}")

    def result(self, good, text, expected=False):
        """Print one result; a failure that is expected does not count."""
        self.count += 1
        if not good and not expected:
            self.failed += 1
        self.say(f"{'ok' if good else 'not ok'} {self.count} - {text}")

    def line(self, text):
        """Take one line from the guest."""
        text = text.rstrip("\r\n")
        at = text.find(MARK)
        if at > 0:
            # A program ended without a newline.
            self.line(text[:at])
            text = text[at:]
        if text.startswith(MARK + " "):
            self._marked(text[len(MARK) + 1:])
        elif self.name is not None and self._protocol == "tap":
            self._tap(text)
        elif text:
            self.note(text)

    def _marked(self, text):
        word, _, rest = text.partition(" ")
        if word == "begin":
            self._protocol, _, self.name = rest.partition(" ")
            self._seen = self._bad = 0
            self._plan = None
            self._start = time.monotonic()
            self._used = self.used()
        elif word == "end":
            self._end(rest.strip())
            self.note(f"took {time.monotonic() - self._start:.1f} s, "
                      f"{self.used() - self._used:.1f} s of a processor")
        elif word == "err":
            self.note(rest)
        elif word == "note":
            self.name = None
            self.note(rest)
        elif word == "done":
            self.name = None
            self.finished = True

    def _tap(self, text):
        plan = _PLAN.match(text)
        result = _RESULT.match(text)
        if plan:
            self._plan = int(plan.group(1))
            if plan.group(2):
                self._skipped(plan.group(3))
        elif result:
            good = not result.group(1)
            rest = result.group(3)
            todo = re.search(r"#\s*todo\b", rest, re.IGNORECASE) is not None
            self._seen += 1
            if not good and not todo:
                self._bad += 1
            self.result(good, f"{self.name}: {rest}", expected=todo)
        elif text.startswith("Bail out!"):
            self._bad += 1
            self.result(False, f"{self.name}: {text}")
        elif text:
            self.note(text.lstrip("# "))

    def _skipped(self, reason):
        self._seen = self._plan
        if self.must_run:
            self._bad += 1
            self.result(False, f"{self.name}: must run but skips: {reason}")
        else:
            self.result(True, f"{self.name} # SKIP {reason}")

    def _end(self, status):
        if self._protocol != "tap":
            if status == "77" and not self.must_run:
                self.result(True, f"{self.name} # SKIP")
            else:
                self.result(status == "0", f"{self.name}: exit status {status}")
            return
        # check exits with 1 after a failed test; that one is counted already.
        if status in ("124", "137"):
            self.result(False, f"{self.name}: killed, exit status {status}")
        elif status != "0" and not self._bad:
            self.result(False, f"{self.name}: exit status {status}")
        if self._plan is None:
            self.result(False, f"{self.name}: no plan")
        elif self._plan != self._seen:
            self.result(False, f"{self.name}: {self._seen} results, "
                               f"{self._plan} planned")

    def broke_off(self, why):
        """The machine stopped early."""
        inside = f" in {self.name}" if self.name else ""
        self.result(False, f"vm: {why}{inside}")
        self.name = None

    def plan(self):
        """Print the plan and return the exit status."""
        self.say(f"1..{self.count}")
        return 1 if self.failed else 0
