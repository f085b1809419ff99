#!/bin/sh
# node and npm, in the sandbox.
# shellcheck disable=SC2016,SC2086,SC2317 # scripts for inside; some end early
. tests/functional/lib.sh

check_node() {
    inside 'node: modules, streams and zlib' 'node' <<'EOF'
echo 'export const one = 1' >one.mjs
cat >main.mjs <<'JS'
import { one } from './one.mjs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { pipeline } from 'node:stream/promises'
import fs from 'node:fs'
import os from 'node:os'
if (gunzipSync(gzipSync('x')).toString() !== 'x' || one !== 1) process.exit(1)
await pipeline(fs.createReadStream('main.mjs'), fs.createWriteStream('copy'))
if (os.cpus().length < 1 || os.userInfo().username.length < 1) process.exit(1)
console.log(os.hostname(), os.totalmem(), os.homedir(), os.tmpdir())
JS
node main.mjs && cmp main.mjs copy
EOF

    inside 'node: worker_threads with shared memory' 'node' <<'EOF'
cat >main.js <<'JS'
const { Worker, isMainThread, workerData } = require('worker_threads')
if (isMainThread) {
  const n = new Int32Array(new SharedArrayBuffer(4))
  let left = 4
  for (let i = 0; i < 4; i++)
    new Worker(__filename, { workerData: n }).on('exit', () => {
      if (--left === 0) process.exit(n[0] === 4 ? 0 : 1)
    })
} else Atomics.add(workerData, 0, 1)
JS
node main.js
EOF

    inside 'node: child_process, fork with messages, cluster' 'node' <<'EOF'
cat >main.js <<'JS'
const cp = require('child_process'), assert = require('assert')
if (process.argv[2] === 'child') {
  process.on('message', (m) => { process.send(m + 1); process.disconnect() })
} else {
  assert.equal(cp.execSync('cat', { input: 'x' }).toString(), 'x')
  assert.equal(cp.spawnSync('sh', ['-c', 'kill -15 $$']).signal, 'SIGTERM')
  const child = cp.fork(__filename, ['child'])
  child.send(1)
  child.on('message', (m) => assert.equal(m, 2))
  child.on('exit', (code) => process.exit(code))
}
JS
node main.js
cat >cluster.js <<'JS'
const cluster = require('cluster'), net = require('net')
if (cluster.isPrimary) {
  const w = cluster.fork()
  cluster.on('listening', () => net.connect(8080, '127.0.0.1').on('data', (d) => {
    w.kill(); process.exit(d.toString() === 'hi' ? 0 : 1) }))
} else net.createServer((s) => s.end('hi')).listen(8080, '127.0.0.1')
JS
node cluster.js
EOF

    inside 'node: an http server and fetch on localhost' 'node' <<'EOF'
cat >main.mjs <<'JS'
import http from 'node:http'
const server = http.createServer((q, s) => s.end('hello ' + q.url))
server.listen(0, async () => {
  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    const text = await (await fetch(`http://${host}:${server.address().port}/x`)).text()
    if (text !== 'hello /x') process.exit(1)
  }
  process.exit(0)
})
JS
node main.mjs
EOF

    inside 'node: fs.watch' 'node' <<'EOF'
cat >main.js <<'JS'
const fs = require('fs')
fs.mkdirSync('d')
fs.watch('d', (type, name) => process.exit(name === 'new' ? 0 : 1))
fs.writeFileSync('d/new', '')
JS
node main.js
EOF

    inside 'node --test' 'node' <<'EOF'
cat >a.test.js <<'JS'
const test = require('node:test'), assert = require('node:assert')
test('adds', () => assert.equal(1 + 1, 2))
JS
node --test >log 2>&1 || { cat log; exit 1; }
EOF

    inside 'npm: init, run, pack and install of a local package' \
        'node npm' <<'EOF'
mkdir lib app
echo 'module.exports = 7' >lib/index.js
(cd lib && npm init -y >/dev/null && npm pack >/dev/null)
cd app
npm init -y >/dev/null
npm pkg set scripts.test='node -e "process.exit(require(\"lib\") === 7 ? 0 : 1)"' \
    scripts.postinstall='echo ran >ran'
npm install --offline --no-audit --no-fund ../lib/lib-1.0.0.tgz
npm run test
npm install --offline --no-audit --no-fund && [ -f ran ]
rm -r node_modules && npm ci --offline --no-audit --no-fund && npm test
EOF
}

run_checks check_node
