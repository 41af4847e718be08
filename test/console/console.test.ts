/** The installed console in Chromium, with the emulator and the Temporal server. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page, type Response } from 'playwright-core';
import type { PoolHistory } from '../../console/view.ts';
import { startConsole } from '../../local/console.ts';
import { ServedStacks } from '../cli/served-stacks.ts';
import { logged, QUIET, wave } from './ticks.ts';
import { childEnvironment } from '../child-environment.ts';

jest.setTimeout(180_000);

/** Debian's path, or a configured one. Without Chromium these tests are skipped. */
const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const inChromium = existsSync(executablePath) ? describe : describe.skip;

const HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b>';
const stacks = new ServedStacks();
const pools = [
  { pool: 'fast', taskQueue: 'fast-queue' },
  { pool: 'slow', taskQueue: '<i>slow</i>' },
];
let command: ChildProcess;
let url: string;
let browser: Browser;

beforeAll(async () => {
  await stacks.start();
  await stacks.deploy('shop', { pools });
  await stacks.alarm('shop', 'fast');
  const now = Date.now();
  // The last test that needs them still finds all of them in the last hour.
  const ticks = Array.from({ length: 1000 }, (_, index) => wave(index, now - (1000 - index) * 3200));
  await stacks.log(
    'shop',
    ticks.map((tick) => logged('fast', tick)),
    now,
  );
  const words = { reason: 'failing' as const, detail: HOSTILE, errors: [HOSTILE] };
  await stacks.log('shop', [logged('slow', { ...QUIET, now: now - 5000, ...words })], now);
  const args = [join(import.meta.dirname, '../../dist/cli/main.js'), 'console', '--port', '0', '--json'];
  const env = { ...childEnvironment(), ...stacks.environment };
  command = spawn(process.execPath, [...args, '--temporal-ui', stacks.temporal.uiUrl], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  while (!said.includes('}')) said += String((await once(command.stdout!, 'data'))[0]);
  ({ url } = JSON.parse(said) as { url: string });
});

afterAll(async () => {
  command?.kill('SIGTERM');
  await stacks.stop();
});

function get(path: string, headers: Record<string, string>): Promise<{ status: number | undefined; policy: unknown }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { headers }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode, policy: answer.headers['content-security-policy'] });
    });
    asked.once('error', reject).end();
  });
}

test('the server answers only its own page on this machine', async () => {
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const statuses = async (...headers: Record<string, string>[]) =>
    (await Promise.all(headers.map((each) => get('/api/overview', each)))).map(({ status }) => status);
  expect(await statuses({}, { host: 'localhost:9' }, { host: '[::1]' }, { 'sec-fetch-site': 'same-origin' })).toEqual([
    200, 200, 200, 200,
  ]);
  expect(
    await statuses({ host: 'evil.example' }, { host: '127.0.0.1.evil.example' }, { 'sec-fetch-site': 'cross-site' }),
  ).toEqual([403, 403, 403]);
  expect(await get('/', { host: 'evil.example' })).toMatchObject({ status: 403 });
  expect(await get('/', {})).toMatchObject({
    status: 200,
    policy: expect.stringContaining("default-src 'none'; script-src 'self'"),
  });
});

test('all problems with the options are reported at once, and a port in use with what to do', async () => {
  const wrong = await stacks.cli('console', '--port', 'x', '--temporal-ui', 'javascript:alert(1)');
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--port must be .* got 'x'\n.*--temporal-ui must be .* got 'javascript/),
  });
  const taken = await stacks.cli('console', '--port', new URL(url).port);
  expect(taken).toMatchObject({ code: 1, stderr: expect.stringMatching(/already in use: choose another with --port/) });
});

/** In the page: where the focus is, and how it is shown. */
function focused(): string {
  const { activeElement } = document;
  const place = [...document.querySelectorAll('*')].indexOf(activeElement!);
  return `${place} ${activeElement!.outerHTML.slice(0, 80)} ${getComputedStyle(activeElement!).outlineStyle}`;
}

test('the demo’s console is built from the sources; one that cannot start is reported with the reason', async () => {
  const closers: (() => Promise<void>)[] = [];
  const common = {
    temporal: { uiUrl: stacks.temporal.uiUrl },
    closers,
    directory: mkdtempSync(join(tmpdir(), 'console-')),
  };
  const ofDemo = await startConsole({ ...common, emulatorUrl: stacks.environment['AWS_ENDPOINT_URL']! });
  expect(await (await fetch(`${ofDemo}/console.js`)).text()).toContain('uplot');
  const nowhere = startConsole({ ...common, emulatorUrl: 'http://127.0.0.1:1' });
  await expect(nowhere).rejects.toThrow(/The console ended while starting[^]*Cannot list the stacks/);
  await Promise.all(closers.map((close) => close()));
});

inChromium('the page', () => {
  let page: Page;
  const requests: string[] = [];
  const errors: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    page = await browser.newPage();
    page.setDefaultTimeout(90_000);
    page.on('request', (each) => requests.push(each.url()));
    page.on('pageerror', (error) => errors.push(String(error.stack)));
    page.on('console', (message) => errors.push(message.text()));
    await page.goto(url);
    await page.waitForSelector('body[data-state=ready]');
  });

  afterAll(() => browser?.close());

  const chart = (title: string) => page.locator('figure').filter({ has: page.locator('h3', { hasText: title }) });

  test('shows all pools, and for the selected one its decisions, its alarms and a link to Temporal', async () => {
    expect(await page.locator('#pools tr').allInnerTexts()).toEqual([
      expect.stringMatching(/^pool\treason\tqueued/),
      expect.stringMatching(/^fast\t/),
      expect.stringMatching(/^slow\t/),
    ]);
    expect(await page.locator('ol > li').first().innerText()).toMatch(
      /steady, \d tasks?\s+the fleet matches demand\s+busy 0/,
    );
    expect(await page.locator('.alarms > li').count()).toBe(5);
    const queue = await page.locator('.links a', { hasText: 'Task queue' }).getAttribute('href');
    expect(queue).toBe(`${stacks.temporal.uiUrl}/namespaces/default/task-queues/fast-queue`);
  });

  test('a chart shows all of a thousand points, and the table too', async () => {
    await chart('Tasks').getByText('Table').click();
    const rows = chart('Tasks').locator('table tr:has(td:not(.u-value))');
    await rows.first().waitFor();
    expect(await rows.count()).toBe(1000);
    expect(await rows.first().innerText()).toMatch(/^\d\d:\d\d:\d\d\t\d\t\d\t0\t0$/);
    await chart('Tasks').getByText('Table').click();
  });

  test('new ticks are added to the existing charts, and only new ticks are sent', async () => {
    await page.locator('canvas').evaluateAll((canvases) => canvases.forEach((each) => each.classList.add('known')));
    const histories: Promise<PoolHistory>[] = [];
    const keep = (answer: Response) => {
      if (answer.url().includes('/api/pools/')) histories.push(answer.json() as Promise<PoolHistory>);
    };
    page.on('response', keep);
    await stacks.log('shop', [
      logged('fast', { ...QUIET, now: Date.now(), reason: 'backlog', desired: 7, queued: 40 }),
    ]);
    await page.locator('ol > li', { hasText: 'backlog, 7 tasks' }).waitFor();
    expect(await page.locator('canvas.known').count()).toBe(5);
    expect(await chart('Waiting').innerText()).toMatch(/queued\s*40/);
    expect(await page.locator('main [role=status]').textContent()).toBe(
      'backlog: 7 tasks, more tasks, because work is waiting',
    );
    page.off('response', keep);
    expect((await Promise.all(histories)).flatMap(({ ticks }) => ticks)).toEqual([
      expect.objectContaining({ reason: 'backlog', desired: 7 }),
    ]);
  });

  test('an alarm that fires is shown at the top and at its pool', async () => {
    const verdict = page.locator('#verdict.bad', { hasText: '1 alarm firing: fast fast-ErrorRate' });
    await stacks.setAlarm('fast-ErrorRate', 'ALARM');
    await verdict.waitFor();
    expect(await page.locator('.alarms > .alarm').innerText()).toMatch(/firing\s+fast-ErrorRate/);
  });

  test('hostile text is shown as text', async () => {
    await page.locator('#pools a', { hasText: 'slow' }).click();
    const decision = page.locator('ol > li', { hasText: 'failing' });
    await decision.waitFor();
    expect((await decision.innerText()).split(HOSTILE)).toHaveLength(3);
    expect(await page.locator('.pool-head').innerText()).toContain('Task queue <i>slow</i>');
    expect(await page.locator('main img, main ol b b, main i').count()).toBe(0);
    expect(await page.title()).toBe('slow · Elastic workers');
  });

  test('every control can be reached by keyboard, shows its focus and has a name', async () => {
    await page.goto(`${url}/#fast`);
    await page.locator('h2', { hasText: 'fast' }).waitFor();
    const controls = page.locator('a[href], select, input, summary, [tabindex="0"]');
    const visible = await controls.evaluateAll(
      (all) => all.filter((each) => (each as HTMLElement).checkVisibility()).length,
    );
    expect(visible).toBeGreaterThan(15);
    await page.locator('body').evaluate((body) => {
      body.tabIndex = -1;
      body.focus();
    });
    const reached = new Set<string>();
    for (let index = 0; index < visible; index += 1) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(focused));
    }
    expect([...reached].filter((each) => each.endsWith('none'))).toEqual([]);
    expect(reached.size).toBe(visible);
    const session = await page.context().newCDPSession(page);
    const { nodes } = await session.send('Accessibility.getFullAXTree');
    const roles = new Set([
      'link',
      'combobox',
      'spinbutton',
      'DisclosureTriangle',
      'region',
      'navigation',
      'figure',
      'table',
    ]);
    const named = nodes.filter(({ role, ignored }) => !ignored && roles.has(String(role?.value)));
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(({ name }) => !name?.value).map(({ role }) => role?.value)).toEqual([]);
  });

  test('nothing overflows on a narrow screen', async () => {
    await page.setViewportSize({ width: 360, height: 700 });
    await page.waitForFunction(() =>
      [...document.querySelectorAll('canvas')].every(({ clientWidth }) => clientWidth < 340),
    );
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  test('what-if runs other settings on the pool’s own load, and reports an invalid one', async () => {
    await page.getByText('What if…').click();
    const verdict = page.locator('main [role=status]');
    await verdict.filter({ hasText: 'These are the current settings' }).waitFor();
    await page.getByLabel('Max tasks').fill('2');
    await verdict.filter({ hasText: /fewer task-hours; p95 wait: .+ instead of/ }).waitFor();
    const rows = await page.locator('main > .scroll tr').allInnerTexts();
    const most = rows.map((row) => row.split('\t').at(-2));
    expect(most).toEqual(['peak tasks', '8', '2']);
    await page.getByLabel('Min tasks').fill('3');
    await page.locator('.error', { hasText: 'Min tasks must be at most 2, got 3.' }).waitFor();
    await page.getByLabel('Max tasks').fill('0');
    await page.locator('.error', { hasText: "Max tasks must be a whole number from 1 to 5000, got '0'." }).waitFor();
  });

  test('the page has requested nothing except from its own server, and logged no error', () => {
    expect(requests.filter((each) => !each.startsWith(`${url}/`) && !each.startsWith('data:'))).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('when the console stops, the page says so', async () => {
    const ended = once(command, 'exit');
    command.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    await page.locator('#problems', { hasText: 'out of date' }).waitFor();
  });
});
