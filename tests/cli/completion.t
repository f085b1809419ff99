#!/bin/sh
# Completion by real shells: each command and option of the table is offered,
# in its place, and nothing else.
. tests/lib.sh

for shell in bash zsh fish; do
    mkdir -p "$TMPDIR/$shell"
    "$NIGHTJAR" help --completion "$shell" >"$TMPDIR/$shell/_nightjar"
done
status_is 2 'another shell is refused' "$NIGHTJAR" help --completion ksh
like "$(cat "$TMPDIR/ok.output")" 'expected bash, zsh or fish' '… by name'

# offered SHELL <LINES: what it offers for each line, then "end".
# shellcheck disable=SC2016 # fish's own
offered() {
    case $1 in
    bash) bash --norc tests/cli/complete.bash "$TMPDIR/bash/_nightjar" ;;
    zsh) timeout 30 zsh -f tests/cli/complete.zsh "$TMPDIR/zsh" ;;
    fish) fish --no-config -c 'source $argv[1]
        while read -l line
            complete -C $line | cut -f 1
            echo end
        end' "$TMPDIR/fish/_nightjar" ;;
    esac
}

# The table, as `help` prints it.
commands=$("$NIGHTJAR" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
options() { # COMMAND
    "$NIGHTJAR" help "$1" | sed -n '/^Options:/,$s/^  -\([^ ].*\)/-\1/p' |
        sed 's/^-[a-zA-Z], //; s/ .*//'
}
letters() {
    "$NIGHTJAR" help "$1" | sed -n '/^Options:/,$s/^  \(-[a-zA-Z]\), .*/\1/p'
}
sorted() {
    LC_ALL=C sort -u | paste -sd' '
}

mkdir -p "$TMPDIR/place/run/tasks/fix-1" "$TMPDIR/place/run/tasks/fix-2"
: >"$TMPDIR/place/tasks.yaml"

formats=$("$NIGHTJAR" report --report '?' "$TMPDIR" 2>&1 |
    sed -n 's/.*known are //p' | sed 's/,//g; s/ and / /')

# What is typed, and what must be offered for it: "LINE|WORDS", sorted.
{
    printf 'nightjar |%s\n' "$(printf '%s\n' "$commands" | sorted)"
    echo 'nightjar --|--help --version'
    for command in $commands; do
        printf 'nightjar %s --|%s\n' "$command" "$(options "$command" | sorted)"
    done
    printf 'nightjar help |%s\n' "$(printf '%s\n' "$commands" | sorted)"
    echo 'nightjar run --color |always auto never'
    echo 'nightjar run --color a|always auto'
    echo 'nightjar report --color=|always auto never'
    echo 'nightjar run --jobs |'
    echo 'nightjar run --jobs 2 --pr|--progress'
    echo 'nightjar run --progress |auto github gitlab live plain'
    echo 'nightjar run --retry error:n|error:network'
    echo 'nightjar plan --matrix |github'
    echo 'nightjar sandbox --network |none open'
    echo 'nightjar sandbox --require |cgroup landlock namespaces seccomp'
    echo 'nightjar sandbox --without=la|landlock'
    echo 'nightjar help --completion |bash fish zsh'
    # shellcheck disable=SC2086 # words
    printf 'nightjar merge --report |%s\n' "$(printf '%s\n' $formats | sorted)"
    echo "nightjar logs $TMPDIR/place/run fix|fix-1 fix-2"
    echo 'nightjar frobnicate --|'
} >"$TMPDIR/wanted"
cut -d'|' -f1 "$TMPDIR/wanted" >"$TMPDIR/lines"

for shell in bash zsh fish; do
    if ! command -v "$shell" >/dev/null 2>&1; then
        skip "there is no $shell" "$(($(wc -l <"$TMPDIR/lines") + 1))"
        continue
    fi
    ok "$shell: it is a script" "$shell" -n "$TMPDIR/$shell/_nightjar"
    offered "$shell" <"$TMPDIR/lines" >"$TMPDIR/offered" 2>"$TMPDIR/errors"
    while IFS='|' read -r line wanted <&3; do
        got=
        while read -r word && [ "$word" != end ]; do
            # With "--option=" before it in fish; at the first word bash and
            # fish offer options that are not asked for.
            case "$line" in
            *=*) word=${word##*=} ;;
            *error:*) word=error:${word#error:} ;; # bash replaces the rest
            'nightjar ') case "$word" in -*) continue ;; esac ;;
            esac
            got="$got $word"
        done
        # shellcheck disable=SC2086 # words
        is "$([ -z "$got" ] || printf '%s\n' $got | sorted)" "$wanted" \
            "$shell: $line"
    done 3<"$TMPDIR/wanted" <"$TMPDIR/offered"
    is "$(cat "$TMPDIR/errors")" '' "$shell: nothing is said"
done

# Letters, too; and what is offered for a value is what the program takes.
letters=$(letters run | sorted)
is "$(echo 'nightjar run -' | offered bash | grep -v -e -- -e end | sorted)" \
    "$letters" 'bash: letters'
for option in color progress; do
    words=$("$NIGHTJAR" run --$option=? x 2>&1 |
        sed -n 's/.*expected \(.*\), got.*/\1/p' | sed 's/,//g; s/ or / /')
    is "$(echo "nightjar run --$option " | offered bash | grep -vx end | sorted)" \
        "$(printf '%s\n' $words | sorted)" "--$option: what the program says"
done
for layer in $(echo 'nightjar sandbox --require ' | offered bash | grep -vx end); do
    "$NIGHTJAR" sandbox --require "$layer" 2>&1 | grep -q 'needs -- COMMAND' ||
        fail "--require $layer is not taken"
done
# Files and folders are left to the shell.
for shell in bash zsh fish; do
    command -v "$shell" >/dev/null 2>&1 || continue
    printf '%s\n' "nightjar check $TMPDIR/place/" \
        "nightjar status $TMPDIR/place/" "nightjar run --out $TMPDIR/place/" \
        "nightjar merge --report json=$TMPDIR/place/" |
        offered "$shell" 2>&1 | sed "s|json=||; s|$TMPDIR/place/||; s|/\$||" |
        paste -sd' ' >"$TMPDIR/files"
    case $shell in
    bash) wanted='(default) end (dirnames) end (dirnames) end (default) end' ;;
    *) wanted='run tasks.yaml end run end run end run tasks.yaml end' ;;
    esac
    is "$(sed 's/run run/run/g' "$TMPDIR/files")" "$wanted" \
        "$shell: files, folders, folders, files"
done

# The texts arrive as they are, quotes and all.
if command -v fish >/dev/null 2>&1; then
    # shellcheck disable=SC2016 # fish's own
    is "$(fish --no-config -c 'source $argv[1]; complete -C "nightjar "' \
        "$TMPDIR/fish/_nightjar" | LC_ALL=C sort)" \
        "$("$NIGHTJAR" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)  *\(.*\)/\1	\2/p' |
            LC_ALL=C sort)" 'fish: summaries as help has them'
else
    skip 'there is no fish'
fi

# A terminal: bash itself completes and expands.
ok 'bash on a terminal completes words and files' python3 - \
    "$TMPDIR/bash/_nightjar" "$TMPDIR/place" <<'END'
import os, pty, select, sys, time

script, place = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.chdir(place)
    os.environ["PS1"] = "% "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
seen = b""

def until(text):
    global seen
    end = time.monotonic() + 10
    while text not in seen:
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            sys.exit(f"waited for {text!r}, got {seen!r}")
        seen += os.read(fd, 4096)
    seen = seen[seen.index(text) + len(text):]
os.write(fd, b"bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; "
         b". " + script.encode() + b"; nightjar() { printf '<%s>' \"$@\"; }; "
         b"echo rea''dy\n")
until(b"ready\r\n")
for typed, wanted in ((b"nightjar run --color=al\t\n", b"<run><--color=always>"),
                      (b"nightjar check ta\t\n", b"<check><tasks.yaml>"),
                      (b"nightjar logs r\t fix-\t2\n", b"<logs><run/><fix-2>"),
                      (b"nightjar run --retry error:netw\t\n",
                       b"<run><--retry><error:network>"),
                      (b"nightjar merge --report json=ta\t\n",
                       b"<merge><--report><json=tasks.yaml>")):
    os.write(fd, typed)
    until(wanted)
os.write(fd, b"exit\n")
os.waitpid(pid, 0)
END

done_testing
