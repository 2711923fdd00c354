// What a stranger does first: `./dev run`, look at this machine, Ctrl-C.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { BIN, PATIENCE, ROOT, tempDir, within } from './lib/server.mjs';

const START_MS_MAX = 20_000 * PATIENCE;

/** Starts ./dev run on a free port with its data in `dir`; resolves at its last line. */
async function run(dir) {
  const env = { ...process.env, DEV_BIN: BIN, DEV_VAR: dir };
  delete env.SIGNALBOX_BIN;
  delete env.SIGNALBOX_BUILD;
  const child = spawn('./dev', ['run', '--', '--listen', '127.0.0.1:0'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const door = { child, said: '', begin: Date.now() };
  door.ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  process.on('exit', () => child.kill('SIGKILL')); // its children are told by the kernel
  const ready = new Promise((resolve, reject) => {
    const hear = (data) => {
      door.said += data;
      if (/console: http/.test(door.said)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    door.ended.then((status) => reject(new Error(`./dev run ended (${status}): ${door.said}`)));
  });
  await within(START_MS_MAX, './dev run', ready);
  door.url = door.said.match(/console: (http:\S+?)\/ /)[1];
  return door;
}

async function interrupt(door) {
  door.child.kill('SIGINT');
  assert.equal(await within(START_MS_MAX, 'the end of ./dev run', door.ended), 0, door.said);
}

test('run_enrols_this_machine_once_and_ends_with_0_on_ctrl_c', async () => {
  const dir = tempDir('door');
  const first = await run(dir);
  const id = readFileSync(path.join(dir, 'agent.id'), 'utf8').trim();
  const key = readFileSync(path.join(dir, 'agent.key'), 'utf8');
  assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(statSync(path.join(dir, 'agent.key')).mode & 0o777, 0o600);
  const health = await fetch(`${first.url}/health/ready`);
  assert.equal(health.status, 200);
  await interrupt(first);

  const second = await run(dir);
  assert.equal(readFileSync(path.join(dir, 'agent.key'), 'utf8'), key);
  assert.doesNotMatch(second.said, /password/i, 'the first password is shown once');
  await interrupt(second);
});
