/**
 * docs/pictures/console-*.png: `npm run picture:console`. Runs the demo, photographs its console while most of the load is being
 * worked on, and at the end what other settings would have done.
 */
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import profile from '../simulate/azure-llm-conv-2023.profile.json' with { type: 'json' };
import { drawRequests } from './load.ts';
import { runDemo } from './run.ts';
import { openScreen } from './screen.ts';
import { REPOSITORY } from './tools.ts';
import type { DemoView } from './view.ts';

/** A part of the demo's load, in which a small machine serves workers and a browser, too. */
const MINUTES = 5;
const EVERY = 4;
const SPEED = 1;
/** Of the load that has come when the pictures are taken. */
const PART = 0.9;
const SIZE = { width: 1440, height: 940 };
const POOL = 'complex-analysis';

const closers: (() => Promise<void>)[] = [];
const startedAt = Date.now();
const screen = openScreen(process.stdout, () => (Date.now() - startedAt) / 1000);
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
let seen: DemoView | undefined;
let pictures: Promise<unknown> | undefined;

function show(view: DemoView): void {
  seen = view;
  screen.show(view);
  const started = (view.workflows?.started ?? 0) / (view.requests ?? Infinity);
  if (started >= PART && view.consoleUrl !== undefined) pictures ??= themes(view.consoleUrl);
}

async function themes(url: string): Promise<void> {
  for (const theme of ['light', 'dark'] as const) await photograph(`${url}/#${POOL}`, theme, theme);
}

async function whatIf(): Promise<void> {
  await pictures;
  await photograph(`${seen?.consoleUrl}/#${POOL}/what-if`, 'what-if', 'dark', { 'Max tasks': '1' });
}

/** Fields are filled by their labels. */
async function photograph(
  url: string,
  name: string,
  colorScheme: 'light' | 'dark',
  fields: Record<string, string> = {},
): Promise<void> {
  const page = await browser.newPage({ viewport: SIZE, colorScheme, timezoneId: 'UTC' });
  await page.goto(url);
  await page.locator('main h2').filter({ hasText: POOL }).waitFor();
  const select = page.locator('main select');
  if ((await select.locator('option[value="15"]').count()) > 0) await select.selectOption('15');
  for (const [label, value] of Object.entries(fields)) {
    await page.locator('[data-what-if=ready]').waitFor();
    await page.getByLabel(label).fill(value);
    await page.getByText('task-hours;').waitFor();
  }
  await page.locator('main canvas').last().scrollIntoViewIfNeeded();
  // The next look at the server, and the drawing after it.
  await page.waitForResponse(/api\/pools/);
  await page.waitForTimeout(500);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(REPOSITORY, `docs/pictures/console-${name}.png`), fullPage: true });
  await page.close();
}

try {
  await runDemo({
    requests: drawRequests(profile, { seed: 1, minutes: MINUTES }).filter((_, index) => index % EVERY === 0),
    speed: SPEED,
    seed: 1,
    startDelay: { min: 2, max: 5 },
    screen: { ...screen, show },
    now: Date.now,
    signal: new AbortController().signal,
    closers,
    atTheEnd: whatIf,
  });
} finally {
  await browser.close();
  for (const close of closers.toReversed()) await close();
}
process.exit();
