// The real agent under test, and its buffer as a former process left it.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BIN, ROOT, Server, environment, tempDir } from './server.mjs';

/** Starts `signalbox agent`; the answer has exited, awaitLine, stop, crash and log as a Server. */
export function startAgent(server, key, { dataDir = tempDir('agent'), env = {} } = {}) {
  const child = spawn(BIN, ['agent', '--server', server.url, '--data-dir', dataDir], {
    cwd: ROOT,
    env: environment({ SIGNALBOX_AGENT_KEY: key, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  return new Server(child, dataDir);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  return c;
});

function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const b of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ b) & 255];
  return (crc ^ 0xffffffff) >>> 0;
}

/** One record of the agent's buffer (src/agent/row_record.h). */
function record(key, payload) {
  const head = Buffer.alloc(17);
  head.writeUInt32LE(payload.length, 0);
  head.writeBigInt64LE(BigInt(key), 8);
  head.write('R', 16, 'latin1');
  head.writeUInt32LE(crc32c(Buffer.concat([head.subarray(0, 4), head.subarray(8), payload])), 4);
  return Buffer.concat([head, payload]);
}

/** Puts rows, [{at, data}], oldest first, into the buffer that an agent for `server` will open. */
export function fillBuffer(dataDir, server, rows) {
  const dir = path.join(dataDir, `agent-${server.host}_${server.port}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const records = rows.map(({ at, data }) => record(at, Buffer.from(JSON.stringify(data))));
  writeFileSync(path.join(dir, 'rows-00000001.log'), Buffer.concat(records), { mode: 0o600 });
}
