#!/bin/sh
# Checks, without a container engine, that deploy/ agrees with itself and with the rest: every
# path, flag, port, version and service name in it exists. All that is wrong is said at once. The
# rules for Prometheus are tested by promtool, where it is there: setup.sh test installs it.
#
# TALLYD is the program to ask for its flags; left out, cargo builds it.
set -eu
cd "$(dirname "$0")/.."

dockerfile=deploy/Dockerfile
compose=deploy/compose.yaml
prometheus=deploy/prometheus/prometheus.yml
rules_test=deploy/prometheus/tallyd.test.yml
wrong=0

wrong() {
    printf 'check-deploy: %s\n' "$1" >&2
    wrong=$((wrong + 1))
}

# same WHAT ONE OTHER: both are one text, and not empty.
same() {
    { [ -n "$2" ] && [ "$2" = "$3" ]; } || wrong "$1: \"$2\" is not \"$3\""
}

# The lines of a service in the compose file.
service() {
    awk -v name="$1" '/^[a-z]/ { on = ($1 == "services:") } on && /^  [a-z]/ { of = $1 }
        on && of == name ":"' "$compose"
}

# The folders that a service mounts, and where.
mounts() {
    service "$1" | sed -n 's/.*- \(\.[^:]*\):\([^:]*\):ro/\1 \2/p'
}

# The words of a bracketed list on standard input, one a line.
words() {
    sed 's/.*\[\(.*\)\].*/\1/' | tr ',' '\n' | sed 's/^ *"//; s/" *$//'
}

workspace() {
    awk -F '"' -v key="$1" '$0 ~ "^" key " *=" { print $2; exit }' Cargo.toml
}

help_of() {
    if [ -n "${TALLYD:-}" ]; then
        "$TALLYD" "$1" --help
    else
        cargo run --quiet --locked --package tallyd -- "$1" --help
    fi
}

check_images() {
    images=$(awk '$1 == "FROM" { print $2 } $1 == "image:" { print $2 }' "$dockerfile" "$compose")
    for image in $images; do
        case ${image#*:} in
            "$image" | latest) wrong "image $image names no version" ;;
        esac
    done
    rust=$(sed -n 's/^FROM rust:\([0-9.]*\)-.*/\1/p' "$dockerfile")
    same "Rust of the Dockerfile and of Cargo.toml" "$rust" "$(workspace rust-version)"
    built=$(service worker | awk '$1 == "image:" { print $2 }')
    same "image of the worker" "$built" "tallyd:$(workspace version)"
    grep -q -- "--tag $built " "$dockerfile" || wrong "$dockerfile does not build $built"
}

check_paths() {
    awk '$1 == "COPY" && $2 !~ /^--/ { for (i = 2; i < NF; i++) print $i }' "$dockerfile" |
        while read -r path; do
            [ -e "$path" ] || echo "$path"
            ignored=$(grep -v '^#' "$dockerfile.dockerignore")
            for pattern in $ignored; do [ "$path" != "$pattern" ] || echo "$path"; done
        done | while read -r path; do echo "$dockerfile copies $path, which is not there"; done >"$found"
    for path in Cargo.toml Cargo.lock crates topologies; do
        grep -qx "$path" "$dockerfile.dockerignore" && echo "the image is not built from $path"
    done >>"$found" || true
    while read -r line; do wrong "$line"; done <"$found"

    grep -q '/target/release/tallyd ' "$dockerfile" || wrong "$dockerfile copies no program"
    [ -f crates/tallyd/src/main.rs ] || wrong "there is no package tallyd with a program"
    context=$(service worker | awk '$1 == "context:" { print $2 }')
    same "build context" "$(cd "deploy/$context" && pwd)" "$(pwd)"
    same "Dockerfile of the worker" "$(service worker | awk '$1 == "dockerfile:" { print $2 }')" "$dockerfile"
    for of in prometheus grafana; do
        mounts "$of" | while read -r path _; do
            [ -d "deploy/$path" ] || echo "$of mounts $path, which is not there"
        done
    done >"$found"
    while read -r line; do wrong "$line"; done <"$found"
    flag=$(service prometheus | sed -n 's/.*--config.file=\([^"]*\).*/\1/p')
    same "Prometheus' configuration" "$flag" "$(mounts prometheus | awk '{ print $2 }')/prometheus.yml"
    dashboards=$(awk '$1 == "path:" { print $2 }' deploy/grafana/provisioning/dashboards/*.yaml)
    same "Grafana's dashboards" "$dashboards" "$(mounts grafana | awk '$1 ~ /dashboards$/ { print $2 }')"
    same "Grafana's provisioning" /etc/grafana/provisioning \
        "$(mounts grafana | awk '$1 ~ /provisioning$/ { print $2 }')"
}

# check_command WHERE WORDS: a subcommand, a topology file, and flags that the program has.
check_command() {
    subcommand=$(printf '%s\n' "$2" | head -n 1)
    if ! help=$(help_of "$subcommand"); then
        wrong "$1: tallyd has no subcommand \"$subcommand\""
        return
    fi
    for word in $2; do
        case $word in
            --*) printf '%s\n' "$help" | grep -Eq -- "$word( |,|$)" ||
                wrong "$1: \"tallyd $subcommand\" has no $word" ;;
            /etc/tallyd/*) [ -f "topologies/${word#/etc/tallyd/}" ] ||
                wrong "$1: $word is not in topologies/" ;;
        esac
    done
    same "$1: metrics address" "$(printf '%s\n' "$2" | sed -n '/^--metrics$/{n;p;}')" "0.0.0.0:$port"
}

check_commands() {
    grep -q '^COPY topologies /etc/tallyd$' "$dockerfile" ||
        wrong "$dockerfile does not put topologies/ into /etc/tallyd"
    check_command "$dockerfile" "$(sed -n '/^CMD /p' "$dockerfile" | words)"
    for name in worker server; do
        check_command "$compose" "$(service "$name" | sed -n '/ command:/p' | words)"
    done
}

check_ports_and_names() {
    same "port of the health check" "$(sed -n 's|.*/dev/tcp/127.0.0.1/\([0-9]*\).*|\1|p' "$dockerfile")" "$port"
    same "port of the worker" "$(service worker | sed -n '/ expose:/p' | words)" "$port"
    same "port that Prometheus scrapes" "$(awk '$1 == "port:" { print $2 }' "$prometheus")" "$port"
    for name in $(sed -n '/ names:/p' "$prometheus" | words); do
        [ -n "$(service "$name")" ] || wrong "Prometheus scrapes $name, which is no service"
    done
    for path in $(sed -n 's/.*GET \([^ ]*\) .*/\1/p' "$dockerfile") \
        $(awk '$1 == "metrics_path:" { print $2 }' "$prometheus"); do
        grep -rq "\"$path\"" crates/tallyd/src || wrong "tallyd does not answer on $path"
    done
    url=$(service worker | awk '$1 == "TALLYD_REDIS:" { print $2 }')
    host=${url#redis://}
    [ -n "$(service "${host%:*}")" ] || wrong "TALLYD_REDIS names ${host%:*}, which is no service"
    same "port of Redis" "$(service redis | sed -n '/ ports:/p' | words | sed 's/.*://')" "${host#*:}"
    grep -q 'TALLYD_REDIS' topologies/testprep.toml || wrong "testprep.toml does not read TALLYD_REDIS"
    depends=$(service worker | awk '/ depends_on:/ { getline; sub(":", "", $1); print $1 }')
    service "$depends" | grep -q ' healthcheck:' || wrong "the worker waits for \"$depends\", which has no health check"
    for volume in $(sed -n 's/.*[" ]\([a-z]*\):\/[a-z].*/\1/p' "$compose"); do
        awk '/^volumes:/ { on = 1 } on' "$compose" | grep -qx "  $volume:" ||
            wrong "the volume $volume is not declared"
    done
    datasource=deploy/grafana/provisioning/datasources/prometheus.yaml
    url=$(awk '$1 == "url:" { print $2 }' "$datasource")
    host=${url#http://}
    [ -n "$(service "${host%:*}")" ] || wrong "Grafana asks ${host%:*}, which is no service"
    same "port of Prometheus" "$(service prometheus | sed -n '/ ports:/p' | words | sed 's/.*://')" "${host#*:}"
    same "how often Prometheus scrapes" "$(awk '$1 == "timeInterval:" { print $2 }' "$datasource")" \
        "$(awk '$1 == "scrape_interval:" { print $2 }' "$prometheus")"
    same "replicas" "$(service worker | awk '$1 == "replicas:" { print $2 }')" 3
}

check_rules() {
    if ! command -v promtool >/dev/null; then
        # Where nobody looks, what is left out must be seen.
        [ -z "${CI:-}" ] || wrong "promtool is missing: scripts/setup.sh test"
        echo "promtool is not there: the rules for Prometheus are not tested"
        return
    fi
    promtool check config "$prometheus" >"$found" 2>&1 || { cat "$found" >&2; wrong "$prometheus is refused"; }
    promtool test rules "$rules_test" >"$found" 2>&1 || { cat "$found" >&2; wrong "$rules_test fails"; }
}

for file in "$dockerfile" "$dockerfile.dockerignore" "$compose" "$prometheus" "$rules_test"; do
    [ -f "$file" ] || { wrong "$file is missing"; exit 1; }
done
found=$(mktemp)
trap 'rm -f "$found"' EXIT
port=$(awk '$1 == "EXPOSE" { print $2 }' "$dockerfile")

check_images
check_paths
check_commands
check_ports_and_names
check_rules

[ "$wrong" -eq 0 ] || exit 1
echo "deploy/ agrees with the rest"
