#!/bin/sh
# git, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

# Who commits is the script's matter: nothing of the caller comes in.
GIT_PRELUDE='export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git init -q -b main r && cd r && git config user.name A && git config user.email a@x
echo 1 >f && git add f && git commit -q -m one'

check_git() {
    inside 'git: init, config, commit, branch, merge, status, log' 'git' <<EOF
$GIT_PRELUDE
git switch -q -c side && echo 2 >g && git add g && git commit -q -m two
git switch -q main && echo 3 >h && git add h && git commit -q -m three
git merge -q --no-edit side
git rebase -q side && git tag v1 && git blame f
[ -z "\$(git status --porcelain)" ] && [ "\$(git log --oneline | wc -l)" = 3 ]
git diff --stat HEAD~1 && git format-patch -q -1 && git grep -q 3
EOF

    inside 'git: worktree, stash, gc, fsck' 'git' <<EOF
$GIT_PRELUDE
git worktree add -q ../tree -b other && echo x >../tree/f
git -C ../tree commit -q -a -m x && git worktree remove ../tree
echo y >f && git stash -q && [ "\$(cat f)" = 1 ] && git stash pop -q && [ "\$(cat f)" = y ]
git gc -q --prune=now && git fsck --strict && git count-objects -v
EOF

    inside 'git: clone, fetch, push and a submodule of a local path' 'git' <<EOF
$GIT_PRELUDE
cd .. && git clone -q r copy && git clone -q --bare r bare.git
git clone -q "file://\$PWD/bare.git" wire && cd wire
echo 2 >f && git commit -q -a -m two && git push -q origin HEAD
git -C ../copy fetch -q "\$PWD" && git -C ../copy merge -q FETCH_HEAD
git -c protocol.file.allow=always submodule --quiet add "\$PWD/../bare.git" sub
[ -f sub/f ]
EOF

    inside 'git: hooks of a repository made inside' 'git' <<EOF
$GIT_PRELUDE
printf '#!/bin/sh\nexit 1\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
git commit --allow-empty -m no && exit 1
git commit -q --allow-empty --no-verify -m yes
EOF

    # The workspace itself is a repository that was there before.
    has 'git in the workspace' 'git' || return
    new_workspace
    git init -q -b main "$WORKSPACE"
    echo 1 >"$WORKSPACE/f"
    git -C "$WORKSPACE" add f
    git -C "$WORKSPACE" commit -q -m one
    cat >"$WORKSPACE/check.sh" <<'EOF'
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git status --short && git switch -q -c side && echo 2 >f && git commit -q -a -m two
git switch -q main && git merge -q side && git stash list && git gc -q
git worktree add -q /tmp/tree && git worktree remove /tmp/tree && git branch -D side
git checkout -q HEAD~1 && git reset -q --hard main && git clean -fdq -e check.sh
EOF
    ok 'git: in a workspace that is a repository' run_script
    is "$(git -C "$WORKSPACE" log --format=%s HEAD)" "two
one" 'git: what was committed inside is there outside'
}

run_checks check_git
