# shellcheck shell=bash
# ./dev run: the server, an agent for this machine, and nothing left behind by Ctrl-C.

# A test names another program and another folder.
VAR=${DEV_VAR:-var}
BIN=${DEV_BIN:-$ROOT/build/release/signalbox}

# What the server prints on standard output: people's lines are passed on, the line that says
# ready is kept. Returns once that line is there, or 1 when the server ended first.
await_ready() {
    local line
    while IFS= read -r -u 3 line; do
        case $line in
            *'"event":"ready"'*)
                READY=$line
                return 0
                ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
    return 1
}

# The first address of {"event":"ready","listen":["127.0.0.1:3001"]} as a URL.
ready_url() {
    local address=${READY#*\"listen\":[\"}
    address=${address%%\"*}
    address=${address#http://}
    printf 'http://%s' "${address/0.0.0.0:/127.0.0.1:}"
}

# Once: this machine as a device, its key where only its owner reads it.
enrol() {
    local answer key id
    [ -s "$VAR/agent.key" ] && return
    answer=$("$BIN" device add --name "$(uname -n)" --data-dir "$VAR") || return 1
    key=$(grep -oE 'sbk_[A-Za-z0-9_-]+' <<<"$answer" | head -n 1)
    id=$(grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' <<<"$answer" | head -n 1)
    [ -n "$key" ] || return 1
    printf '%s\n' "$id" >"$VAR/agent.id"
    (umask 077 && printf '%s\n' "$key" >"$VAR/agent.key.new")
    mv "$VAR/agent.key.new" "$VAR/agent.key"
}

# A child in a process group of its own, so that the terminal's Ctrl-C reaches only this script,
# which then asks for an orderly end; if the script is killed the kernel tells the child. Only with `&`.
start() { exec setsid setpriv --pdeathsig TERM -- "$@"; }

stop_all() {
    trap 'kill -KILL $AGENT $SERVER 2>/dev/null' INT TERM
    printf '\n'
    say "draining (again to stop at once)"
    # The agent first: what it has read is acknowledged while the server still answers.
    [ -z "$AGENT" ] || { kill -TERM "$AGENT" 2>/dev/null && await "$AGENT"; } || true
    kill -TERM "$SERVER" 2>/dev/null || true
    await "$SERVER"
    ended $?
}

# wait returns early when a trapped signal comes; this waits until the child is gone.
await() {
    local status=0
    while :; do
        wait "$1" && status=0 || status=$?
        kill -0 "$1" 2>/dev/null || return "$status"
    done
}

ended() {
    [ "$1" = 0 ] || { tail -n 20 "$VAR/server.log" >&2 && die "the server ended with status $1"; }
    exit 0
}

# One old log is kept, so that a machine that runs for years does not fill its disk with them.
rotate() {
    if [ -f "$1" ] && [ "$(stat -c %s "$1")" -gt $((16 << 20)) ]; then mv "$1" "$1.1"; fi
}

check_port() {
    case " $* " in *" --listen"*) return ;; esac
    if (exec 4<>/dev/tcp/127.0.0.1/3001) 2>/dev/null; then
        die "port 3001 is in use (another ./dev run?); choose one: ./dev run -- --listen 127.0.0.1:3002"
    fi
}

cmd_run() {
    [ "${1:-}" != -- ] || shift
    need_packages build
    [ -n "${DEV_BIN:-}" ] || build_release
    check_port "$@"
    SERVER='' AGENT='' READY=''
    mkdir -p "$VAR"
    chmod 700 "$VAR"
    rotate "$VAR/server.log"
    rotate "$VAR/agent.log"
    local pipe=build/tmp/run.$$
    mkfifo "$pipe"
    start "$BIN" serve --data-dir "$VAR" "$@" >"$pipe" 2>>"$VAR/server.log" 3>&- &
    SERVER=$!
    exec 3<"$pipe"
    rm "$pipe"
    trap stop_all INT TERM
    if ! await_ready; then
        await "$SERVER" || true
        tail -n 20 "$VAR/server.log" >&2
        die "the server did not start; its log is $VAR/server.log"
    fi
    cat <&3 &
    exec 3<&-
    run_agent
    say "console: $(ready_url)/   logs: $VAR/server.log, $VAR/agent.log   Ctrl-C ends"
    watch_children
}

run_agent() {
    if ! enrol; then
        say "this machine could not be enrolled as a device; going on without its agent"
        return
    fi
    SIGNALBOX_AGENT_KEY_FILE=$VAR/agent.key start "$BIN" agent --server "$(ready_url)" \
        --data-dir "$VAR/agent" >>"$VAR/agent.log" 2>&1 &
    AGENT=$!
}

# Until the server ends; an agent that ends is reported, once.
watch_children() {
    local status
    while :; do
        wait -n "$SERVER" ${AGENT:+"$AGENT"} && status=0 || status=$?
        if ! kill -0 "$SERVER" 2>/dev/null; then
            [ -z "$AGENT" ] || kill -TERM "$AGENT" 2>/dev/null || true
            ended "$status"
        fi
        if [ -n "$AGENT" ] && ! kill -0 "$AGENT" 2>/dev/null; then
            say "the agent ended with status $status; its log is $VAR/agent.log"
            AGENT=''
        fi
    done
}
