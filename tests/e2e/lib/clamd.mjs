// A clamd of our own, on a signature database of one line (EICAR), under build/. Its package may be
// missing; then what needs it is skipped.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { PATIENCE, tempDir } from './server.mjs';

const BIN = '/usr/sbin/clamd';
export const CLAMD = existsSync(BIN);

// In two parts, so that no scanner takes this file for one.
export const EICAR = `X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-${'ANTIVIRUS-TEST-FILE!$H+H*'}`;

const answers = (socket) =>
  new Promise((resolve) => {
    const s = net.connect(socket, () => s.write('zPING\0'));
    s.on('data', (d) => s.destroy() && resolve(d.toString().startsWith('PONG')));
    s.on('error', () => resolve(false));
    s.on('close', () => resolve(false));
  });

export class Clamd {
  constructor() {
    this.dir = tempDir('clamd');
    this.socket = path.join(this.dir, 's');
    this.setting = `unix:${this.socket}`;
    mkdirSync(path.join(this.dir, 'db'));
    const signature = Buffer.from(EICAR).toString('hex');
    writeFileSync(path.join(this.dir, 'db/test.ndb'), `Eicar-Test-Signature:0:*:${signature}\n`);
    writeFileSync(
      path.join(this.dir, 'clamd.conf'),
      `Foreground yes\nLocalSocket ${this.socket}\nDatabaseDirectory ${this.dir}/db\n` +
        `TemporaryDirectory ${this.dir}\nStreamMaxLength 30M\n`,
    );
  }

  async start() {
    this.child = spawn(BIN, [`--config-file=${this.dir}/clamd.conf`], { stdio: 'ignore' });
    process.on('exit', () => this.child.kill('SIGKILL'));
    const end = Date.now() + 20_000 * PATIENCE;
    while (!(await answers(this.socket))) {
      if (Date.now() > end) throw new Error('clamd does not answer');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop() {
    const gone = new Promise((resolve) => this.child.on('close', resolve));
    this.child.kill('SIGKILL');
    await gone;
    rmSync(this.socket, { force: true });
  }
}
