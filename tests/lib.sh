# What tests/cli/*.t share. Each is run as `sh tests/cli/NAME.t` from the
# repository's root, with a fresh TMPDIR and NIGHTJAR_BUILD.
#
#     . tests/lib.sh
#     start_model_server "$TMPDIR/scenario.json"     # MODEL_URL, MODEL_LOG
#     is "$(…)" 'wanted' 'what it does'
#     done_testing
#
# Checks count, so none may run in a pipe or in $(…). Servers belong to the
# shell that starts them and end with it: start_… may not run there either.
# Nothing here sleeps: a server tells that it listens through a fifo.
#
# git, HOME, proxies and trusted certificates are the same everywhere:
# nothing of the machine reaches a test.
# shellcheck shell=sh disable=SC2034 # the variables are for the tests

set -u
: "${TMPDIR:?is not set}" "${NIGHTJAR_BUILD:?is not set}"

NIGHTJAR=$NIGHTJAR_BUILD/nightjar
HOME=$TMPDIR/home
mkdir -p "$HOME"
LC_ALL=C TZ=UTC
GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
GIT_AUTHOR_NAME='A U Thor' GIT_AUTHOR_EMAIL=author@example.com
GIT_COMMITTER_NAME='C O Mitter' GIT_COMMITTER_EMAIL=committer@example.com
GIT_AUTHOR_DATE='2026-01-02T03:04:05Z'
GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
export NIGHTJAR HOME LC_ALL TZ GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM \
    GIT_TERMINAL_PROMPT GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME \
    GIT_COMMITTER_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_DATE
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_SSH GIT_SSH_COMMAND \
    GIT_ASKPASS SSH_AUTH_SOCK SSH_ASKPASS XDG_CONFIG_HOME XDG_CACHE_HOME \
    XDG_STATE_HOME XDG_DATA_HOME http_proxy https_proxy all_proxy no_proxy HTTP_PROXY \
    HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE \
    GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_SSL_NO_VERIFY

# ---- TAP --------------------------------------------------------------------

tests_run=0
tests_failed=0

# Lines for people.
note() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# pass NAME, fail NAME [WHY]: one result.
pass() {
    tests_run=$((tests_run + 1))
    printf 'ok %d - %s\n' "$tests_run" "$1"
}
fail() {
    tests_run=$((tests_run + 1))
    tests_failed=$((tests_failed + 1))
    printf 'not ok %d - %s\n' "$tests_run" "$1"
    [ $# -lt 2 ] || note "$2"
}

# ok NAME COMMAND…: the command succeeds. What it prints is shown if not.
ok() {
    ok_name=$1
    shift
    if "$@" >"$TMPDIR/ok.output" 2>&1; then
        pass "$ok_name"
    else
        fail "$ok_name" "status $? of: $*
$(cat "$TMPDIR/ok.output")"
    fi
}

# status_is STATUS NAME COMMAND…: the command ends with that status.
status_is() {
    status_wanted=$1 status_name=$2 status_got=0
    shift 2
    "$@" >"$TMPDIR/ok.output" 2>&1 || status_got=$?
    if [ "$status_got" = "$status_wanted" ]; then
        pass "$status_name"
    else
        fail "$status_name" "status $status_got, not $status_wanted, of: $*
$(cat "$TMPDIR/ok.output")"
    fi
}

# is GOT WANTED NAME: the same text.
is() {
    if [ "$1" = "$2" ]; then
        pass "$3"
    else
        fail "$3" "got:    $1
wanted: $2"
    fi
}

# like GOT PATTERN NAME, unlike: a line of it matches the extended regular
# expression, or none does.
like() {
    if printf '%s\n' "$1" | grep -Eq -e "$2"; then
        pass "$3"
    else
        fail "$3" "got:    $1
no line matches: $2"
    fi
}
unlike() {
    if printf '%s\n' "$1" | grep -Eq -e "$2"; then
        fail "$3" "got:    $1
a line matches: $2"
    else
        pass "$3"
    fi
}

# skip REASON [COUNT]: so many checks are left out.
skip() {
    skip_left=${2:-1}
    while [ "$skip_left" -gt 0 ]; do
        tests_run=$((tests_run + 1))
        skip_left=$((skip_left - 1))
        printf 'ok %d # SKIP %s\n' "$tests_run" "$1"
    done
}

# Nothing else in this file can be tested.
bail_out() {
    printf 'Bail out! %s\n' "$1"
    exit 1
}

# done_testing: the plan, last. Ends the script.
done_testing() {
    printf '1..%d\n' "$tests_run"
    [ "$tests_failed" = 0 ] || exit 1
    exit 0
}

# ---- processes --------------------------------------------------------------

background=

# remember PID: it is killed when the script ends.
remember() {
    background="$background $1"
}

# stop PID: kills a process that was remembered and waits for its end.
stop() {
    stop_kept=
    for stop_pid in $background; do
        [ "$stop_pid" = "$1" ] || stop_kept="$stop_kept $stop_pid"
    done
    background=$stop_kept
    kill "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    return 0
}

stop_all() {
    for stop_each in $background; do
        stop "$stop_each"
    done
}
trap stop_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

servers=0

# start_server COMMAND…: starts a program that takes `--ready-fd 9`, which is
# one of its arguments here, and writes its port there once it listens. Sets
# SERVER_PORT and SERVER_PID. What it prints is in $TMPDIR/server.N.log.
start_server() {
    servers=$((servers + 1))
    server_fifo=$TMPDIR/server.$servers.ready
    server_log=$TMPDIR/server.$servers.log
    mkfifo "$server_fifo" || bail_out 'mkfifo'
    "$@" 9>"$server_fifo" >"$server_log" 2>&1 </dev/null &
    SERVER_PID=$!
    remember "$SERVER_PID"
    SERVER_PORT=
    read -r SERVER_PORT <"$server_fifo"
    rm -f "$server_fifo"
    [ -n "$SERVER_PORT" ] || bail_out "no server: $* ($(cat "$server_log"))"
}

# ---- servers ----------------------------------------------------------------

# start_model_server SCENARIO.json [OPTION…]: the scripted model. Sets
# MODEL_URL (…/v1), MODEL_LOG (a JSON line for each request) and MODEL_PID.
start_model_server() {
    model_scenario=$1
    shift
    MODEL_LOG=$TMPDIR/model.$servers.jsonl
    : >"$MODEL_LOG"
    start_server "$NIGHTJAR_BUILD/tests/server/model_server" --ready-fd 9 \
        --log "$MODEL_LOG" "$@" "$model_scenario"
    MODEL_URL=http://127.0.0.1:$SERVER_PORT/v1
    MODEL_PID=$SERVER_PID
    export MODEL_URL MODEL_LOG
}

# make_certificate DIRECTORY: cert.pem and key.pem for 127.0.0.1 and
# localhost, signed by itself: the certificate is also what to trust.
make_certificate() {
    mkdir -p "$1"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
        -nodes -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
        -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null ||
        bail_out 'openssl makes no certificate'
}

# start_git_server DIRECTORY [OPTION…]: its bare repositories over HTTP; the
# options are git_server.py's. Sets GIT_URL, GIT_LOG and GIT_PID. With --tls
# the host is localhost: libgit2 with mbedTLS knows no addresses in
# certificates.
start_git_server() {
    git_directory=$1 git_base=http://127.0.0.1
    shift
    case " $* " in *' --tls '*) git_base=https://localhost ;; esac
    GIT_LOG=$TMPDIR/git.$servers.jsonl
    : >"$GIT_LOG"
    start_server python3 tests/server/git_server.py --ready-fd 9 \
        --log "$GIT_LOG" "$@" "$git_directory"
    GIT_URL=$git_base:$SERVER_PORT
    GIT_PID=$SERVER_PID
}

# start_ssh_server: an sshd for this user. Sets SSH_URL (add the absolute
# path of a repository), SSH_DIRECTORY (user_key, known_hosts, log, …) and
# SSH_COMMAND, which is right for GIT_SSH_COMMAND.
start_ssh_server() {
    SSH_DIRECTORY=$TMPDIR/sshd.$servers
    start_server sh tests/server/sshd.sh --ready-fd 9 "$SSH_DIRECTORY"
    SSH_URL=ssh://$(id -un)@127.0.0.1:$SERVER_PORT
    SSH_COMMAND="ssh -F /dev/null -o StrictHostKeyChecking=yes -o BatchMode=yes"
    SSH_COMMAND="$SSH_COMMAND -o UserKnownHostsFile=$SSH_DIRECTORY/known_hosts"
}

# start_ssh_agent KEY: an agent that holds it; exports SSH_AUTH_SOCK.
start_ssh_agent() {
    servers=$((servers + 1))
    SSH_AUTH_SOCK=$TMPDIR/agent.$servers
    agent_fifo=$TMPDIR/agent.$servers.ready
    mkfifo "$agent_fifo" || bail_out 'mkfifo'
    timeout 120 ssh-agent -D -a "$SSH_AUTH_SOCK" >"$agent_fifo" \
        2>"$TMPDIR/agent.$servers.log" </dev/null &
    remember $!
    read -r agent_line <"$agent_fifo" || bail_out 'no ssh-agent'
    rm -f "$agent_fifo"
    export SSH_AUTH_SOCK
    ssh-add -q "$1" 2>/dev/null || bail_out 'ssh-add'
}

# ---- repositories -----------------------------------------------------------

# make_repository NAME: $TMPDIR/NAME with the branch main and one commit of
# README.md, the same object names in every run. Sets REPOSITORY.
make_repository() {
    REPOSITORY=$TMPDIR/$1
    if ! {
        git init -q -b main "$REPOSITORY" &&
            printf '# %s\n' "$1" >"$REPOSITORY/README.md" &&
            git -C "$REPOSITORY" add README.md &&
            git -C "$REPOSITORY" commit -q -m Start
    }; then
        bail_out 'git makes no repository'
    fi
}

# make_bare_repository NAME: $TMPDIR/bare/NAME.git, a bare copy of
# make_repository NAME, for start_git_server "$TMPDIR/bare". Sets BARE.
make_bare_repository() {
    make_repository "$1"
    BARE=$TMPDIR/bare/$1.git
    mkdir -p "$TMPDIR/bare"
    git clone -q --bare "$REPOSITORY" "$BARE" 2>/dev/null ||
        bail_out 'git clones no bare repository'
}
