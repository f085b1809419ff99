# What tests/functional/*.t share: each makes small projects in fresh
# workspaces and runs a script in each; all is done as the caller and, when
# that is root, once more as an ordinary user, because the two get their
# workspace and their limits by different means.
#
#     . tests/functional/lib.sh
#     check_x() { inside 'NAME' 'PROGRAMS THAT IT NEEDS' <<'EOF' … }
#     run_checks check_x
#
# What is not installed is skipped by name; `.ci/deps functional` installs
# all of it.
#
# With NIGHTJAR_FUNCTIONAL_OUTSIDE=1 the scripts run without the sandbox: a
# check that fails there too says nothing about the sandbox.
# shellcheck shell=sh disable=SC2034

# Before HOME changes: a toolchain of rustup is found by way of it.
: "${RUST_SYSROOT=$(rustc --print sysroot 2>/dev/null)}"
[ -x "$RUST_SYSROOT/bin/cargo" ] || RUST_SYSROOT=/usr
export RUST_SYSROOT
. tests/lib.sh
WORK=$TMPDIR
OUTSIDE=${NIGHTJAR_FUNCTIONAL_OUTSIDE-}
# Programs are looked for where they are found inside.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

workspaces=0
new_workspace() {
    workspaces=$((workspaces + 1))
    WORKSPACE=$WORK/w$workspaces
    mkdir "$WORKSPACE" || bail_out 'mkdir'
}

# sandbox [OPTION…] -- COMMAND…: in $WORKSPACE. The time limit is only there
# for what hangs.
sandbox() {
    "$NIGHTJAR" sandbox --timeout 90s --workspace "$WORKSPACE" "$@"
}

# has NAME TOOLS: whether all of them are installed; the check is skipped if
# not.
has() {
    for has_tool in $2; do
        if ! command -v "$has_tool" >/dev/null 2>&1; then
            skip "$1: $has_tool is not installed"
            return 1
        fi
    done
}

# run_script [OPTION…]: check.sh of $WORKSPACE, inside or, for comparison,
# outside; the options of the sandbox have no meaning there.
run_script() {
    if [ -n "$OUTSIDE" ]; then
        (cd "$WORKSPACE" && timeout 90 sh -eu check.sh)
    else
        sandbox --json "$@" -- sh -eu check.sh
    fi
}

# inside NAME TOOLS [OPTION…]: the script on standard input ends with 0.
inside() {
    inside_name=$1 inside_tools=$2
    shift 2
    if ! has "$inside_name" "$inside_tools"; then
        cat >/dev/null
        return
    fi
    new_workspace
    cat >"$WORKSPACE/check.sh"
    inside_status=0
    run_script "$@" >"$WORK/output" 2>&1 </dev/null || inside_status=$?
    if [ "$inside_status" = 0 ]; then
        pass "$inside_name"
        # Nothing failed, but the list of allowed calls may want it.
        grep -o '"refused_calls":\[[^]]\+\]' "$WORK/output" | sed 's/^/# /'
    else
        fail "$inside_name" "status $inside_status
$(tail -n 40 "$WORK/output")"
    fi
    chmod -R u+rwx "$WORKSPACE" 2>/dev/null
    rm -rf "$WORKSPACE"
}

# ---- once more as an ordinary user -------------------------------------------

# as_user: runs a copy of the test as a user who owns nothing, with the
# results counted here. A copy, because the repository may lie where that user
# cannot look.
as_user() {
    user=64123 home=$WORK/user
    if ! command -v setpriv >/dev/null 2>&1; then
        skip 'as an ordinary user: setpriv is not installed'
        return
    fi
    mkdir -p "$home/tests/functional" "$home/build" "$home/tmp"
    cp tests/lib.sh tests/run-one "$home/tests/"
    cp "$0" tests/functional/lib.sh "$home/tests/functional/"
    cp "$NIGHTJAR" "$home/build/nightjar"
    chown -R "$user:$user" "$home"
    chmod a+x "$WORK"
    # Its supplementary groups are none, and its files are made for itself.
    set -- setpriv --reuid $user --regid $user --clear-groups \
        env "TMPDIR=$home/tmp" "NIGHTJAR_BUILD=$home/build" "HOME=$home"
    if ! "$@" test -x "$home/build/nightjar"; then
        skip 'as an ordinary user: the temporary folder is closed to others'
        return
    fi
    (cd "$home" && "$@" tests/run-one "tests/functional/${0##*/}") \
        >"$WORK/user.tap" 2>&1 </dev/null
    while IFS= read -r line; do
        case "$line" in
        'ok '*' # SKIP '*) skip "as a user: ${line#* # SKIP }" ;;
        'ok '*) pass "as a user: ${line#*- }" ;;
        'not ok '*) fail "as a user: ${line#*- }" ;;
        '#'*) printf '%s\n' "$line" ;;
        1..*) planned=yes ;;
        *) note "$line" ;;
        esac
    done <"$WORK/user.tap"
    is "${planned-no}" yes 'as a user: the checks came to their end'
}

# run_checks FUNCTION…: all of them, then the plan. Ends the script.
run_checks() {
    for check; do
        $check
    done
    [ "$(id -u)" != 0 ] || as_user
    done_testing
}
