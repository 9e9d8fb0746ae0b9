"""Runs the script of calls by each client, all at once, and tells what its answers were like, as JSON.

    clients.py ENDPOINT REGION THING

boto3 and version 1 of the AWS CLI are those of PYTHONPATH, version 2 is the system's. Each has a recorder between itself
and the endpoint.
"""

import json
import os
import subprocess
import sys

import shapes

ENDPOINT, REGION, THING = sys.argv[1:]


def main():
    running = {}
    for kind in ("boto3", "v1", "v2"):
        recorder = shapes.Recorder(ENDPOINT)
        environment = {name: value for name, value in os.environ.items() if kind != "v2" or name != "PYTHONPATH"}
        words = [sys.executable, "calls.py", kind, recorder.url, REGION, THING]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
        running[kind] = (recorder, subprocess.Popen(words, **pipes))
    told = {}
    for kind, (recorder, process) in running.items():
        out, err = process.communicate()
        ended = [] if process.returncode == 0 else [f"it ended with {process.returncode}: {err}"]
        operations = sorted(recorder.operations)
        told[kind] = {"calls": out.strip(), "operations": operations, "problems": recorder.problems + ended}
    print(json.dumps(told))


main()
