"""Plants secrets on a device: `plant.py FOLDER PLANTS`, run by tests/planted.rs as root.

A plant's content comes masked, so that this program's own arguments hold no secret. What stays to the end is held by a
process that outlives this one.
"""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib

FOLDER, PLANTS = sys.argv[1], json.loads(sys.argv[2])
held = []


def unmasked(text):
    return bytes(byte ^ 0xA5 for byte in bytes.fromhex(text))


def in_zip(name, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("before.txt", "nothing " * 50)
        archive.writestr(name, content)
    return packed.getvalue()


def in_tar(name, content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def file(path, content, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as written:
        written.write(content)
    os.chmod(path, mode)
    return lambda: os.unlink(path)


def process(plant, arguments, environment):
    """A process under its own name that does nothing until it is told to end."""
    path = os.path.join(FOLDER, plant["name"])
    if not os.path.exists(path):
        with open("/bin/dash", "rb") as shell:
            file(path, shell.read(), 0o755)
    command = [path, "-c", "read -r line", "planted", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)

    def end():
        child.stdin.close()
        child.wait()

    return end


def plant(one):
    """Plants, and gives what takes it away again."""
    kind, path, content = one["kind"], one.get("path"), unmasked(one["content"])
    lines = b"nothing here\n" * one["lines"] + b"key = " + content + b" end\n"
    if kind == "arguments":
        return process(one, [content], {})
    if kind == "environment":
        return process(one, [], {b"PLANTED": content})
    if kind == "file":
        return file(path, lines, one["mode"])
    if kind == "appended":
        end = file(path, lines[:-8], one["mode"])
        with open(path, "ab") as written:
            written.write(lines[-8:])
        return end
    if kind == "renamed":
        file(path + ".part", lines)
        os.rename(path + ".part", path)
        return lambda: os.unlink(path)
    if kind == "zip":
        return file(path, in_zip("a/settings.txt", lines))
    if kind == "tar":
        return file(path, in_tar("a/settings.txt", lines))
    if kind == "nested":
        return file(path, in_tar("b/inner.zip", in_zip("a/settings.txt", lines)))
    if kind == "gzip":
        return file(path, gzip.compress(lines))
    if kind == "object":
        return file(path, zlib.compress(b"blob %d\0" % len(lines) + lines), 0o444)
    if kind == "dump":
        return file(path, b"\x7fELF" + bytes(5000) + content + bytes(5000), 0o600)
    if kind == "deleted":
        file(path, lines)
        still_open = open(path, "rb")
        os.unlink(path)
        return still_open.close
    raise ValueError(kind)


def main():
    began = time.monotonic()
    events = []
    for one in PLANTS:
        events.append((one["at"], one, None))
    while events:
        events.sort(key=lambda event: event[0])
        at, one, end = events.pop(0)
        time.sleep(max(0, began + at / 1000 - time.monotonic()))
        if end is None:
            end = plant(one)
            if one["lasts"]:
                events.append(((time.monotonic() - began) * 1000 + one["lasts"], one, end))
            else:
                held.append(end)
        else:
            end()


main()
if os.fork() == 0:
    # What stays is held until the device's end.
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    time.sleep(600)
print("planted", len(PLANTS))
sys.stdout.flush()
os._exit(0)
