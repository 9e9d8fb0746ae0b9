"""Makes calls of the AWS CLI one after the other, each in a process of its own that has the CLI loaded already.

Its argument is a list of calls as JSON, each as after `aws` in a shell, or with `NAME=VALUE` before it; prints a list with what
each ends with, prints and says. `awscli.clidriver.main` is all that Debian's `aws` runs.
"""

import json
import os
import shlex
import sys
import tempfile

import awscli.clidriver

# Loads what every call needs.
awscli.clidriver.create_clidriver()


def call(line):
    words = shlex.split(line)
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        os.environ[name] = value
    sys.argv = ["aws", *words]
    try:
        return awscli.clidriver.main()
    except SystemExit as end:
        return end.code


def apart(line):
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            code = 255
            try:
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                code = call(line)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        stdout.seek(0)
        stderr.seek(0)
        return [os.waitstatus_to_exitcode(status), stdout.read().decode(), stderr.read().decode()]


print(json.dumps([apart(line) for line in json.loads(sys.argv[1])]))
