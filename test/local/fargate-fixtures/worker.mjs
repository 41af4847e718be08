/**
 * A container for the tests of local Fargate. It reports how it was started to $REPORT_URL and then does what
 * $BEHAVIOUR says: `serve` until SIGTERM and leave with $EXIT_CODE, `crash` at once with it, or `ignore` SIGTERM.
 */
import { spawn } from 'node:child_process';

const { REPORT_URL, BEHAVIOUR = 'serve', EXIT_CODE = '0', ECS_CONTAINER_METADATA_URI_V4 } = process.env;
const ignoreTermination = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);';

process.on('SIGTERM', () => {
  if (BEHAVIOUR === 'serve') process.exit(Number(EXIT_CODE));
  console.log('SIGTERM ignored');
});
if (BEHAVIOUR === 'crash') process.exit(Number(EXIT_CODE));

const child = BEHAVIOUR === 'ignore' ? spawn(process.execPath, ['-e', ignoreTermination]) : undefined;
const metadata = await (await fetch(`${ECS_CONTAINER_METADATA_URI_V4}/task`)).json();
const report = { pid: process.pid, childPid: child?.pid, directory: process.cwd(), environment: process.env, metadata };
await fetch(REPORT_URL, { method: 'POST', body: JSON.stringify(report) });
setInterval(() => {}, 1000);
