// A client that stops reading, in a process of its own with small buffers (deaf.py).
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { ROOT } from './server.mjs';

/** Connected, its frames sent, and deaf: {port, listen()}. listen() reads for two seconds and tells
 * {messages, code, closed}. Ended with the test. */
export async function deaf(t, server, target, ...frames) {
  const child = spawn('python3', [path.join(ROOT, 'tests/e2e/lib/deaf.py'), server.host,
    `${server.port}`, target, ...frames.map((f) => JSON.stringify(f))],
  { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { port } = JSON.parse((await lines.next()).value);
  return {
    port,
    listen: async () => {
      child.stdin.end('\n');
      return JSON.parse((await lines.next()).value);
    },
  };
}
