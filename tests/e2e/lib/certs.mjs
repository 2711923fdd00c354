// Certificates made on the spot by openssl's command line: an authority, and what it signs.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tempDir } from './server.mjs';

const dir = tempDir('certs');
const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });

function result(file) {
  return {
    file: `${file}.pem`,
    keyFile: `${file}.key`,
    get cert() { return readFileSync(`${file}.pem`); },
    get key() { return readFileSync(`${file}.key`); },
  };
}

const newKey = (file, kind) => (kind === 'rsa'
  ? ['-newkey', 'rsa:2048']
  : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']).concat('-nodes', '-keyout', `${file}.key`);

/** An authority: {file, keyFile, cert, key}. */
export function authority(name) {
  const file = path.join(dir, name);
  openssl('req', '-x509', ...newKey(file), '-out', `${file}.pem`, '-days', '30', '-subj', `/CN=${name}`,
    '-addext', 'basicConstraints=critical,CA:TRUE');
  return result(file);
}

/** Signed by `ca`, for `names` such as 'DNS:a.example'; `days` may be 0: it has just ended. */
export function certificate(ca, name, { names = ['DNS:localhost', 'IP:127.0.0.1'], days = 30, kind = 'ec' } = {}) {
  const file = path.join(dir, name);
  openssl('req', '-new', ...newKey(file, kind), '-out', `${file}.csr`, '-subj', `/O=Signalbox tests/CN=${name}`);
  writeFileSync(`${file}.ext`, `basicConstraints=critical,CA:FALSE\nsubjectAltName=${names.join(',')}\n`);
  openssl('x509', '-req', '-in', `${file}.csr`, '-CA', ca.file, '-CAkey', ca.keyFile, '-CAcreateserial',
    '-out', `${file}.pem`, '-days', String(days), '-extfile', `${file}.ext`);
  return result(file);
}
