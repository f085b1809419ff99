#!/bin/sh
# The rules of the source tree: who may include whom, headers that stand
# alone, sizes.
. tests/lib.sh

# Its `#include "…"` lines, as "file:folder".
includes() {
    grep -Hno '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*"' "$1"/*.[ch] \
        "$1"/*/*.[ch] 2>/dev/null |
        sed 's/^\([^:]*\):[0-9]*:.*"\([^"]*\)"$/\1:\2/'
}

# only FOLDER ALLOWED…: it includes project headers of these folders only.
only() {
    only_folder=$1
    shift
    only_pattern=$(printf '%s\n' "$@" | sed 's|.*|:&/[^/]*\\.h$|')
    only_all=$(includes "$only_folder")
    only_bad=$(printf '%s\n' "$only_all" | grep -v -e "$(printf '%s' "$only_pattern")")
    if [ -n "$only_all" ]; then
        pass "$only_folder/ includes headers with their folder"
    else
        fail "$only_folder/ includes headers with their folder" 'none found'
    fi
    is "$only_bad" '' "$only_folder/ includes only $*"
}

only base base
only sandbox base sandbox
only tasks base tasks
only reporters base tasks reporters
only runner base sandbox tasks reporters runner runner/agent runner/model \
    runner/tools

# libraries FOLDER PATTERN: system headers of third-party libraries that the
# folder includes, all of which the pattern must match.
libraries() {
    grep -hno '^[[:space:]]*#[[:space:]]*include[[:space:]]*<[^>]*>' "$1"/*.[ch] \
        "$1"/*/*.[ch] 2>/dev/null |
        sed 's/.*<\(.*\)>$/\1/' |
        grep -E '^(curl/|git2|cjson/|yaml|seccomp|openssl/|libpq)' |
        sort -u | grep -Ev "$2"
}

is "$(libraries base '^cjson/cJSON\.h$')" '' 'base/ knows no library but cJSON'
is "$(libraries sandbox '^seccomp\.h$')" '' \
    'sandbox/ knows no library but libseccomp'
is "$(libraries tasks '^(git2(/.*)?\.h|yaml\.h)$')" '' \
    'tasks/ knows no library but libgit2 and libyaml'
is "$(libraries reporters '^$')" '' 'reporters/ know no library'
is "$(grep -lE '#[[:space:]]*include[[:space:]]*<git2' -r base sandbox \
    reporters runner --include='*.[ch]')" '' 'libgit2 is in tasks/ only'

# The headers that a header reaches, itself left out, must not reach it.
headers=$(find base sandbox tasks reporters runner -name '*.h' | LC_ALL=C sort)
# shellcheck disable=SC2086 # names without blanks
is "$(python3 - $headers <<'END'
import re, sys
graph = {name: re.findall(r'^\s*#\s*include\s*"([^"]+)"', open(name).read(), re.M)
         for name in sys.argv[1:]}

def reach(name, seen):
    for other in graph.get(name, []):
        if other not in seen:
            seen.add(other)
            reach(other, seen)
    return seen

print("\n".join(name for name in graph if name in reach(name, set())))
END
)" '' 'no header reaches itself'

# Each header compiles alone.
libraries_flags=$(pkg-config --cflags libcurl libcjson yaml-0.1 libgit2 \
    libseccomp)
alone=
for header in $headers; do
    # shellcheck disable=SC2086 # flags are words
    if ! printf '#include "%s"\n' "$header" |
        gcc -std=gnu17 -D_GNU_SOURCE -I. -include base/banned.h \
            -DNIGHTJAR_VERSION='"0"' $libraries_flags -Wall -Wextra -Werror \
            -fsyntax-only -x c - 2>"$TMPDIR/alone.log"; then
        alone="$alone $header"
        note "$(head -3 "$TMPDIR/alone.log")"
    fi
done
is "$alone" '' "each of $(printf '%s\n' "$headers" | wc -l) headers compiles alone"

# guard FILE: the name that its guard should have.
guard() {
    printf 'NIGHTJAR_%s\n' "$1" | tr 'a-z/.' 'A-Z__'
}

unguarded=
for header in $headers tests/*.h tests/unit/*.h tests/server/*.h; do
    name=$(guard "$header")
    first=$(grep -n '^[[:space:]]*#' "$header" | head -2 | sed 's/^[0-9]*://')
    last=$(grep '[^[:space:]]' "$header" | tail -1)
    if [ "$first" != "#ifndef $name
#define $name" ] || [ "$last" != '#endif' ]; then
        unguarded="$unguarded $header"
    fi
done
is "$unguarded" '' 'each header has the guard that its path says'

# Sizes.
is "$(find base sandbox tasks reporters runner -name '*.c' -exec wc -l {} + |
    awk '$2 != "total" && $1 > 600 {print $2 ": " $1}')" '' \
    'no source file has more than 600 lines'
is "$(grep -nE '(^|[^a-z_])goto ' -r base sandbox tasks reporters runner \
    --include='*.[ch]' | grep -v '^[^:]*:[0-9]*:[[:space:]]*[/*"]' |
    grep -v '"[^"]*goto[^"]*"' | cut -c1-60)" '' 'there is no goto'

# shellcheck disable=SC2086 # names without blanks
is "$(python3 - $headers <<'END'
import sys
for name in sys.argv[1:]:
    if not open(name).read().startswith("/*"):
        print(name + ": does not begin with what it is for")
END
)" '' 'each header begins with what it is for'

done_testing
