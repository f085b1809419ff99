#!/bin/sh
# Whose certificates a model's server may have: SSL_CERT_FILE, else the
# system's, wherever that keeps them.
. tests/lib.sh

getent hosts localhost >/dev/null || {
    skip 'localhost does not resolve on this machine' 4
    done_testing
}
make_repository work
make_certificate "$TMPDIR/tls"
cat >"$TMPDIR/tasks.yaml" <<END
version: 1
model: {name: m, key_env: KEY, max_retries: 0}
tasks: [{id: one, repo: $REPOSITORY, prompt: p}]
END
# Answers 404 to everything: a fault of the request, once TLS stands.
mkdir -p "$TMPDIR/bare"
start_git_server "$TMPDIR/bare" --tls "$TMPDIR/tls/cert.pem" "$TMPDIR/tls/key.pem"
export KEY=sk-0123456789

# becomes NAME [COMMAND…]: what becomes of the task, run by that command.
becomes() {
    run=$TMPDIR/$1
    shift
    "$@" "$NIGHTJAR" run "$TMPDIR/tasks.yaml" -q --out "$run" \
        --model-url "$GIT_URL/v1" >"$TMPDIR/said" 2>&1
    sed -n 's/.*"type":"task_finished".*"verdict":"\([a-z]*\)","reason":"\([a-z]*\)".*/\1 \2/p' \
        "$run/journal.jsonl"
}

is "$(becomes unknown)" 'error network' 'an unknown authority is refused'
is "$(becomes file env "SSL_CERT_FILE=$TMPDIR/tls/cert.pem")" 'error request' \
    'one in SSL_CERT_FILE is trusted'
mkdir "$TMPDIR/folder"
cp "$TMPDIR/tls/cert.pem" "$TMPDIR/folder/$(
    openssl x509 -noout -subject_hash -in "$TMPDIR/tls/cert.pem").0"
is "$(becomes folder env "SSL_CERT_DIR=$TMPDIR/folder")" 'error request' \
    'one in SSL_CERT_DIR is trusted'

# Another system's place, in a mount namespace: openSUSE's.
cat >"$TMPDIR/mounts.sh" <<END
mount -t tmpfs tmpfs /etc/ssl &&
    cp "$TMPDIR/tls/cert.pem" /etc/ssl/ca-bundle.pem && exec "\$@"
END
if unshare --mount sh "$TMPDIR/mounts.sh" true 2>/dev/null; then
    is "$(becomes elsewhere unshare --mount sh "$TMPDIR/mounts.sh")" \
        'error request' 'one of the system, in another place'
else
    skip 'mount namespaces are not to be had here'
fi

done_testing
