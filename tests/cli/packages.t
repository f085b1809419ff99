#!/bin/sh
# What is installed, and the packages: what is in them, that it works where it
# is put, and that they have the same bytes each time.
. tests/lib.sh

example=$PWD/examples/quickstart/tasks.yaml
commands=$("$NIGHTJAR" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
SOURCE_DATE_EPOCH=1790000000
export SOURCE_DATE_EPOCH
# Of the make that runs the tests: what it was told is not for ours.
unset MAKEFLAGS MAKELEVEL MFLAGS VARIANT

# ---- make install -----------------------------------------------------------

prefix=$TMPDIR/installed/usr/local
ok 'installs' .ci/install "$NIGHTJAR" "$prefix"
is "$("$prefix/bin/nightjar" --version | head -1)" "nightjar $(cat VERSION)" \
    'what is installed runs'
missing=
for page in nightjar $(printf 'nightjar-%s ' $commands); do
    [ -s "$prefix/share/man/man1/$page.1" ] || missing="$missing $page"
done
is "$missing" '' 'a page for the program and for each command'
is "$(cat "$prefix/share/man/man1/nightjar.1")" "$(cat docs/nightjar.1)" \
    'that of the program is the committed one'
for file in bash-completion/completions/nightjar zsh/site-functions/_nightjar \
    fish/vendor_completions.d/nightjar.fish nightjar/nightjar.schema.json \
    nightjar/default-policy.yaml; do
    ok "share/$file" test -s "$prefix/share/$file"
done
ok 'uninstalls' .ci/install --remove "$prefix"
is "$(find "$prefix" ! -type d)" '' 'and leaves no file'

# The goals of make are these, with these folders.
like "$(make --dry-run --silent install PREFIX=/there DESTDIR=/root 2>&1)" \
    '\.ci/install build/release/nightjar /root/there$' 'make install'
like "$(make --dry-run --silent uninstall PREFIX=/there 2>&1)" \
    '\.ci/install --remove /there$' 'make uninstall'

# ---- Debian -----------------------------------------------------------------

if command -v dpkg-shlibdeps >/dev/null 2>&1; then
    ok 'make deb' .ci/package deb "$NIGHTJAR" "$TMPDIR/one"
    deb=$(echo "$TMPDIR"/one/*.deb)
    is "$(basename "$deb")" \
        "nightjar_$(cat VERSION)_$(dpkg --print-architecture).deb" 'its name'
    ok '… again' .ci/package deb "$NIGHTJAR" "$TMPDIR/two"
    ok 'the same bytes' cmp "$deb" "$TMPDIR/two/$(basename "$deb")"
    root=$TMPDIR/root
    ok 'unpacks' dpkg-deb -x "$deb" "$root"
    is "$("$root/usr/bin/nightjar" --version | head -1)" \
        "nightjar $(cat VERSION)" 'and runs'
    # shellcheck disable=SC2046 # names
    wanted=$(printf 'usr/share/man/man1/%s.1.gz\n' nightjar \
        $(printf 'nightjar-%s ' $commands)
    printf 'usr/share/%s\n' bash-completion/completions/nightjar \
        zsh/vendor-completions/_nightjar doc/nightjar/copyright \
        fish/vendor_completions.d/nightjar.fish nightjar/nightjar.schema.json \
        nightjar/default-policy.yaml doc/nightjar/changelog.gz
    echo usr/bin/nightjar)
    is "$(cd "$root" && find . -type f ! -path '*/doc/nightjar/docs/*' \
        ! -path '*/examples/*' ! -name '*.md' | sed 's|^\./||' | LC_ALL=C sort)" \
        "$(printf '%s\n' "$wanted" | LC_ALL=C sort)" 'its files'
    is "$(find "$root" -type f -path '*/bin/*' ! -perm 755 \
        -o -type f -path '*/man1/*' ! -perm 644)" '' 'and their modes'
    is "$(cd "$root" && dpkg-deb --info "$deb" md5sums | md5sum --quiet -c 2>&1)" \
        '' 'md5sums'
    depends=$(dpkg-deb -f "$deb" Depends)
    for library in libc6 libcurl4 libgit2 libseccomp2 libyaml-0-2 libcjson1; do
        like "$depends" "(^|, )$library" "depends on $library"
    done
    is "$(zcat "$root/usr/share/man/man1/nightjar-run.1.gz")" \
        "$("$NIGHTJAR" help --man run)" 'a page is the program'"'s"
    ok 'dpkg installs it into a root of its own' sh -c \
        'mkdir -p "$1/var/lib/dpkg" && : >"$1/var/lib/dpkg/status" &&
        dpkg --root="$1" --log=/dev/null --force-not-root --force-depends \
            --force-script-chrootless -i "$2"' \
        - "$TMPDIR/dpkg" "$deb"
    if command -v lintian >/dev/null 2>&1; then
        # Sanitizers are no part of what is shipped.
        case $NIGHTJAR_BUILD in
        */release) is "$(lintian --fail-on none "$deb" 2>/dev/null)" '' 'lintian' ;;
        *) skip 'lintian is for the release' ;;
        esac
    else
        skip 'there is no lintian'
    fi
else
    skip 'there is no dpkg-shlibdeps: dpkg-dev' 18
fi

# ---- the tarball ------------------------------------------------------------

case $NIGHTJAR_BUILD in
*/release) linked=1 ;;
*) linked= ;;
esac
if [ -n "$linked" ] && command -v dpkg-query >/dev/null 2>&1 &&
    command -v ldd >/dev/null 2>&1; then
    dist=$TMPDIR/nightjar.dist
    ok 'links it to find its libraries' make --silent \
        DIST_PROGRAM="$dist" "$dist"
    ok 'make dist' .ci/package dist "$dist" "$TMPDIR/three"
    name=nightjar-$(cat VERSION)-linux-$(uname -m)
    ok 'its sum' sh -c 'cd "$1" && sha256sum --quiet -c "$2.tar.gz.sha256"' \
        - "$TMPDIR/three" "$name"
    mkdir "$TMPDIR/elsewhere"
    ok 'unpacks elsewhere' \
        tar -xzf "$TMPDIR/three/$name.tar.gz" -C "$TMPDIR/elsewhere"
    rm -rf "$TMPDIR/three" "$dist"
    there=$TMPDIR/elsewhere/$name
    # Nobody's user, when there is a choice.
    as_nobody=
    if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then
        as_nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
        chmod 755 "$TMPDIR"
    fi
    # shellcheck disable=SC2086 # words
    in_clean() {
        env -i PATH=/usr/bin:/bin HOME=/nonexistent $as_nobody "$@"
    }
    # Standard error has paths: its repositories are not made yet.
    is "$(in_clean "$there/bin/nightjar" check \
        "$there/examples/quickstart/tasks.yaml" 2>/dev/null)" \
        "$("$NIGHTJAR" check "$example" 2>/dev/null)" 'check works there'
    # Every library that is not the C library's comes from the folder.
    is "$(in_clean env LD_DEBUG=files "$there/bin/nightjar" version 2>&1 |
        sed -n 's/.*calling init: //p' | grep -v "^$there/bin/../lib/" |
        grep -vE '/(ld-linux[^/]*|lib(c|m|resolv))\.so' )" '' \
        'its libraries are those that came with it'
    is "$(in_clean env LD_DEBUG=files "$there/bin/nightjar" version 2>&1 |
        sed -n 's|.*calling init: .*/bin/../lib/||p' | LC_ALL=C sort)" \
        "$(cd "$there/lib" && printf '%s\n' * | LC_ALL=C sort)" \
        'and all of them'
    is "$(sed -n '2,$s/	.*//p' "$there/licenses/LIBRARIES" | LC_ALL=C sort)" \
        "$(cd "$there/lib" && printf '%s\n' * | LC_ALL=C sort)" \
        'each has a licence'
    missing=
    for package in $(sed -n '2,$s/^[^	]*	\([^ ]*\) .*/\1/p' \
        "$there/licenses/LIBRARIES"); do
        [ -s "$there/licenses/$package" ] || missing="$missing $package"
    done
    is "$missing" '' '… whose text is there'
    for file in LICENSE README.md share/man/man1/nightjar-run.1 \
        share/bash-completion/completions/nightjar \
        share/zsh/site-functions/_nightjar \
        share/fish/vendor_completions.d/nightjar.fish \
        share/nightjar/nightjar.schema.json; do
        ok "has $file" test -s "$there/$file"
    done
else
    skip 'the tarball is made of a release build, on Debian' 16
fi

done_testing
