#!/bin/sh
# Repositories made to hurt: nothing outside of the checkout is touched, every
# task has a verdict.
. tests/lib.sh

cat >"$TMPDIR/script.yaml" <<'END'
version: 1
tasks:
  - task: "*"
    turns:
      - calls:
          - exec_command: {cmd: "ls -la; cat a 2>&1; echo changed > new.txt"}
      - final: looked
END
outside=$TMPDIR/outside
mkdir "$outside"
echo canary >"$outside/canary"

# hostile NAME: a repository; read its tree from standard input in the form of
# `git ls-tree` with "BLOB" for a blob that holds "payload".
hostile() {
    git init -q -b main "$TMPDIR/$1"
    cd "$TMPDIR/$1" || exit 1
    blob=$(echo payload | git hash-object -w --stdin)
    link=$(printf '%s' "$outside" | git hash-object -w --stdin)
    file=$(printf '%s/canary' "$outside" | git hash-object -w --stdin)
    sub=$(printf '100644 blob %s\tcanary\n' "$blob" | git mktree)
    hooks=$(printf '100755 blob %s\tpost-checkout\n' "$blob" | git mktree)
    git_folder=$(printf '040000 tree %s\thooks\n' "$hooks" | git mktree)
    export blob link file sub hooks git_folder
    # Trees that git would not make are written as they are.
    tree=$(python3 - "$2" <<'END'
import os, re, subprocess, sys
raw = b""
for mode, name, kind in re.findall(r"(\d+) (\S+) (\w+)", sys.argv[1]):
    raw += mode.encode() + b" " + name.encode() + b"\0" + \
        bytes.fromhex(os.environ[kind])
print(subprocess.run(["git", "hash-object", "-t", "tree", "-w", "--stdin",
                      "--literally"], input=raw, capture_output=True,
                     check=True).stdout.decode().strip())
END
)
    git update-ref refs/heads/main "$(git commit-tree -m x "$tree")"
    cd - >/dev/null || exit 1
}

# judged NAME: runs a task on it.
judged() {
    printf 'version: 1\nmodel: {provider: scripted, script: script.yaml}\ntasks: [{id: t, repo: %s, prompt: p, timeout: 2m}]\n' \
        "$1" >"$TMPDIR/$1.yaml"
    "$NIGHTJAR" run "$TMPDIR/$1.yaml" --out "$TMPDIR/out-$1" -q \
        >"$TMPDIR/$1.log" 2>&1
    like "$(cat "$TMPDIR/out-$1/journal.jsonl")" \
        '"type":"task_finished".*"verdict":"(passed|error|failed)"' \
        "$1: a verdict"
    is "$(cat "$outside/canary"; ls -A "$outside")" "canary
canary" "$1: nothing outside is touched"
}

while read -r name tree; do
    hostile "$name" "$tree"
    judged "$name"
done <<'END'
link-and-folder 120000 a link 40000 a sub
folder-and-link 40000 a sub 120000 a link
link-to-file 120000 a file
dot-dot 100644 .. blob
dot-dot-folder 40000 .. sub
slash 100644 ../outside/canary blob
absolute 100644 /tmp/nightjar-hostile-canary blob
git-folder 40000 .git git_folder
git-upper 40000 .GIT git_folder
git-short 40000 GIT~1 git_folder
git-file 100644 .git blob
gitmodules-link 120000 .gitmodules file
twice 100644 a blob 100644 a blob
missing 100644 a hooks
END
status_is 1 "no absolute path was written" test -e /tmp/nightjar-hostile-canary

# Submodules whose URLs must not be followed.
make_repository super
for url in 'ext::sh -c "touch canary2"' '--upload-pack=touch canary2' \
    "file://$outside" 'git://127.0.0.1:1/x'; do
    name=submodule-$((${number:-0} + 1))
    number=$((${number:-0} + 1))
    git init -q -b main "$TMPDIR/$name"
    git -C "$TMPDIR/$name" config -f .gitmodules submodule.x.path sub
    git -C "$TMPDIR/$name" config -f .gitmodules submodule.x.url "$url"
    git -C "$TMPDIR/$name" add .gitmodules
    git -C "$TMPDIR/$name" update-index --add --cacheinfo \
        160000,0123456789012345678901234567890123456789,sub
    git -C "$TMPDIR/$name" commit -qm "hostile"
    printf 'version: 1\nmodel: {provider: scripted, script: script.yaml}\ntasks: [{id: t, repo: %s, prompt: p, submodules: true}]\n' \
        "$name" >"$TMPDIR/$name.yaml"
    "$NIGHTJAR" run "$TMPDIR/$name.yaml" --out "$TMPDIR/out-$name" -q \
        >"$TMPDIR/$name.log" 2>&1
    like "$(cat "$TMPDIR/out-$name/journal.jsonl")" \
        '"verdict":"error","reason":"repository"' "submodule '$url' is refused"
done
is "$(find "$TMPDIR" -name canary2)" "" "and nothing was executed"

# An agent that turns the checkout against whoever collects its work.
cat >"$TMPDIR/script.yaml" <<'END'
version: 1
tasks:
  - task: "*"
    turns:
      - calls:
          - exec_command:
              cmd: |
                git config core.fsmonitor 'touch /tmp/owned'
                git config core.hooksPath /workspace/hooks
                git config filter.x.clean 'touch /tmp/owned'
                git config core.worktree /
                mkdir hooks && printf '#!/bin/sh\ntouch /tmp/owned\n' > hooks/post-checkout
                chmod +x hooks/post-checkout
                echo '* filter=x' > .gitattributes
                rm -f README.md && ln -s /etc/shadow README.md
                ln -s / root; ln -s ../../../../.. up; ln -s self self
                mkfifo .gitignore sub; echo x > good.txt
                i=0; while [ $i -lt 200 ]; do mkdir d && cd d && i=$((i+1)); done
                echo deep > file
      - final: done
END
printf 'version: 1\nmodel: {provider: scripted, script: script.yaml}\ntasks: [{id: t, repo: super, prompt: p, timeout: 2m}]\n' \
    >"$TMPDIR/agent.yaml"
status_is 0 "an agent that lays traps has a patch" "$NIGHTJAR" run \
    "$TMPDIR/agent.yaml" --out "$TMPDIR/out-agent" -q
git clone -q "$TMPDIR/super" "$TMPDIR/clean"
ok "that git applies" git -C "$TMPDIR/clean" apply --index \
    "$TMPDIR/out-agent/tasks/t/patch.diff"
is "$(readlink "$TMPDIR/clean/README.md")" "/etc/shadow" \
    "a link is kept as a link, not read"
unlike "$(cat "$TMPDIR/out-agent/tasks/t/patch.diff")" 'root:' \
    "what it points to is not in the patch"
status_is 1 "nothing of it ran on the host" test -e /tmp/owned
is "$(ls -A "$TMPDIR" | grep '^nightjar-')" "" "no checkout is left"

done_testing
