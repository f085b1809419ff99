#!/bin/sh
# Builds of C and C++, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_c() {
    inside 'gcc: a program with a static and a shared library' 'gcc ar' <<'EOF'
echo 'int one(void) { return 1; }' >one.c
echo 'int two(void) { return 2; }' >two.c
cat >main.c <<'C'
#include <stdio.h>
int one(void), two(void);
int main(void) { return printf("%d\n", one() + two()) == 2 ? 0 : 1; }
C
gcc -c one.c && ar rcs libone.a one.o
gcc -shared -fPIC -o libtwo.so two.c
gcc -pipe -O2 -o main main.c -L. -lone -ltwo -Wl,-rpath,"$PWD"
[ "$(./main)" = 3 ]
EOF

    inside 'g++: threads, exceptions and a precompiled header' 'g++' <<'EOF'
echo '#include <thread>' >all.h && echo '#include <iostream>' >>all.h
g++ -o all.h.gch -x c++-header all.h
cat >main.cc <<'C'
#include "all.h"
int main()
{
    int sum = 0;
    std::thread t([&] { try { throw 7; } catch (int n) { sum += n; } });
    t.join();
    std::cout << sum << std::endl;
}
C
g++ -pthread -o main main.cc
[ "$(./main)" = 7 ]
EOF

    inside 'gcc -flto=2 and --coverage with gcov' 'gcc gcov' <<'EOF'
echo 'int one(void) { return 1; }' >one.c
echo 'int one(void); int main(void) { return one() - 1; }' >main.c
gcc -O2 -flto=2 -o lto one.c main.c && ./lto
gcc --coverage -o cov one.c main.c && ./cov
gcov cov-main.gcda | grep -q 'executed:100'
EOF

    inside 'clang' 'clang' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
clang -g -o main main.c && ./main
EOF

    inside 'make -j4 with a jobserver that is passed on' 'gcc make' <<'EOF'
mkdir sub
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "int f$n(void) { return $n; }" >sub/f$n.c
done
echo 'int f7(void); int main(void) { return f7() - 7; }' >main.c
cat >Makefile <<'M'
main: main.c sub/all.a
	gcc -o $@ $^
sub/all.a: FORCE
	+$(MAKE) -C sub all.a
FORCE:
test: main
	./main
M
cat >sub/Makefile <<'M'
all.a: $(patsubst %.c,%.o,$(wildcard *.c))
	ar rcs $@ $^
M
make -j4 test >log 2>&1 || { cat log; exit 1; }
if grep -i jobserver log; then exit 1; fi
# What is up to date stays so: times of files are seen right.
make -q -C sub all.a
EOF

    inside 'make -O' 'make' <<'EOF'
printf 'all: a b c\na b c:\n\t@echo $@\n' >Makefile
[ "$(make -j4 -Otarget | sort | tr -d '\n')" = abc ]
EOF

    inside 'cmake: configure, build, ctest, install' 'cmake ctest gcc make' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.10)
project(small C)
find_package(Threads REQUIRED)
add_executable(small main.c)
enable_testing()
add_test(NAME runs COMMAND small)
install(TARGETS small DESTINATION bin)
C
cmake -B build -DCMAKE_INSTALL_PREFIX="$PWD/prefix"
cmake --build build -j2
cd build && ctest --output-on-failure -j2 && make install && ../prefix/bin/small
EOF

    inside 'cmake -G Ninja' 'cmake ninja gcc' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.10)
project(small C)
add_executable(small main.c)
C
cmake -G Ninja -B build && ninja -C build && build/small
EOF

    inside 'a configure script and a build in /tmp, run from there and from HOME' \
        'gcc' <<'EOF'
echo 'int main(void) { return 0; }' >main.c
source=$PWD build=$(mktemp -d)
cd "$build"
gcc -o conftest "$source/main.c" && ./conftest
mkdir -p "$HOME/.local/bin" && cp conftest "$HOME/.local/bin/"
"$HOME/.local/bin/conftest"
cp conftest /var/tmp/conftest.$$ && /var/tmp/conftest.$$
rm -r "$build" "$HOME/.local/bin/conftest" /var/tmp/conftest.$$
EOF
}

run_checks check_c
