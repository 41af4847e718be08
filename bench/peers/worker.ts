/**
 * The worker of every fleet that is compared: activities only, and no workflow code, so that a task costs this machine little.
 * Each attempt writes a line when it begins and one when it is done, by which waits and losses are counted.
 */
import { writeSync } from 'node:fs';
import { activityInfo, heartbeat, sleep } from '@temporalio/activity';
import type { WorkerDeploymentOptions } from '@temporalio/worker';
import { runElasticWorker } from '../../worker/run.ts';
import { HEARTBEAT_SECONDS, type AttemptLine } from './attempts.ts';

const STANDARD_OUTPUT = 1;

const activities = {
  async work(index: number, milliseconds: number): Promise<void> {
    note({ work: index, attempt: activityInfo().attempt, begun: Date.now() });
    const beats = setInterval(() => heartbeat(), (HEARTBEAT_SECONDS * 1000) / 3);
    try {
      await sleep(milliseconds);
    } finally {
      clearInterval(beats);
    }
    note({ work: index, attempt: activityInfo().attempt, done: Date.now() });
  },
};

const { PEERS_DEPLOYMENT: deploymentName } = process.env;
const versioned: { workerDeploymentOptions?: WorkerDeploymentOptions } =
  deploymentName === undefined
    ? {}
    : {
        workerDeploymentOptions: {
          version: { deploymentName, buildId: '1' },
          useWorkerVersioning: true,
          defaultVersioningBehavior: 'AUTO_UPGRADE',
        },
      };
await runElasticWorker({ activities, ...versioned });

/** At once, even if the process is killed the next moment. */
function note(line: AttemptLine): void {
  writeSync(STANDARD_OUTPUT, `${JSON.stringify(line)}\n`);
}
