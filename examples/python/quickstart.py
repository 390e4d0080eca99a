#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs one command as a job through ctypes: the whole binding is on this page.

JOBLET_LIBRARY=build/lib/libjoblet.so.0 runs it from a build tree.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_uint32, c_uint64, c_void_p

FOREVER = 2**64 - 1

lib = ctypes.CDLL(os.environ.get("JOBLET_LIBRARY", "libjoblet.so.0"))


class Result(ctypes.Structure):
    _fields_ = [
        ("size", c_uint64),
        ("exit_code", c_int64),
        ("signal", c_int64),
        ("reason", c_int64),
        ("start_usec", c_uint64),
        ("end_usec", c_uint64),
        ("wall_usec", c_uint64),
        ("cpu_usec", c_uint64),
        ("memory_peak_bytes", c_uint64),
        ("io_read_bytes", c_uint64),
        ("io_write_bytes", c_uint64),
    ]


def declare(name, result, *arguments):
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments


slot = POINTER(c_void_p)
declare("jl_error_message", c_char_p, c_void_p)
declare("jl_error_free", None, c_void_p)
declare("jl_ctx_new", c_int, c_uint32, slot, slot)
declare("jl_ctx_unref", c_void_p, c_void_p)
declare("jl_job_spec_new", c_int, slot)
declare("jl_job_spec_free", None, c_void_p)
declare("jl_job_spec_add_arg", c_int, c_void_p, c_char_p, slot)
declare("jl_job_spec_set_stdio", c_int, c_void_p, c_int, c_int, slot)
declare("jl_job_spawn", c_int, c_void_p, c_void_p, slot, slot)
declare("jl_job_wait", c_int, c_void_p, c_uint64, slot)
declare("jl_job_get_result", c_int, c_void_p, POINTER(Result), slot)
declare("jl_job_unref", c_void_p, c_void_p)
declare("jl_reason_name", c_char_p, c_int64)


def call(name, *arguments):
    """Calls a function whose last parameter is the error; failures become OSError."""
    error = c_void_p()
    code = getattr(lib, name)(*arguments, byref(error))
    if code < 0:
        text = lib.jl_error_message(error).decode()
        lib.jl_error_free(error)
        raise OSError(-code, text)
    return code


def run(*command):
    ctx, spec, job = c_void_p(), c_void_p(), c_void_p()
    result = Result(size=ctypes.sizeof(Result))
    try:
        call("jl_ctx_new", 0, byref(ctx))
        if lib.jl_job_spec_new(byref(spec)) < 0:
            raise MemoryError
        for argument in command:
            call("jl_job_spec_add_arg", spec, argument.encode())
        call("jl_job_spec_set_stdio", spec, 1, 1)
        call("jl_job_spawn", ctx, spec, byref(job))
        call("jl_job_wait", job, FOREVER)
        call("jl_job_get_result", job, byref(result))
    finally:
        if job:
            lib.jl_job_unref(job)
        lib.jl_job_spec_free(spec)
        lib.jl_ctx_unref(ctx)
    return result


if __name__ == "__main__":
    ended = run("echo", "hello from a job")
    print(lib.jl_reason_name(ended.reason).decode(), "with", ended.exit_code)
