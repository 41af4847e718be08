/** Traces of real work as CSV: `arrival_s,service_s`, or the Azure LLM inference traces' own columns. */
import type { Work } from './model.ts';

/** The file is not a trace; the message names the file, the line and the problem. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

interface TraceFormat {
  columns: string[];
  /** NaN where a field is invalid. */
  read(fields: string[]): Work;
}

const FORMATS: TraceFormat[] = [
  {
    columns: ['arrival_s', 'service_s'],
    read: ([arrival, service]) => ({ arrivalSeconds: numberOf(arrival), serviceSeconds: numberOf(service) }),
  },
  {
    // The Azure LLM inference traces; the service time is modeled as about 33 tokens per second.
    columns: ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'],
    read: ([timestamp, context, generated]) => ({
      arrivalSeconds: timestampSeconds(timestamp),
      serviceSeconds: 1 + 0.03 * numberOf(generated) + 0.0002 * numberOf(context),
    }),
  },
];

/** The rows of a CSV trace in the order of arrival, the first at 0. */
export function parseTrace(text: string, file: string): Work[] {
  const [header = '', ...rows] = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const format = FORMATS.find(({ columns }) => columns.join() === header.replaceAll(/[\s"]/g, ''));
  if (!format) {
    const known = FORMATS.map(({ columns }) => `'${columns.join()}'`).join(' or ');
    throw new TraceError(`${file}:1: the header must be ${known}, got '${header.slice(0, 80)}'`);
  }
  const work = rows.flatMap((row, index) => (row.trim() ? [parseRow(format, row, `${file}:${index + 2}`)] : []));
  if (work.length === 0) throw new TraceError(`${file}: there is no work after the header`);
  work.sort((a, b) => a.arrivalSeconds - b.arrivalSeconds);
  const start = work[0]!.arrivalSeconds;
  return work.map((each) => ({ ...each, arrivalSeconds: each.arrivalSeconds - start }));
}

function parseRow({ columns, read }: TraceFormat, row: string, where: string): Work {
  const fields = row.split(',').map((field) => field.trim().replace(/^"(.*)"$/, '$1'));
  if (fields.length !== columns.length) {
    throw new TraceError(`${where}: ${columns.length} fields expected (${columns.join()}), got '${row.slice(0, 80)}'`);
  }
  const work = read(fields);
  if (!Number.isFinite(work.arrivalSeconds)) throw unreadable(where, columns[0]!, fields[0]!);
  if (!(work.serviceSeconds >= 0)) throw unreadable(where, columns.slice(1).join(), fields.slice(1).join());
  return work;
}

function unreadable(where: string, columns: string, value: string): TraceError {
  return new TraceError(`${where}: ${columns} must be a time or a number of at least 0, got '${value}'`);
}

/** Plain decimal numbers only: no '', no hexadecimal, no Infinity, nothing negative. */
function numberOf(field = ''): number {
  return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) ? Number(field) : Number.NaN;
}

/** UTC by default. */
function timestampSeconds(field = ''): number {
  const [, date, time, zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:?\d\d)?$/.exec(field) ?? [];
  return Date.parse(`${date}T${time}${zone}`) / 1000;
}
