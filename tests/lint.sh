#!/bin/sh
# `make lint`: format, clang-tidy, cppcheck. Status 1 if any has something to
# say.
set -u
cd "$(dirname "$0")/.."
status=0

sources=$(git ls-files '*.c' '*.h')
# shellcheck disable=SC2086 # lists of names without blanks
clang-format --dry-run -Werror $sources || status=1

product=$(git ls-files 'base/*.c' 'sandbox/*.c' 'tasks/*.c' 'reporters/*.c' \
    'runner/*.c')
flags="-std=gnu17 -D_GNU_SOURCE -I. -include base/banned.h
    -DNIGHTJAR_VERSION=\"0\"
    $(pkg-config --cflags libcurl libcjson yaml-0.1 libgit2 libseccomp)"
# shellcheck disable=SC2086
printf '%s\n' $product | xargs -P 2 -n 8 sh -c '
    flags=$0; clang-tidy --quiet "$@" -- $flags 2>/dev/null' "$flags" || status=1

# shellcheck disable=SC2086
cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr \
    --error-exitcode=1 --library=gnu -D_GNU_SOURCE \
    --suppress=missingIncludeSystem --suppress=unknownMacro \
    --suppress=nullPointer:sandbox/egress_serve.c \
    -DNIGHTJAR_VERSION='"0"' -I. -j 2 $product 2>&1 || status=1
exit $status
