// A store that a disk has damaged: the server refuses it and names the way out; what repair-store
// makes of it serves again. And a backup that is put back serves as it was.
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { device, rowOf } from './lib/monitor.mjs';
import { cli, startServer, tempDir } from './lib/server.mjs';
import { assertSound, inspect } from './lib/store.mjs';

const PAGE = 4096;
const ROWS = 200;

/** A stopped server's data: one device with rows. */
async function makeStore(name) {
  const dataDir = tempDir(name);
  const server = await startServer({ dataDir });
  const { id, key } = await server.addDevice('one');
  const peer = await device(server, key);
  const begin = Date.now() - 3_600_000;
  for (let n = 1; n <= ROWS; n++) {
    const ack = await peer.ask('metrics', rowOf(n, new Date(begin + n * 1000).toISOString()));
    assert.equal(ack.ok, true);
  }
  await peer.end();
  const backup = join(dataDir, 'backup.db');
  const made = await cli(['backup', backup, '--data-dir', dataDir]);
  assert.equal(made.status, 0, made.stderr);
  await server.stop();
  return { dataDir, id, key, backup, path: join(dataDir, 'signalbox.db') };
}

test('a_damaged_store_is_refused_with_the_way_out_and_repaired', async () => {
  const { dataDir, id, key, path } = await makeStore('repair');
  const damaged = readFileSync(path);
  damaged.fill(0xa5, 0, PAGE); // header and schema
  writeFileSync(path, damaged);

  const refused = await cli(['serve', '--listen', '127.0.0.1:0', '--data-dir', dataDir]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /store\.refused.*signalbox repair-store/);

  const fixed = join(dataDir, 'fixed.db');
  const repaired = await cli(['repair-store', path, fixed]);
  assert.equal(repaired.status, 0, repaired.stderr);
  assert.match(repaired.stdout, new RegExp(`device_metrics +${ROWS} +0 `));
  assert.deepEqual(readFileSync(path), damaged, 'the damaged file was changed');
  const check = await cli(['check-store', fixed]);
  assert.equal(check.status, 0, check.stderr);

  renameSync(path, `${path}.damaged`);
  renameSync(fixed, path);
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  const server = await startServer({ dataDir });
  const peer = await device(server, key); // its key is still known
  const ack = await peer.ask('metrics', rowOf(1, new Date().toISOString()));
  assert.equal(ack.ok, true);
  await peer.end();
  const inUse = await cli(['repair-store', path, fixed]);
  assert.equal(inUse.status, 1);
  assert.match(inUse.stderr, /is in use: stop the server first/);
  await server.stop();
  const seen = inspect(dataDir);
  assertSound(seen);
  assert.equal(seen.rows.filter(([of]) => of === id).length, ROWS + 1);
});

test('a_backup_put_back_serves_as_it_was', async () => {
  const { dataDir, id, key, backup, path } = await makeStore('restore');
  let server = await startServer({ dataDir }); // rows after the backup, to be lost
  let peer = await device(server, key);
  assert.equal((await peer.ask('metrics', rowOf(1, new Date().toISOString()))).ok, true);
  await peer.end();
  await server.crash(); // a log stays behind
  const check = await cli(['check-store', backup]);
  assert.equal(check.status, 0, check.stderr);

  copyFileSync(backup, path);
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  server = await startServer({ dataDir });
  peer = await device(server, key);
  assert.equal((await peer.ask('metrics', rowOf(2, new Date().toISOString()))).ok, true);
  await peer.end();
  await server.stop();
  const seen = inspect(dataDir);
  assertSound(seen);
  assert.equal(seen.rows.filter(([of]) => of === id).length, ROWS + 1);
});
