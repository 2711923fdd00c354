// Looks into a server's SQLite file from outside, read-only, as an operator's backup check would.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';

// Every rollup bucket is built again from the rows and compared; sums of doubles may differ in
// their last bits with the order of adding.
const SCRIPT = `
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=10)
def all(sql, *args): return db.execute(sql, args).fetchall()
db.execute('BEGIN')
rows = all('SELECT device_uuid, recorded_at, cpu_usage, memory_usage, network_rx, network_tx, load1, disk_used'
           ' FROM device_metrics ORDER BY device_uuid, recorded_at')
names = ['cpu_usage', 'memory_usage', 'network_rx', 'network_tx', 'load1', 'disk_used']
want = {}
for row in rows:
    for res in (60000, 3600000):
        want.setdefault((row[0], res, row[1] // res * res), []).append(row)
wrong = []
cols = ', '.join('%s_n, %s_sum, %s_min, %s_max, %s_last' % ((n,) * 5) for n in names)
seen = 0
for got in all('SELECT device_uuid, resolution_ms, bucket_ms, n, ' + cols + ' FROM device_metrics_rollup'):
    seen += 1
    made = want.get(got[:3])
    if made is None or got[3] != len(made):
        wrong.append([got[0], got[1], got[2], 'n', got[3], len(made or [])])
        continue
    for i, name in enumerate(names):
        values = [r[i + 2] for r in made if r[i + 2] is not None]
        n, total, least, most, last = got[4 + 5 * i: 9 + 5 * i]
        good = n == len(values)
        if good and n > 0:
            good = (abs(total - sum(values)) <= 1e-9 * max(1, abs(total)) and least == min(values)
                    and most == max(values) and last == values[-1])
        if not good: wrong.append([got[0], got[1], got[2], name, n, len(values)])
print(json.dumps({
    'integrity': [r[0] for r in all('PRAGMA integrity_check')],
    'foreign_keys': len(all('PRAGMA foreign_key_check')),
    'journal': all('PRAGMA journal_mode')[0][0],
    'rows': [r[:4] for r in rows],
    'buckets': seen, 'buckets_wanted': len(want), 'wrong': wrong[:10],
    'open_connections': all('SELECT count(*) FROM connection_logs WHERE disconnected_at IS NULL')[0][0],
}))
`;

/** {integrity, foreign_keys, rows: [[device, recorded_at, cpu, memory]], ...} of a data folder. */
export function inspect(dataDir) {
  const file = path.join(dataDir, 'signalbox.db');
  const got = spawnSync('python3', ['-c', SCRIPT, file], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: 60_000,
  });
  assert.equal(got.status, 0, got.stderr);
  return JSON.parse(got.stdout);
}

/** Fails unless the file is whole and every rollup is what its rows make. */
export function assertSound(seen) {
  assert.deepEqual(seen.integrity, ['ok']);
  assert.equal(seen.foreign_keys, 0);
  assert.deepEqual(seen.wrong, []);
  assert.equal(seen.buckets, seen.buckets_wanted, 'rollup buckets');
}
