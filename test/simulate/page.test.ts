import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { compare, type Comparison } from '../../simulate/comparison.ts';
import { DEFAULT_SETTINGS } from '../../simulate/model.ts';
import { reportHtml } from '../../simulate/report.ts';
import { COLUMNS } from '../../simulate/table.ts';
import { arrivalsPerSecond, sampleSecondsOf, viewOf, workOf, type Source } from '../../simulate/view.ts';

jest.setTimeout(180_000);

/** Debian's path, or a configured one. Without Chromium these tests are skipped. */
const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const inChromium = existsSync(executablePath) ? describe : describe.skip;

const source: Source = { kind: 'named', name: 'heavy-tail' };
const work = workOf(source, 1);
const sampleSeconds = sampleSecondsOf(work, DEFAULT_SETTINGS.tailSeconds);

function comparisonWith(slots: number): Comparison {
  return compare(work, optionsWith(slots));
}

function optionsWith(slots: number) {
  return {
    settings: {
      slots,
      sampleSeconds,
      startUpSeconds: [25, 60] as [number, number],
      minTasks: 0,
      maxTasks: 100,
      seed: 1,
    },
    policy: { targetWaitSeconds: 30 },
    peers: ['formula', 'hpa'],
  };
}

let browser: Browser;
let page: Page;
const requests: string[] = [];
const errors: string[] = [];

/** The table as text, once the current runs are done. */
async function table(): Promise<string[][]> {
  await page.waitForSelector('body[data-state=ready]');
  return page.$$eval('#summary tr', (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent!)));
}

function expected({ runs }: Comparison): string[][] {
  return runs.map(({ summary }) => [summary.controller, ...COLUMNS.map(([, cell]) => cell(summary))]);
}

/** Waits until the runs that it triggers have started, however soon they end. */
async function change(what: () => Promise<unknown>): Promise<void> {
  await page.evaluate(() => {
    const begun = new Promise<void>((resolve) => {
      new MutationObserver(() => resolve()).observe(document.body, { attributeFilter: ['data-state'] });
    });
    Object.assign(globalThis, { begun });
  });
  await what();
  await page.evaluate('begun');
}

inChromium('the report', () => {
  beforeAll(async () => {
    const runs = comparisonWith(20).runs.map((run) => viewOf(run, work, sampleSeconds));
    const arrivals = arrivalsPerSecond(work, sampleSeconds, runs[0]!.queued.length);
    const load = {
      source,
      options: optionsWith(20),
      count: work.length,
      sampleSeconds,
      arrivalsPerSecond: arrivals,
      runs,
    };
    const file = join(mkdtempSync(join(tmpdir(), 'report-')), 'report.html');
    writeFileSync(file, await reportHtml([load]));

    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    page = await browser.newPage();
    page.setDefaultTimeout(90_000);
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => errors.push(String(error.stack)));
    await page.goto(`file://${file}`);
  });

  afterAll(() => browser?.close());

  test('shows its embedded runs, requests nothing, and logs no error', async () => {
    expect((await table()).slice(1)).toEqual(expected(comparisonWith(20)));
    expect(await page.locator('#charts canvas').count()).toBe(7);
    expect(await page.locator('#reasons > span').count()).toBeGreaterThan(2);
    expect(requests.filter((url) => !/^(file|data|blob):/.test(url))).toEqual([]);
    expect(errors).toEqual([]);
  });

  test('a slider repeats the runs, with the same figures as in Node.js', async () => {
    await change(() => page.locator('#slots').fill('8'));
    expect((await table()).slice(1)).toEqual(expected(comparisonWith(8)));
  });

  test('a dropped CSV file is simulated instead', async () => {
    const rows = Array.from({ length: 200 }, (_, index) => `${index * 3},4`);
    const text = ['arrival_s,service_s', ...rows].join('\n');
    await change(() =>
      page.evaluate((csv) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([csv], 'mine.csv'));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true }));
      }, text),
    );
    await table();
    expect(await page.textContent('#status')).toContain('mine.csv: 200 pieces of work');
  });

  test('a CSV file that is not a trace is reported with its line, and the page keeps its content', async () => {
    const before = await table();
    await change(() =>
      page.setInputFiles('#file', {
        name: 'bad.csv',
        mimeType: 'text/csv',
        buffer: Buffer.from('arrival_s,service_s\n1,2\n2,x\n'),
      }),
    );
    expect(await table()).toEqual(before);
    expect(await page.textContent('#error')).toBe(
      "bad.csv:3: service_s must be a time or a number of at least 0, got 'x'",
    );
    expect(errors).toEqual([]);
  });
});
