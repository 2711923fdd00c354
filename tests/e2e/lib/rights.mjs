// The check of rights as CONTRACT 2 words it, from the table in docs/PERMISSIONS.md, and people
// with every role in every scope to try it with.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './server.mjs';

const page = readFileSync(path.join(ROOT, 'docs/PERMISSIONS.md'), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', '')));
const columns = rows.find((cells) => cells[0] === 'permission');
const holders = new Map(rows.slice(rows.indexOf(columns) + 1)
  .map((cells) => [cells[0], columns.filter((_, i) => cells[i] === 'yes')]));

/** Roles that a stored binding can give. */
export const ROLES = columns.slice(1).filter((name) => !['anonymous', 'provisioner'].includes(name));
// Their reach is what a principal was given: globally they mean nothing.
const SCOPED_ONLY = ['device', 'guest', 'robot'];

const holds = (role, permission) => {
  assert.ok(holders.has(permission), `${permission} is not in docs/PERMISSIONS.md`);
  return holders.get(permission).includes(role);
};

/** Whether `who` ({kind, id?, role?, scope?}) may, in a scope: {} is global, else {device}, {group}
 * or {room}, an id. */
export function can(who, permission, scope) {
  if (who.kind === 'anonymous' || who.kind === 'provisioner') return holds(who.kind, permission);
  if (who.kind === 'device') return scope.device === who.id && holds('device', permission);
  if (who.role === undefined || !holds(who.role, permission)) return false;
  if (who.scope.kind === 'global') return !SCOPED_ONLY.includes(who.role);
  if (scope.group !== undefined) {
    return who.scope.kind === 'device_group' && who.scope.id === scope.group;
  }
  if (scope.room !== undefined) {
    return who.scope.kind === 'home_room' && who.scope.id === String(scope.room);
  }
  if (who.scope.kind === 'home_room') return false;
  const reach = who.scope.kind === 'device' ? [who.scope.id] : who.scope.devices;
  return scope.device !== undefined && reach.includes(scope.device);
}

/** Whether `who` may in any scope. */
export function canSomewhere(who, permission) {
  if (who.kind !== 'user') return can(who, permission, { device: who.id });
  return who.role !== undefined && holds(who.role, permission) &&
    !(who.scope.kind === 'global' && SCOPED_ONLY.includes(who.role));
}

const b64 = (value) => Buffer.from(value).toString('base64url');

/** A token of our own, as the server signs them. */
export function tokenOf(sub, secret, kind = 'user', lifeS = 3600) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: 'signalbox', sub, kind, jti: randomUUID(), iat: now, exp: now + lifeS };
  const text = `${b64('{"alg":"HS256","typ":"JWT"}')}.${b64(JSON.stringify(claims))}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export const newSecret = () => randomBytes(32).toString('hex');

const SCRIPT = `
import json, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=10)
now = int(time.time() * 1000)
for who in json.load(sys.stdin):
    db.execute("INSERT INTO principal (id, iss, sub, kind, display_name, status, created_at, updated_at)"
               " VALUES (?, '', ?, 'user', '', 'active', ?, ?)", (who['id'], who['id'], now, now))
    if 'role' in who:
        db.execute('INSERT INTO role_binding (principal_id, role, scope_kind, scope_id, created_at)'
                   ' VALUES (?, ?, ?, ?, ?)', (who['id'], who['role'], who['scope']['kind'],
                                               who['scope'].get('id', ''), now))
db.commit()
`;

/** Puts users into the store of a server that is stopped. */
export function storeUsers(dataDir, users) {
  const got = spawnSync('python3', ['-c', SCRIPT, path.join(dataDir, 'signalbox.db')],
    { encoding: 'utf8', input: JSON.stringify(users), timeout: 60_000 });
  assert.equal(got.status, 0, got.stderr);
}

/** The least that a JSON schema accepts; members that are named in `values` have those. */
export function instance(schema, components, values = {}) {
  if (schema.$ref !== undefined) {
    return instance(components.schemas[schema.$ref.split('/').at(-1)], components, values);
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  const choice = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choice !== undefined) return instance(choice[0], components, values);
  switch ([schema.type].flat()[0]) {
    case 'object': {
      const names = Object.keys(schema.properties ?? {})
        .filter((name) => schema.required?.includes(name) || name in values || name === 'data');
      return Object.fromEntries(names.map((name) => [name, values[name] ??
        instance(schema.properties[name], components, values)]));
    }
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 },
        () => instance(schema.items, components, values));
    case 'string':
      return schema.format === 'uuid' ? randomUUID() : 'x'.repeat(schema.minLength ?? 1);
    case 'integer':
    case 'number':
      return Math.max(schema.minimum ?? 0, 0);
    case 'boolean':
      return false;
    default:
      return {};
  }
}
