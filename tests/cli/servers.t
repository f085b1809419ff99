#!/bin/sh
# The servers that other tests rely on do what they say.
. tests/lib.sh

server=$NIGHTJAR_BUILD/tests/server/model_server

# ask NAME FACTS [OPTION…]: asks for the step list of that name.
ask() {
    ask_name=$1 ask_facts=$2
    shift 2
    python3 tests/server/http_client.py --body "{\"test\":\"<$ask_name>\"}" \
        --print "$ask_facts" "$@" "$MODEL_URL/responses"
}

cat >"$TMPDIR/scenario.json" <<'END'
{"repeat": "last", "model": "some-model",
 "responses": [{"items": [{"message": "otherwise"}]}],
 "by_prompt": {
  "<items>": [{"items": [
    {"reasoning": "c2VjcmV0"},
    {"message": "Gr\u00fc\u00dfe \ud83d\ude00, and more than one delta holds",
     "phase": "commentary"},
    {"call": {"name": "exec_command", "arguments": {"cmd": "ls -l"}}},
    {"call": {"name": "broken", "arguments": "{\"cmd\":", "call_id": "mine"}},
    {"custom": {"name": "apply_patch", "input": "*** Begin\n"}},
    {"raw": {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}}],
   "usage": {"input_tokens": 500, "cached_tokens": 400,
             "output_tokens": 30, "reasoning_tokens": 20}}],
  "<steps>": [{"items": [{"message": "one"}]}, {"items": [{"message": "two"}]}],
  "<prompt \"quoted\"\n>": [{"items": [{"message": "matched"}]}],
  "<limited>": [{"status": 429, "headers": {"Retry-After": "7"}}],
  "<html>": [{"status": 502, "body": "<html>bad gateway</html>",
              "content_type": "text/html"}],
  "<json>": [{"body": {"no": ["stream"]}}],
  "<redirect>": [{"redirect": "http://127.0.0.2/elsewhere"}],
  "<cut-event>": [{"items": [{"message": "hello"}], "cut_after_event": 4}],
  "<cut-head>": [{"items": [{"message": "hello"}], "cut_after_event": 0}],
  "<cut-bytes>": [{"items": [{"message": "hello"}], "cut_after_bytes": 1000}],
  "<cut-plain>": [{"body": "0123456789", "cut_after_bytes": 4}],
  "<reset>": [{"reset": true}],
  "<reset-cut>": [{"items": [{"message": "hello"}], "cut_after_event": 3,
                   "reset": true}],
  "<garbage>": [{"garbage": 100000}],
  "<fragment>": [{"items": [{"message": "hello"}], "fragment": 3}],
  "<drip>": [{"items": [{"message": "hello"}],
              "drip": {"bytes": 11, "interval_ms": 1000000}},
             {"items": [{"message": "quick"}]}],
  "<drip-all>": [{"items": [], "drip": {"bytes": 500, "interval_ms": 1}}],
  "<late>": [{"items": [{"message": "late"}], "latency_ms": 1000000},
             {"items": [{"message": "quick"}]}],
  "<stall>": [{"items": [{"message": "hello"}], "stall_after_event": 3}],
  "<endless>": [{"endless": true}],
  "<comments>": [{"endless": "comments"}],
  "<huge-text>": [{"items": [{"message": "a"}], "huge_text": 1000000}],
  "<huge-cut>": [{"huge_text": 1000000, "cut_after_event": 10}],
  "<huge-line>": [{"items": [{"message": "a"}], "huge_line": 70000}],
  "<type>": [{"items": [], "content_type": "text/event-stream; x=y"}],
  "<error>": [{"error_event": {"code": "server_error", "message": "oops"}}],
  "<failed>": [{"items": [{"message": "a"}],
                "failed": {"code": "rate_limit_exceeded", "message": "slow"}}],
  "<incomplete>": [{"items": [{"message": "a"}],
                    "incomplete": "max_output_tokens"}],
  "<open-end>": [{"items": [{"message": "a"}], "no_completed": true}],
  "<twice>": [{"items": [{"message": "a"}], "duplicate_done": true}],
  "<crlf>": [{"items": [{"message": "a"}], "sse_newline": "\r\n"}],
  "<cr>": [{"items": [{"message": "a"}], "sse_newline": "\r"}],
  "<close>": [{"items": [{"message": "a"}], "close": true}],
  "<torn>": [{"items": [{"message": "a"}], "truncated_chunk": true}],
  "<flood>": [{"items": [], "header_flood": 300000}]}}
END
start_model_server "$TMPDIR/scenario.json" --port-file "$TMPDIR/port"
is "$(cat "$TMPDIR/port")" "$SERVER_PORT" 'the port is told in both ways'

# ---- streams ----------------------------------------------------------------

is "$(ask items status,end,sequence,last)" \
    '200 complete whole response.completed' 'a whole stream'
kinds=reasoning+message+function_call+function_call
is "$(ask items items)" "$kinds+custom_tool_call+compaction" \
    'each kind of item is in the last response'
is "$(ask items text)" \
    'Grüße 😀, and more than one delta holds' 'the deltas make up the text'
is "$(ask items deltas)" 2 'which comes in several'
is "$(ask items calls)" '{"cmd":"ls -l"}+{"cmd":+*** Begin' \
    'arguments as an object, as broken text, and raw input'
is "$(ask items ids)" 'call_000006_2+mine+call_000006_4' \
    'call ids are given or made'
is "$(ask items usage)" "{\"input_tokens\":500,\
\"input_tokens_details\":{\"cached_tokens\":400},\"output_tokens\":30,\
\"output_tokens_details\":{\"reasoning_tokens\":20},\"total_tokens\":530}" \
    'usage'
like "$(ask items body --raw)" '"phase":"commentary"' 'the phase of a message'
like "$(ask items body --raw)" '"model":"some-model"' 'the name of the model'
is "$(ask steps text) $(ask steps text) $(ask steps text)" 'one two two' \
    'each prompt has its own counter; the last step repeats'
is "$(ask 'prompt \"quoted\"\n' text)" matched 'a prompt with escapes'
is "$(ask none text)" otherwise 'no prompt matches'

# ---- faults -----------------------------------------------------------------

is "$(ask limited status,header:retry-after,end)" '429 7 complete' \
    'a status and headers'
like "$(ask limited body)" '^\{"error":\{"message":' 'with an error as body'
is "$(ask html status,header:content-type,body)" \
    '502 text/html <html>bad gateway</html>' 'another body and content type'
is "$(ask json status,body)" '200 {"no":["stream"]}' 'JSON in place of a stream'
is "$(ask redirect status,header:location,bytes)" \
    '307 http://127.0.0.2/elsewhere 0' 'a redirect'
is "$(ask cut-event end,events,last)" 'cut 4 response.content_part.added' \
    'cut after an event'
is "$(ask cut-head status,end,bytes)" '200 cut 0' 'cut before the first one'
is "$(ask cut-bytes end,bytes --raw)" 'cut 1000' 'cut after bytes'
is "$(ask cut-plain end,header:content-length,body)" 'cut 10 0123' \
    'cut short of its length'
is "$(ask reset status,end)" 'None reset' 'reset in place of a reply'
is "$(ask reset-cut end,events)" 'reset 3' 'reset after an event'
is "$(ask garbage bytes,sha256 --raw)" "$(ask garbage bytes,sha256 --raw)" \
    'garbage is the same each time'
like "$(ask garbage bytes,header:content-type --raw)" \
    '^100000 text/event-stream' 'and claims to be a stream'
is "$(ask fragment end,chunk,sequence,text)" 'complete 3 whole hello' \
    'fragments'
is "$(ask drip chunk,end --raw --read-bytes 11 --then beside)" '11 behind' \
    'a drip waits; other connections go on'
is "$(ask drip-all chunk,end,last)" '500 complete response.completed' \
    'a drip comes to its end'
is "$(ask late status,end --then beside)" '200 behind' \
    'latency holds one reply and no other'
is "$(ask stall events,end --read-events 3 --then half-close)" '3 silent' \
    'a stall says nothing until the peer closes'
is "$(ask endless end,events --read-bytes 3000000 | cut -d ' ' -f 1)" open \
    'text without end'
like "$(ask comments body --raw --read-bytes 3000000 | sed -n '5,$p' |
    sort | uniq -c | sort -rn)" '^ *[0-9]{6} : keep-alive' \
    'comments without end'
is "$(ask huge-text end,sequence,items,deltas)" \
    'complete whole message+message 246' 'a huge text is a whole stream'
is "$(ask huge-text text | tr -d 'a\n' | wc -c | tr -d ' ')" 1000000 \
    'of the length asked for'
is "$(ask huge-cut end,events,last)" 'cut 10 response.output_text.delta' \
    'cut inside a huge text'
is "$(ask huge-line end,line,sequence,last)" \
    'complete 70000 whole response.completed' 'a huge line'
is "$(ask type header:content-type)" 'text/event-stream; x=y' 'a content type'
is "$(ask error end,last,error)" "complete error {\"type\":\"server_error\",\
\"code\":\"server_error\",\"message\":\"oops\",\"param\":null}" \
    'an error event is nested'
is "$(ask failed last,error)" "response.failed \
{\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}" 'a failed response'
is "$(ask incomplete last,reason)" 'response.incomplete max_output_tokens' \
    'an incomplete response'
is "$(ask open-end end,last)" 'complete response.output_item.done' \
    'no terminal event'
is "$(ask twice done,sequence)" '2 whole' 'a duplicate'
is "$(ask items newline) $(ask crlf newline,last) $(ask cr newline,last)" \
    'lf crlf response.completed cr response.completed' 'line ends'
is "$(ask close end,header:connection)" 'complete close' 'an announced end'
# shellcheck disable=SC2046 # three words
set -- $(ask torn end,chunk,bytes --raw)
is "$1 $(($2 - $3))" 'cut 16' 'a chunk that is cut'
like "$(ask flood head,last)" '^300[0-9]{3} response.completed$' 'many headers'

# ---- HTTP -------------------------------------------------------------------

is "$(ask items last --send chunked)" response.completed 'a body in chunks'
is "$(ask items last --send expect)" response.completed '100 Continue'
is "$(ask items last,header:transfer-encoding,header:connection --send old)" \
    'response.completed - close' 'HTTP/1.0'
is "$(ask 'steps> <a' last --requests 3)" response.completed 'three requests'
is "$(tail -n 3 "$MODEL_LOG" | sed 's/.*"connection":\([0-9]*\).*/\1/' |
    sort -u | wc -l | tr -d ' ')" 1 'on one connection'
ask 'log","nested":{"b":[1, 2.50]},"c":"' status --header 'X-Some: Thing' \
    >/dev/null
line=$(tail -n 1 "$MODEL_LOG")
like "$line" '"method":"POST","path":"/v1/responses","headers":\{"host":' \
    'the log has the request'
like "$line" '"x-some":"Thing"' 'its headers'
like "$line" \
    '"body":\{"test":"<log","nested":\{"b":\[1, 2.50\]\},"c":">"\}\}$' \
    'and the body as it came'
is "$(wc -l <"$MODEL_LOG" | tr -d ' ')" \
    "$(tail -n 1 "$MODEL_LOG" | sed 's/{"n":\([0-9]*\),.*/\1/')" \
    'and one line for each request'
# 64 MiB and one byte.
is "$(python3 tests/server/http_client.py --print status,header:connection \
    --body 'a' --body-times 67108865 "$MODEL_URL/responses")" '413 close' \
    'a body over the limit'
is "$(python3 tests/server/http_client.py --print status,end \
    --body 'a' --body-times 67108864 "$MODEL_URL/responses")" '200 complete' \
    'a body at the limit'
is "$(python3 tests/server/http_client.py --print status "$MODEL_URL/models")" \
    404 'another path'
is "$(python3 tests/server/http_client.py --print status \
    "$MODEL_URL/responses?a=b")" 200 'a query'
is "$(python3 tests/server/http_client.py --print status,header:connection \
    --header 'Content-Length: 3' "$MODEL_URL/responses")" '400 close' \
    'two lengths'
is "$(python3 tests/server/http_client.py --print status,header:connection \
    --header 'Transfer-Encoding: chunked' "$MODEL_URL/responses")" '400 close' \
    'a length and chunks'
is "$(python3 tests/server/http_client.py --print status,header:connection \
    --header 'Bad Name: 3' "$MODEL_URL/responses")" '400 close' \
    'a blank in a name'
kill -0 "$MODEL_PID"
is $? 0 'the server has survived all that'

# ---- other scenarios --------------------------------------------------------

echo '{"responses":[{"items":[{"message":"one"}]},
    {"items":[{"message":"two"}]}]}' >"$TMPDIR/none.json"
start_model_server "$TMPDIR/none.json"
is "$(ask x text) $(ask x text) $(ask x status)" 'one two 500' \
    'a list is used up'

sed 's/^{/{"repeat":"cycle","match":"<x>",/' "$TMPDIR/none.json" \
    >"$TMPDIR/cycle.json"
start_model_server "$TMPDIR/cycle.json"
is "$(ask x text) $(ask x text) $(ask x text)" 'one two one' 'a list goes round'
is "$(ask y status)" 400 'a request that does not match'

echo '{"echo_turns":2,"cmd":"make"}' >"$TMPDIR/echo.json"
start_model_server "$TMPDIR/echo.json"
output='{"type":"function_call_output","text":"\"function_call_output\""}'
turn() {
    python3 tests/server/http_client.py --body "{\"input\":[$1]}" \
        --print "items,$2" "$MODEL_URL/responses"
}
is "$(turn '' calls)" 'function_call {"cmd":"make"}' 'the first turn is a call'
is "$(turn "$output" calls)" 'function_call {"cmd":"make"}' 'so is the second'
is "$(turn "$output,$output" text)" 'message done' 'then a message'
stop "$MODEL_PID"

for bad in '{"responses":[{"cut_after_evnt":1}]}' \
    '{"responses":[{"items":[{}]}]}' \
    '{"responses":[{"garbage":-1}]}' '{"repeat":"allways","responses":[]}' \
    '{}' '[]' '{"responses":[{"headers":{"a":1}}]}' 'no JSON'; do
    echo "$bad" >"$TMPDIR/bad.json"
    status_is 2 "refused: $bad" timeout 60 "$server" "$TMPDIR/bad.json"
done
status_is 2 'no scenario' timeout 60 "$server"

# ---- lifetimes --------------------------------------------------------------

status_is 0 'the model server ends after its lifetime' \
    timeout 60 "$server" --lifetime 1 "$TMPDIR/echo.json"
start_model_server "$TMPDIR/echo.json"
kill "$MODEL_PID"
wait "$MODEL_PID"
is $? 0 'and at SIGTERM'
stop "$MODEL_PID"
mkdir "$TMPDIR/bare"
status_is 0 'the git server ends after its lifetime' timeout 60 \
    python3 tests/server/git_server.py --lifetime 1 "$TMPDIR/bare"

# orphan NAME COMMAND…: its parent is killed; the end of the fifo's writers
# is the end of the server.
orphan() {
    orphan_name=$1
    shift
    mkfifo "$TMPDIR/alive" "$TMPDIR/ready"
    # shellcheck disable=SC2016 # for the inner shell
    sh -c '"$@" 8>"$TMPDIR/alive" 9>"$TMPDIR/ready" &
        read -r port <"$TMPDIR/ready" && kill -9 $$' \
        sh "$@" >"$TMPDIR/orphan.log" 2>&1 &
    orphan_pid=$!
    remember "$orphan_pid"
    status_is 0 "$orphan_name ends with its parent" \
        timeout 60 cat "$TMPDIR/alive"
    stop "$orphan_pid"
    rm "$TMPDIR/alive" "$TMPDIR/ready"
}
orphan 'the model server' "$server" --ready-fd 9 --lifetime 300 \
    "$TMPDIR/echo.json"
orphan 'the git server' python3 tests/server/git_server.py --ready-fd 9 \
    --lifetime 300 "$TMPDIR/bare"

# ---- git over HTTP ----------------------------------------------------------

make_bare_repository one
tip=$(git -C "$BARE" rev-parse main)

# cloned NAME DIRECTORY: that is a clone of the repository.
cloned() {
    is "$(git -C "$2" rev-parse HEAD 2>&1)" "$tip" "$1"
}
clone() {
    git clone -q "$@" >"$TMPDIR/clone.log" 2>&1
}

start_git_server "$TMPDIR/bare"
clone "$GIT_URL/one.git" "$TMPDIR/http"
cloned 'clone over http' "$TMPDIR/http"
clone -c protocol.version=0 "$GIT_URL/one.git" "$TMPDIR/http0"
cloned 'clone over http, protocol 0' "$TMPDIR/http0"
like "$(cat "$GIT_LOG")" \
    '"path": "/one.git/git-upload-pack", "user": null, "status": 200' 'its log'
status_is 128 'a repository that is not there' \
    git ls-remote "$GIT_URL/two.git"
like "$(cat "$GIT_LOG")" '"path": "/two.git/info.*"status": 404' 'is a 404'
status_is 128 'a path that leaves the directory' \
    git ls-remote "$GIT_URL/%2e%2e/bare/one.git"
# More than http.postBuffer, so that git sends chunks.
git -C "$BARE" config http.receivepack true
head -c 3000000 "$server" >"$TMPDIR/http/large"
git -C "$TMPDIR/http" add large
git -C "$TMPDIR/http" commit -q -m Large
ok 'push in chunks' git -C "$TMPDIR/http" -c http.postBuffer=65536 \
    push -q origin HEAD:refs/heads/other
is "$(git -C "$BARE" rev-parse other)" \
    "$(git -C "$TMPDIR/http" rev-parse HEAD)" 'the push has arrived'

make_certificate "$TMPDIR/tls"
start_git_server "$TMPDIR/bare" \
    --tls "$TMPDIR/tls/cert.pem" "$TMPDIR/tls/key.pem"
status_is 128 'https with an unknown certificate' \
    git ls-remote "$GIT_URL/one.git"
clone -c http.sslCAInfo="$TMPDIR/tls/cert.pem" \
    "$GIT_URL/one.git" "$TMPDIR/https"
cloned 'clone over https' "$TMPDIR/https"

start_git_server "$TMPDIR/bare" --require-token s3cret-token
status_is 128 'no token' git ls-remote "$GIT_URL/one.git"
like "$(cat "$GIT_LOG")" '"user": null, "status": 401' 'is a 401'
status_is 128 'a wrong token' \
    git ls-remote "http://me:wrong@${GIT_URL#*//}/one.git"
clone "http://me:s3cret-token@${GIT_URL#*//}/one.git" "$TMPDIR/token"
cloned 'clone with a token' "$TMPDIR/token"
like "$(cat "$GIT_LOG")" '"user": "me", "status": 200' 'the log has the user'

git -C "$BARE" update-ref refs/heads/gone "$(git -C "$BARE" rev-parse other)"
git -C "$BARE" update-ref -d refs/heads/other
start_git_server "$TMPDIR/bare" --vanish refs/heads/gone
status_is 128 'a ref that vanishes' \
    git clone -q -b gone "$GIT_URL/one.git" "$TMPDIR/gone"
like "$(cat "$TMPDIR/ok.output")" 'not our ref|upload-pack' \
    'is told by the server'
is "$(git -C "$BARE" for-each-ref refs/heads/gone)" '' \
    'and is not there any more'

# ---- git over SSH -----------------------------------------------------------

if PATH=$PATH:/usr/sbin command -v sshd >/dev/null && command -v ssh >/dev/null
then
    start_ssh_server
    GIT_SSH_COMMAND="$SSH_COMMAND -i $SSH_DIRECTORY/user_key"
    export GIT_SSH_COMMAND
    clone "$SSH_URL$BARE" "$TMPDIR/ssh"
    cloned 'clone over ssh with a key' "$TMPDIR/ssh"
    GIT_SSH_COMMAND=$SSH_COMMAND
    status_is 128 'no key' git ls-remote "$SSH_URL$BARE"
    start_ssh_agent "$SSH_DIRECTORY/user_key"
    clone "$SSH_URL$BARE" "$TMPDIR/agent"
    cloned 'clone over ssh with an agent' "$TMPDIR/agent"
    like "$(cat "$SSH_DIRECTORY/known_hosts")" \
        "^\\[127\\.0\\.0\\.1\\]:$SERVER_PORT ssh-ed25519 " 'known_hosts'
    orphan 'sshd' sh tests/server/sshd.sh --ready-fd 9 --lifetime 300 \
        "$TMPDIR/sshd.orphan"
else
    skip 'no OpenSSH server and client' 5
fi

done_testing
