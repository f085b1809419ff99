#!/bin/sh
# sshd.sh: an OpenSSH server on loopback for the current user, for tests.
#
#     sshd.sh [--ready-fd N] [--port-file FILE] [--lifetime SECONDS] DIRECTORY
#
# DIRECTORY is made and gets host_key, user_key (the one that may log in, no
# passphrase), authorized_keys, sshd_config, known_hosts (a line for
# 127.0.0.1 and the port) and log. The port is printed, and told as the other
# test servers do. Commands run as the user that started this, so
# ssh://USER@127.0.0.1:PORT/path/to/repository.git works. It ends on SIGTERM,
# with its parent, and after its lifetime (120 seconds).
set -eu

ready='' port_file='' lifetime=120
while [ $# -gt 1 ]; do
    case $1 in
    --ready-fd) ready=$2 ;;
    --port-file) port_file=$2 ;;
    --lifetime) lifetime=$2 ;;
    *) break ;;
    esac
    shift 2
done
if [ $# != 1 ]; then
    echo "usage: sshd.sh [--ready-fd N] [--port-file FILE]" \
        "[--lifetime SECONDS] DIRECTORY" >&2
    exit 2
fi
mkdir -p "$1"
directory=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

# sshd starts itself again and so wants an absolute name; only root has sbin
# in its path everywhere.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
sshd=$(command -v sshd) || { echo "sshd.sh: there is no sshd" >&2; exit 1; }
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd

umask 077
rm -f "$directory/host_key" "$directory/user_key"
ssh-keygen -q -t ed25519 -N '' -C host -f "$directory/host_key"
ssh-keygen -q -t ed25519 -N '' -C user -f "$directory/user_key"
cp "$directory/user_key.pub" "$directory/authorized_keys"
cat >"$directory/sshd_config" <<END
HostKey "$directory/host_key"
AuthorizedKeysFile "$directory/authorized_keys"
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
PrintLastLog no
AcceptEnv GIT_PROTOCOL
LoginGraceTime 30
LogLevel VERBOSE
END
"$sshd" -t -f "$directory/sshd_config"

set -- "$sshd" -i -f "$directory/sshd_config" -E "$directory/log"
[ -z "$ready" ] || set -- --ready-fd "$ready" -- "$@"
[ -n "$ready" ] || set -- -- "$@"
[ -z "$port_file" ] || set -- --port-file "$port_file" "$@"
exec python3 "$here/sshd.py" --lifetime "$lifetime" \
    --known-hosts "$directory/known_hosts" \
    --host-key "$directory/host_key.pub" "$@"
