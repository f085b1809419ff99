#!/bin/sh
# Rust, Go, Java and Perl, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_languages() {
    if [ ! -x "$RUST_SYSROOT/bin/cargo" ]; then
        skip 'cargo: build, test and run: cargo is not installed' 1
    else
        # Not below the system's paths perhaps, so it is shown as a user would.
        inside 'cargo: build, test and run' 'gcc' --read "$RUST_SYSROOT" \
            --env "RUST_SYSROOT=$RUST_SYSROOT" <<'EOF'
PATH=$RUST_SYSROOT/bin:$PATH
cargo new --vcs none small
cd small
cat >src/lib.rs <<'R'
pub fn twice(n: i32) -> i32 { 2 * n }
#[test] fn doubles() { assert_eq!(twice(2), 4) }
#[test] #[should_panic] fn panics() { panic!("as wanted") }
R
echo 'fn main() { println!("{}", small::twice(4)) }' >src/main.rs
cargo build --offline && cargo test --offline
[ "$(cargo run -q --offline)" = 8 ]
EOF
    fi

    inside 'go: build, test -race and vet' 'go gcc' <<'EOF'
cat >go.mod <<'G'
module example.org/small
go 1.19
G
cat >main.go <<'G'
package main
import "fmt"
func twice(n int) int { return 2 * n }
func main() { fmt.Println(twice(4)) }
G
cat >main_test.go <<'G'
package main
import ("net"; "os/exec"; "testing")
func TestTwice(t *testing.T) {
	if twice(2) != 4 { t.Fatal("not 4") }
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil { t.Fatal(err) }
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil { t.Fatal(err) }
	c.Close()
	if err := exec.Command("true").Run(); err != nil { t.Fatal(err) }
}
G
go build -o small . && [ "$(./small)" = 8 ]
go vet . && go test ./...
EOF

    inside 'java: javac, a jar, threads and a child process' \
        'javac java jar' <<'EOF'
mkdir src out
cat >src/Main.java <<'J'
import java.net.*;
import java.util.stream.*;
public class Main {
    public static void main(String[] a) throws Exception {
        long sum = LongStream.range(0, 1000).parallel().sum();
        Process p = new ProcessBuilder("sh", "-c", "exit 3").start();
        try (ServerSocket s = new ServerSocket(0)) {
            new Socket("localhost", s.getLocalPort()).close();
        }
        NetworkInterface.getByName("lo");
        InetAddress.getLocalHost();
        System.out.println(sum + " " + p.waitFor());
    }
}
J
javac -d out src/Main.java
printf 'Main-Class: Main\n' >manifest
jar cfm main.jar manifest -C out .
[ "$(java -cp out Main)" = '499500 3' ]
[ "$(java -jar main.jar)" = '499500 3' ]
EOF

    inside 'perl: fork, sockets, and prove' 'perl prove' <<'EOF'
mkdir t
cat >t/a.t <<'P'
use strict; use warnings;
use Test::More;
use File::Temp; use IO::Socket::INET; use Socket; use POSIX;
my $pid = fork; exit 5 if !$pid; waitpid $pid, 0; is $? >> 8, 5, 'fork';
my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->sockport);
ok $c, 'connect';
is `echo hi`, "hi\n", 'backticks';
ok getpwuid($<), 'user'; ok -t STDIN || 1;
done_testing;
P
prove -j2 t
EOF

    inside 'bash: process substitution, coproc, /dev/tcp, mapfile' 'bash' <<'EOF'
cat >a.sh <<'B'
set -e
diff <(echo a) <(echo a)
coproc cat; echo x >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; [ "$line" = x ]
mapfile -t lines < <(seq 5); [ "${#lines[@]}" = 5 ]
tee >(cat >copy) <<<y >/dev/null
B
bash a.sh
EOF
}

run_checks check_languages
