#!/bin/sh
# Patches keep everything that git can say, and stock git applies them.
. tests/lib.sh

make_repository work
cd_repo() { cd "$REPOSITORY" || exit 1; }
(
    cd_repo
    mkdir -p src deep/er
    i=0
    while [ $i -lt 60 ]; do echo "line $i"; i=$((i + 1)); done >src/long.txt
    printf 'no newline at the end' >bare-end.txt
    printf 'one\r\ntwo\r\nthree\r\n' >crlf.txt
    printf '\000\001\002binary\377\376' >image.bin
    printf '#!/bin/sh\necho hi\n' >tool.sh
    ln -s src/long.txt link
    echo deep >deep/er/file
    printf 'latin' >"$(printf 'gr\374n.txt')"
    printf 'tab\n' >"$(printf 'with\ttab and "quotes"')"
    printf '*.o\nbuild/\n' >.gitignore
    echo tracked >kept.o
    git add -A -f
    git commit -qm "material"
)
base=$(git -C "$REPOSITORY" rev-parse HEAD)

# change NAME COMMANDS [KEYS]: a task whose agent runs the commands; sets
# PATCH, and CHECKOUT: a clean clone with the patch applied by git.
change() {
    {
        printf 'version: 1\ntasks:\n  - task: "*"\n    turns:\n'
        printf '      - calls:\n          - exec_command:\n              cmd: |\n'
        printf '%s\n' "$2" | sed 's/^/                /'
        printf '      - expect: "code 0"\n        final: done\n'
    } >"$TMPDIR/script.yaml"
    {
        printf 'version: 1\nmodel: {provider: scripted, script: script.yaml}\n'
        printf 'tasks:\n  - id: t\n    repo: work\n    prompt: p\n'
        printf '    policy: {patch: {binary: true, max_file_size: 100M}}\n'
        printf '    verify: ["true"]\n%s\n' "${3-}"
    } >"$TMPDIR/$1.yaml"
    "$NIGHTJAR" run "$TMPDIR/$1.yaml" --out "$TMPDIR/out-$1" -q \
        >"$TMPDIR/$1.log" 2>&1
    status=$?
    PATCH=$TMPDIR/out-$1/tasks/t/patch.diff
    # What an overlay finds by what changed, a plain checkout finds by reading
    # everything.
    case ${3-} in
    *sandbox:*) ;;
    *)
        sed 's/^    policy:/    sandbox: {overlay: false}\n    policy:/' \
            "$TMPDIR/$1.yaml" >"$TMPDIR/$1-plain.yaml"
        "$NIGHTJAR" run "$TMPDIR/$1-plain.yaml" --out "$TMPDIR/plain-$1" -q \
            >"$TMPDIR/$1-plain.log" 2>&1
        is "$(cat "$TMPDIR/plain-$1/tasks/t/patch.diff" 2>&1 | sha256sum)" \
            "$(cat "$PATCH" 2>&1 | sha256sum)" \
            "$1: the same patch from a plain checkout"
        ;;
    esac
    CHECKOUT=$TMPDIR/checkout-$1
    git clone -q "$REPOSITORY" "$CHECKOUT"
    if git -C "$CHECKOUT" apply --index --whitespace=nowarn "$PATCH" \
        2>"$TMPDIR/$1.apply"; then
        is "$status" 0 "$1: passed, and git applies the patch"
    else
        fail "$1: passed, and git applies the patch" \
            "exit $status; $(cat "$TMPDIR/$1.apply" "$TMPDIR/$1.log")"
    fi
}

# same NAME COMMANDS: the patched checkout is what the commands make of a
# checkout themselves, names and modes and all.
same() {
    change "$1" "$2" "${3-}"
    git clone -q "$REPOSITORY" "$TMPDIR/by-hand-$1"
    (cd "$TMPDIR/by-hand-$1" && sh -c "$2" >/dev/null && git add -A)
    is "$(git -C "$CHECKOUT" write-tree)" \
        "$(git -C "$TMPDIR/by-hand-$1" write-tree)" "$1: the same tree"
}

same edit 'sed -i s/line.5$/changed/ src/long.txt'
same add 'mkdir -p new/dir && echo x > new/dir/file && : > new/empty'
same delete 'rm src/long.txt deep/er/file'
same rename 'git mv src/long.txt src/renamed.txt'
like "$(cat "$PATCH")" "^rename to src/renamed.txt" "a rename is told as one"
same rename-edit 'mv src/long.txt moved.txt && echo more >> moved.txt'
same mode 'chmod +x crlf.txt && chmod -x tool.sh'
same rename-mode 'mv crlf.txt src/crlf.sh && chmod +x src/crlf.sh'
same no-newline 'printf " and more" >> bare-end.txt; printf x > also-none'
same add-newline 'echo >> bare-end.txt'
same crlf 'printf "four\r\n" >> crlf.txt; sed -i 1d crlf.txt'
same binary 'printf "\003\004" >> image.bin; cat /bin/sh > new.bin; cp image.bin copy.bin'
same symlink 'rm link && ln -s deep/er/file link && ln -s /nowhere/at/all dangling'
same file-to-link 'rm tool.sh && ln -s link tool.sh'
same link-to-file 'rm link && echo plain > link'
same file-to-folder 'rm crlf.txt && mkdir crlf.txt && echo in > crlf.txt/file'
same folder-to-file 'rm -r deep && echo file > deep'
same bytes 'printf more >> "$(printf "gr\374n.txt")"; echo n > "$(printf "new\377\303name")"; echo q > "$(printf "a\tb \"c\" \\ d")"'
same newline-name 'printf x > "$(printf "two\nlines")"'
same whitespace 'printf "  trailing  \n\t\n" > blanks.txt'
same tracked-ignored 'echo changed > kept.o'
same empty-file ': > src/long.txt'
same many 'i=0; while [ $i -lt 500 ]; do echo $i > many-$i; i=$((i+1)); done'
same conflict-markers 'printf "<<<<<<< a\n=======\n>>>>>>> b\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n-- \n" > looks-like-a-patch'

change ignored 'mkdir build && echo o > build/x.o && echo o > y.o && echo z > z.txt'
is "$(git -C "$CHECKOUT" diff --cached --name-only)" "z.txt" \
    "ignored files are no part of it"
change git-folder 'rm -rf .git && mkdir .git && echo x > .git/config && mkdir -p sub/.git && echo y > sub/.git/HEAD && echo z > sub/file'
is "$(git -C "$CHECKOUT" diff --cached --name-only)" "sub/file" \
    "the workspace's .git is not asked, others are left out"
change committed 'echo c > c.txt && git add -A && git commit -qm c && echo d > d.txt'
is "$(git -C "$CHECKOUT" diff --cached --name-only | tr '\n' ' ')" \
    "c.txt d.txt " "what the agent committed is part of it"
change special 'mkfifo pipe && echo x > x.txt && mkdir hidden && echo y > hidden/y.txt && chmod 000 bare-end.txt hidden'
is "$(git -C "$CHECKOUT" diff --cached --name-only | tr '\n' ' ')" \
    "hidden/y.txt x.txt " "a pipe is left out; what has no rights is read"
change setup 'echo mine >> README.md' \
    '    setup: ["echo generated > generated.txt && echo touched >> crlf.txt"]'
is "$(git -C "$CHECKOUT" diff --cached --name-only)" "README.md" \
    "what setup made is no part of it"
is "$(git -C "$REPOSITORY" rev-parse HEAD)" "$base" "the repository is untouched"
is "$(git -C "$REPOSITORY" status --porcelain)" "" "its work tree too"

done_testing
