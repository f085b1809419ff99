#!/bin/sh
# Repositories over every transport, with credentials, refs, submodules; and
# what is said when it does not work.
. tests/lib.sh

cat >"$TMPDIR/script.yaml" <<'END'
version: 1
tasks:
  - task: "*"
    turns:
      - calls: [{exec_command: {cmd: "cat README.md && git status --porcelain"}}]
      - final: read
END

# clone_task NAME REPOSITORY [REF [EXTRA]]: runs a task on it. Sets VERDICT
# ("passed completed"), MESSAGE, COMMIT.
clone_task() {
    clone_out=$TMPDIR/out-$1
    {
        printf 'version: 1\nmodel: {provider: scripted, script: script.yaml}\n'
        printf 'tasks:\n  - id: clone\n    repo: "%s"\n' "$2"
        [ -z "${3-}" ] || printf '    ref: "%s"\n' "$3"
        printf '    prompt: read\n    changes: none\n'
        [ -z "${4-}" ] || printf '    %s\n' "$4"
    } >"$TMPDIR/$1.yaml"
    "$NIGHTJAR" run "$TMPDIR/$1.yaml" --out "$clone_out" -q \
        >"$TMPDIR/$1.log" 2>&1
    STATUS=$?
    eval "$(python3 - "$clone_out/reports/report.json" <<'END'
import json, shlex, sys
task = json.load(open(sys.argv[1]))["tasks"][0]
print("VERDICT=" + shlex.quote(task["verdict"] + " " + task["reason"]))
print("MESSAGE=" + shlex.quote(task["message"]))
print("HINT=" + shlex.quote(task.get("hint") or ""))
print("COMMIT=" + shlex.quote(task.get("commit") or ""))
END
)"
}

# ---- refs, over a path ------------------------------------------------------

make_repository plain
plain=$REPOSITORY
first=$(git -C "$plain" rev-parse HEAD)
git -C "$plain" tag -a -m "first" v1
git -C "$plain" checkout -q -b side
echo more >>"$plain/README.md"
git -C "$plain" commit -qam "more"
side=$(git -C "$plain" rev-parse HEAD)
git -C "$plain" update-ref refs/pull/7/head "$side"
git -C "$plain" checkout -q main

clone_task path "$plain"
is "$VERDICT" "passed completed" "a path"
is "$COMMIT" "$first" "no ref: the commit of HEAD"
clone_task branch "$plain" side
is "$COMMIT" "$side" "a branch"
clone_task tag "$plain" v1
is "$COMMIT" "$first" "an annotated tag, peeled"
clone_task commit "$plain" "$first"
is "$COMMIT" "$first" "a whole commit id"
clone_task short "$plain" "$(printf %.10s "$side")"
is "$COMMIT" "$side" "a short commit id"
clone_task pull "$plain" refs/pull/7/head
is "$COMMIT" "$side" "a ref outside of heads and tags"
clone_task file "file://$plain" side
is "$VERDICT $COMMIT" "passed completed $side" "file://"
clone_task missing-ref "$plain" no-such-branch
is "$VERDICT" "error repository" "a ref that is not there"
like "$MESSAGE" "ref 'no-such-branch' not found" "is named"
is "$STATUS" 3 "and ends with exit status 3"
clone_task missing-commit "$plain" 0123456789012345678901234567890123456789
like "$MESSAGE" "on no branch and no tag" "a commit that is not there"
clone_task missing-path "$TMPDIR/nowhere"
is "$VERDICT" "error repository" "a path that is not there"
git init -q "$TMPDIR/empty"
clone_task empty "$TMPDIR/empty"
is "$VERDICT" "error repository" "an empty repository"
like "$MESSAGE" "HEAD" "says that there is no HEAD"

# ---- HTTP -------------------------------------------------------------------

make_bare_repository web
start_git_server "$TMPDIR/bare"
clone_task http "$GIT_URL/web.git"
is "$VERDICT" "passed completed" "http"
clone_task http-missing "$GIT_URL/nothing.git"
is "$VERDICT" "error repository" "http: no such repository"
like "$MESSAGE" "127.0.0.1.*404" "names the host and the cause"
stop "$GIT_PID"
clone_task http-refused "$GIT_URL/web.git"
is "$VERDICT" "error repository" "http: nobody listens"
like "$MESSAGE" "127.0.0.1" "names the host"

start_git_server "$TMPDIR/bare" --require-token secret-token-42
clone_task http-anonymous "$GIT_URL/web.git"
is "$VERDICT" "error authentication" "http: a token is wanted and there is none"
like "$HINT" "NIGHTJAR_GIT_TOKEN" "the hint says how to give one"
host=${GIT_URL#http://}
NIGHTJAR_GIT_TOKEN=secret-token-42 NIGHTJAR_GIT_TOKEN_HOST=$host
export NIGHTJAR_GIT_TOKEN NIGHTJAR_GIT_TOKEN_HOST
clone_task http-token "$GIT_URL/web.git"
is "$VERDICT" "passed completed" "http: the token of that host"
NIGHTJAR_GIT_TOKEN=wrong-token-4711
clone_task http-wrong "$GIT_URL/web.git"
is "$VERDICT" "error authentication" "http: a wrong token"
NIGHTJAR_GIT_TOKEN=secret-token-42 NIGHTJAR_GIT_TOKEN_HOST=example.org
clone_task http-other "$GIT_URL/web.git"
is "$VERDICT" "error authentication" "http: a token of another host is not sent"
unset NIGHTJAR_GIT_TOKEN NIGHTJAR_GIT_TOKEN_HOST
unlike "$(cat "$TMPDIR"/out-*/journal.jsonl)" "secret-token-42" \
    "no token in a journal"
stop "$GIT_PID"

git -C "$TMPDIR/bare/web.git" branch gone
start_git_server "$TMPDIR/bare" --vanish refs/heads/gone
clone_task vanish "$GIT_URL/web.git" gone
like "$VERDICT" "^(error repository|passed completed)$" \
    "a ref that vanishes while it is fetched has a verdict ($VERDICT)"
stop "$GIT_PID"

# ---- HTTPS ------------------------------------------------------------------

# The certificate's name: libgit2 with mbedTLS knows no addresses in them.
if getent hosts localhost >/dev/null; then
    make_certificate "$TMPDIR/tls"
    start_git_server "$TMPDIR/bare" --tls "$TMPDIR/tls/cert.pem" "$TMPDIR/tls/key.pem"
    clone_task https-unknown "$GIT_URL/web.git"
    is "$VERDICT" "error repository" "https: an unknown authority is refused"
    like "$MESSAGE" "localhost" "and the host named"
    SSL_CERT_FILE=$TMPDIR/tls/cert.pem
    export SSL_CERT_FILE
    clone_task https "$GIT_URL/web.git"
    is "$VERDICT" "passed completed" "https with SSL_CERT_FILE"
    unset SSL_CERT_FILE
    stop "$GIT_PID"
else
    skip "localhost does not resolve on this machine" 3
fi

# ---- SSH --------------------------------------------------------------------

start_ssh_server
bare=$TMPDIR/bare/web.git
mkdir -p "$HOME/.ssh"
cp "$SSH_DIRECTORY/known_hosts" "$HOME/.ssh/known_hosts"
clone_task ssh-no-agent "$SSH_URL$bare"
is "$VERDICT" "error authentication" "ssh: no agent"
like "$HINT" "SSH agent" "the hint says so"
start_ssh_agent "$SSH_DIRECTORY/user_key"
clone_task ssh "$SSH_URL$bare"
is "$VERDICT" "passed completed" "ssh with an agent and a known host"
rm "$HOME/.ssh/known_hosts"
clone_task ssh-unknown-host "$SSH_URL$bare"
like "$VERDICT" "^error " "ssh: a host that is not known is refused ($VERDICT)"
like "$MESSAGE" "127.0.0.1" "and named"

# ---- submodules -------------------------------------------------------------

make_repository library
make_repository super
git -C "$REPOSITORY" -c protocol.file.allow=always \
    submodule --quiet add "$TMPDIR/library" lib
git -C "$REPOSITORY" commit -qm "add lib"
cat >"$TMPDIR/script.yaml" <<'END'
version: 1
tasks:
  - task: "*"
    turns:
      - calls: [{exec_command: {cmd: "cat lib/README.md && echo ok > new"}}]
      - expect: Process exited with code 0
        final: read
END
clone_task submodule "$REPOSITORY" main "submodules: true"
is "$VERDICT" "failed unexpected_changes" "a submodule is there"
like "$(cat "$TMPDIR/out-submodule/tasks/clone/patch.diff")" "b/new" \
    "and is no part of the patch"
unlike "$(cat "$TMPDIR/out-submodule/tasks/clone/patch.diff")" "lib" \
    "and is no part of the patch"

done_testing
