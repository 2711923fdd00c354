// Debian's Chromium through playwright-core, with what every browser test wants: a fresh
// profile, no traffic but to the server under test, and a page that must not complain.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { ROOT } from '../lib/server.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FAILED_REQUEST = /^Failed to load resource|^WebSocket connection to .* failed/;

export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 375, height: 812 };

export function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
      '--disable-background-networking', '--disable-component-update',
    ],
  });
}

/**
 * A page of its own context on `origin`; `options` go to the context. `page.faults` lists what
 * went wrong in it: exceptions, complaints on the console, refusals of the content security
 * policy, requests elsewhere. Failed requests are not faults: a test that stops the server makes
 * many.
 */
export async function openPage(browser, origin, options = {}) {
  const context = await browser.newContext({
    viewport: DESKTOP, colorScheme: 'light', baseURL: origin, ...options,
  });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !FAILED_REQUEST.test(message.text())) {
      page.faults.push(message.text());
    }
  });
  page.on('request', (request) => {
    const { protocol, origin: to } = new URL(request.url());
    if (protocol.startsWith('http') && to !== origin) page.faults.push(`request to ${to}`);
  });
  page.on('websocket', (ws) => {
    if (new URL(ws.url()).host !== new URL(origin).host) page.faults.push(`socket to ${ws.url()}`);
  });
  return page;
}

export async function signIn(page, username, password) {
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'account menu' }).waitFor();
}

/** No sideways scrolling, and nothing in `page.faults`. */
export async function assertSound(page) {
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.equal(over, 0, 'the page scrolls sideways');
  assert.deepEqual(page.faults, []);
}

/** axe-core finds nothing to complain about. */
export async function assertAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const said = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.slice(0, 3).map((n) => `  ${n.html} ${n.failureSummary}`).join('\n')}`);
  assert.deepEqual(said, [], what);
}

/** Kept under build/shots for people to look at. */
export async function screenshot(page, name, options = {}) {
  const dir = path.join(ROOT, 'build/shots');
  mkdirSync(dir, { recursive: true });
  await page.screenshot({ path: path.join(dir, `${name}.png`), ...options });
}
