#!/bin/sh
# What surrounds a command: names, time, variables, paths, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_surroundings() {
    inside 'nproc, id, whoami, getent, groups, logname, hostname, uname' \
        'nproc whoami hostname' <<'EOF'
[ "$(nproc)" -ge 1 ] && [ "$(getconf _NPROCESSORS_ONLN)" -ge 1 ] && id && groups && uname -a && hostname
[ "$(whoami)" = "$(id -un)" ] && [ "$(getent passwd "$(id -u)" | cut -d: -f6)" = "$HOME" ]
getent group "$(id -g)" && [ "$USER" = "$(whoami)" ] && [ ~ = "$HOME" ]
[ -w "$HOME" ] && [ -w "${TMPDIR:-/tmp}" ] && [ -w /var/tmp ] && mktemp && mktemp -d
[ -x "$SHELL" ]
EOF

    inside 'locale: UTF-8 in sort, wc, python and perl' 'locale python3 perl' <<'EOF'
locale && [ "$(locale charmap)" = UTF-8 ] && [ "$(printf 'äöü' | wc -m)" = 3 ]
python3 -c 'import sys; assert sys.getfilesystemencoding() == "utf-8"; print("日本語")'
[ -z "$(perl -e 1 2>&1)" ]
EOF

    inside 'time zones' 'date python3' <<'EOF'
[ "$(TZ=Asia/Tokyo date -d @0 +%H)" = 09 ] && date
python3 -c 'import datetime, zoneinfo
assert datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset().seconds == 7200'
EOF
    [ -z "$OUTSIDE" ] || return

    # What belongs to the command line: paths, variables, folders.
    new_workspace
    is "$(cd "$WORKSPACE" && "$NIGHTJAR" sandbox -- pwd)" /workspace \
        'the current directory is the workspace, at /workspace'
    is "$("$NIGHTJAR" sandbox -w "$WORKSPACE:/src/project" -- \
        sh -c 'pwd && touch made')" /src/project '--workspace DIR:INSIDE'
    ok '…and is changed in place' test -f "$WORKSPACE/made"
    is "$(stat -c %u "$WORKSPACE/made")" "$(id -u)" \
        'what is made inside belongs to the caller outside'
    is "$("$NIGHTJAR" sandbox -w "$WORKSPACE:$WORKSPACE" -- pwd)" "$WORKSPACE" \
        'the workspace at the path it has outside'
    is "$(sandbox --env A=b --env 'B=c d=$e' --env C= -- \
        sh -c 'echo "$A|$B|${C-unset}"')" 'b|c d=$e|' '--env'
    is "$(SECRET=x sandbox -- sh -c 'echo "${SECRET-unset}"')" unset \
        'no variable of the caller'
    mkdir -p "$WORK/host/tool/bin" "$WORK/host/cache"
    printf '#!/bin/sh\necho tool\n' >"$WORK/host/tool/bin/tool"
    chmod +x "$WORK/host/tool/bin/tool"
    is "$(sandbox --read "$WORK/host/tool" \
        --env "PATH=$WORK/host/tool/bin:/usr/bin:/bin" -- tool)" tool \
        '--read of a toolchain that is on the PATH'
    status_is 1 '--read is not for writing' \
        sandbox --read "$WORK/host/tool" -- \
        sh -c 'touch "$0/x" 2>/dev/null || exit 1' "$WORK/host/tool"
    ok '--write of a cache' sandbox --write "$WORK/host/cache" -- \
        sh -c 'mkdir "$0/d" && echo x >"$0/d/f" && mv "$0/d" "$0/e"' \
        "$WORK/host/cache"
    is "$(cat "$WORK/host/cache/e/f")" x '…keeps what was written'
    is "$(stat -c %u "$WORK/host/cache/e/f")" "$(id -u)" \
        '…and it belongs to the caller'
    echo text >"$WORK/host/file"
    is "$(sandbox --read "$WORK/host/file" -- cat "$WORK/host/file")" text \
        '--read of one file'
}

run_checks check_surroundings
