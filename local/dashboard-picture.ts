/**
 * docs/pictures/dashboard.png: `npm run picture:dashboard`. Runs the demo, and draws the dashboard that it deployed, widget by
 * widget as its body says, from the alarms, metrics and tick records that the run has left in the emulator.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CloudWatchClient,
  GetDashboardCommand,
  GetMetricDataCommand,
  paginateDescribeAlarms,
} from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { chromium } from 'playwright-core';
import { z } from 'zod';
import { chunks } from '../contract/chunks.ts';
import profile from '../simulate/azure-llm-conv-2023.profile.json' with { type: 'json' };
import { append, drawChart, drawWidgets, type DrawnWidget, type Line } from './dashboard-page.ts';
import { drawRequests } from './load.ts';
import { localClient } from './observe.ts';
import type { Plant } from './plant.ts';
import { runDemo } from './run.ts';
import { openScreen } from './screen.ts';
import { REPOSITORY } from './tools.ts';

const PICTURE = join(REPOSITORY, 'docs/pictures/dashboard.png');
const MINUTES = 9;
const SPEED = 1.5;
/** Of the dashboard's 24 columns and its rows. */
const COLUMN = 66;
const ROW = 44;

const closers: (() => Promise<void>)[] = [];
const startedAt = Date.now();

/** The parts of a dashboard's body that are drawn. */
const optionsSchema = z.object({
  label: z.string(),
  stat: z.string().default('Average'),
  period: z.number().default(60),
  yAxis: z.enum(['left', 'right']).default('left'),
  expression: z.string().optional(),
  visible: z.boolean().default(true),
});
const metricSchema = z.array(z.union([z.string(), optionsSchema]));
const widgetSchema = z.object({
  x: z.number(),
  y: z.number(),
  width: z.number(),
  height: z.number(),
  properties: z.object({
    title: z.string().default(''),
    markdown: z.string().optional(),
    view: z.string().optional(),
    alarms: z.array(z.string()).optional(),
    metrics: z.array(metricSchema).optional(),
    query: z.string().optional(),
  }),
});
type Widget = z.infer<typeof widgetSchema>;

interface Source {
  cloudWatch: CloudWatchClient;
  /** Of the whole run, oldest first. */
  records: TickRecord[];
  /** Milliseconds. */
  from: number;
  to: number;
}

type TickRecord = Record<string, unknown> & { now: number };

async function picture({ emulatorUrl, dashboard }: Plant): Promise<void> {
  const cloudWatch = new CloudWatchClient(localClient(emulatorUrl));
  const { DashboardBody = '' } = await cloudWatch.send(new GetDashboardCommand({ DashboardName: dashboard }));
  const { widgets } = z.object({ widgets: z.array(widgetSchema) }).parse(JSON.parse(DashboardBody));
  const [, logGroup = ''] = /SOURCE '([^']+)'/.exec(DashboardBody) ?? [];
  const to = Date.now();
  const records = await recordsUntil(to, new CloudWatchLogsClient(localClient(emulatorUrl)), logGroup);
  const source = { cloudWatch, records, from: startedAt, to };
  await screenshot(await Promise.all(widgets.map((widget) => drawn(widget, source))), source);
}

/** The scaler's words are in its log only when the invocation has ended that said them. */
async function recordsUntil(to: number, client: CloudWatchLogsClient, logGroupName: string): Promise<TickRecord[]> {
  for (;;) {
    const records: TickRecord[] = [];
    for await (const { events = [] } of paginateFilterLogEvents({ client }, { logGroupName })) {
      const lines = events.flatMap(({ message = '' }) => (message.startsWith('{"v":1,') ? [message] : []));
      records.push(...lines.map((line) => JSON.parse(line) as TickRecord));
    }
    records.sort((a, b) => a.now - b.now);
    if ((records.at(-1)?.now ?? 0) >= to) return records;
    await delay(1000);
  }
}

async function drawn(widget: Widget, source: Source): Promise<DrawnWidget> {
  const { x, y, width, height, properties } = widget;
  const { title, markdown, view, alarms, metrics, query = '' } = properties;
  const card = {
    title: markdown?.replace(/^#+ /, '') ?? title,
    box: { left: x * COLUMN, top: y * ROW, width: width * COLUMN - 8, height: height * ROW - 8 },
  };
  if (markdown !== undefined) return card;
  if (alarms) return { ...card, alarms: await alarmStates(alarms, source) };
  if (metrics && view === 'singleValue') return { ...card, value: await newest(metrics, source) };
  if (metrics) return { ...card, lines: await Promise.all(metrics.map((metric) => lineOf(metric, source))) };
  const [, pool] = /pool = '([^']+)'/.exec(query) ?? [];
  const records = source.records.filter((record) => record['pool'] === pool);
  return view === 'table' ? { ...card, table: decisions(records) } : { ...card, lines: linesOf(query, records) };
}

async function alarmStates(arns: string[], { cloudWatch }: Source) {
  const states: { name: string; state: string }[] = [];
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client: cloudWatch }, {})) {
    for (const { AlarmArn = '', AlarmName = '', StateValue = '', Dimensions } of MetricAlarms) {
      const kind = /Alarms([A-Z][A-Za-z]+?)[0-9A-F]{8}/.exec(AlarmName)?.[1] ?? AlarmName;
      const pool = Dimensions?.find(({ Name }) => Name === 'Pool')?.Value;
      if (arns.includes(AlarmArn)) states.push({ name: `${pool}: ${kind}`, state: StateValue });
    }
  }
  return states;
}

type Metric = z.infer<typeof metricSchema>;

function partsOf(metric: Metric) {
  const [namespace, name, ...rest] = metric.filter((part) => typeof part === 'string');
  const options = metric.find((part) => typeof part === 'object');
  return {
    namespace,
    name,
    dimensions: chunks(rest, 2).map(([Name, Value]) => ({ Name, Value })),
    options: options ?? optionsSchema.parse({ label: name }),
  };
}

async function lineOf(metric: Metric, { cloudWatch, from, to }: Source): Promise<Line> {
  const { namespace, name, dimensions, options } = partsOf(metric);
  const stat = {
    Metric: { Namespace: namespace, MetricName: name, Dimensions: dimensions },
    Period: options.period,
    Stat: options.stat,
  };
  const { MetricDataResults: [result] = [] } = await cloudWatch.send(
    new GetMetricDataCommand({
      StartTime: new Date(from),
      EndTime: new Date(to),
      MetricDataQueries: [{ Id: 'line', MetricStat: stat }],
    }),
  );
  const { Timestamps = [], Values = [] } = result ?? {};
  const points = Timestamps.map((at, index): [number, number] => [at.getTime() / 1000, Values[index]!]);
  return { label: options.label, right: options.yAxis === 'right', points: points.sort(([a], [b]) => a - b) };
}

/** The emulator computes no expressions; the dashboard's are a metric times a number. */
async function newest(metrics: Metric[], source: Source): Promise<[string, string]> {
  const all = metrics.map((metric) => ({ metric, ...partsOf(metric).options }));
  const shown = all.find(({ visible }) => visible)!;
  const plain = all.find(({ expression }) => expression === undefined)!;
  const last = (await lineOf(plain.metric, source)).points.at(-1)?.[1] ?? 0;
  const factor = Number(shown.expression?.split('*')[1] ?? 1);
  return [String(Number((last * factor).toPrecision(3))), shown.label];
}

/** `stats max(a.b) as \`Label\`, … by bin(1m)` */
function linesOf(query: string, records: TickRecord[]): Line[] {
  return [...query.matchAll(/max\(([\w.]+)\) as `([^`]+)`/g)].map(([, field = '', label = '']) => {
    const bins = new Map<number, number>();
    for (const record of records) {
      const value = field.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], record);
      const bin = Math.floor(record.now / 60_000) * 60;
      if (typeof value === 'number') bins.set(bin, Math.max(bins.get(bin) ?? 0, value));
    }
    return { label, right: false, points: [...bins] };
  });
}

/** `stats earliest(@timestamp) as since, latest(desired) as tasks by reason, bin(10m) | sort since desc | limit 20` */
function decisions(records: TickRecord[]): string[][] {
  const groups = [
    ...Map.groupBy(records, ({ now, reason }) => `${Math.floor(now / 600_000)} ${String(reason)}`).values(),
  ];
  const rows = groups.map((group) => [
    new Date(group[0]!.now).toISOString().slice(11, 19),
    String(group[0]!['reason']),
    String(group.at(-1)!['desired']),
  ]);
  return [['since', 'reason', 'tasks'], ...rows.sort(([a = ''], [b = '']) => b.localeCompare(a)).slice(0, 20)];
}

const STYLE = `
  body { margin: 0; background: #f2f3f3; font: 12px sans-serif; color: #16191f; position: relative; }
  .card { position: absolute; overflow: hidden; background: #fff; border: 1px solid #d5dbdb; border-radius: 3px; box-sizing: border-box; padding: 4px; }
  h2 { font-size: 12px; margin: 2px 4px 4px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .legend { font-size: 10px; } .legend span { margin: 0 4px; padding-left: 4px; border-left: 8px solid; }
  .alarms { display: grid; grid-template-columns: repeat(6, 1fr); gap: 6px; height: calc(100% - 28px); padding: 2px 4px; box-sizing: border-box; }
  .alarms span { padding: 8px; border-left: 6px solid #879596; background: #fafafa; overflow: hidden; }
  .alarms .OK { border-color: #1d8102; } .alarms .ALARM { border-color: #d13212; background: #fdf3f1; }
  b { display: block; text-align: center; font-size: 28px; font-weight: 400; padding-top: 40px; } small { display: block; text-align: center; }
  table { font-size: 12px; border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 2px 6px; border-bottom: 1px solid #eaeded; }`;

async function screenshot(widgets: DrawnWidget[], { from, to }: Source): Promise<void> {
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'));
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  try {
    const height = Math.max(...widgets.map(({ box }) => box.top + box.height));
    const page = await browser.newPage({ viewport: { width: 24 * COLUMN - 8, height }, timezoneId: 'UTC' });
    await page.addStyleTag({ content: readFileSync(join(uplot, 'uPlot.min.css'), 'utf8') + STYLE });
    await page.addScriptTag({ content: readFileSync(join(uplot, 'uPlot.iife.min.js'), 'utf8') });
    await page.addScriptTag({ content: [append, drawChart].join('\n') });
    await page.evaluate(drawWidgets, { widgets, span: [from / 1000, to / 1000] as [number, number] });
    mkdirSync(dirname(PICTURE), { recursive: true });
    await page.screenshot({ path: PICTURE });
    console.log(`Drawn: ${PICTURE}`);
  } finally {
    await browser.close();
  }
}

try {
  await runDemo({
    requests: drawRequests(profile, { seed: 1, minutes: MINUTES }),
    speed: SPEED,
    seed: 1,
    startDelay: { min: 2, max: 5 },
    screen: openScreen(process.stdout, () => (Date.now() - startedAt) / 1000),
    now: Date.now,
    signal: new AbortController().signal,
    closers,
    atTheEnd: picture,
  });
} finally {
  for (const close of closers.toReversed()) await close();
}
process.exit();
