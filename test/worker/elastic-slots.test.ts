/** Slots that follow the load, in a real worker on the real server: the work it takes, and the slots in its heartbeats. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Context } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { pino } from 'pino';
import { startTemporal } from '../../local/temporal.ts';
import { TemporalReader } from '../../scaler/read/temporal.ts';
import { withSlots } from '../../worker/temporal/heartbeat-slots.ts';
import { TemporalWorkerManager } from '../../worker/temporal/manager.ts';

jest.setTimeout(120_000);

test('a worker with a slot range raises its slots, and its heartbeats report the current number', async () => {
  const temporal = await startTemporal();
  const client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  const manager = new TemporalWorkerManager({
    address: temporal.address,
    namespace: 'default',
    taskQueue: 'elastic',
    identity: 'task',
    maxConcurrentActivities: { min: 2, max: 30 },
    heartbeatSeconds: 1,
    shutdownGraceSeconds: 1,
    shutdownForceSeconds: 5,
    workflows: await bundleWorkflowCode({
      workflowsPath: join(import.meta.dirname, 'fixtures/workflows.ts'),
      logger: new DefaultLogger('ERROR'),
    }),
    worker: { activities: { nap: () => Context.current().sleep('1 hour') } },
    log: pino({ level: 'silent' }),
  });
  await manager.startWorker();
  const stopped = manager.runWorker();
  const reader = new TemporalReader({ address: temporal.address, namespace: 'default' });
  const worker = async () => {
    const readings = await reader.read([{ pool: 'p', taskQueue: 'elastic' }], Date.now());
    const { workers } = readings.get('p')!;
    return Array.isArray(workers) ? workers[0] : undefined;
  };
  const until = async (holds: (seen: Awaited<ReturnType<typeof worker>>) => boolean) => {
    for (;;) {
      const seen = await worker();
      if (holds(seen)) return seen;
      // The slots follow the load of this process: polling without a pause is load.
      await wait(200);
    }
  };
  expect(await until((seen) => seen !== undefined)).toMatchObject({ usedSlots: 0, slots: 2, elastic: true });
  const start = (index: number) =>
    client.activity.start('nap', {
      id: `nap-${index}`,
      taskQueue: 'elastic',
      startToCloseTimeout: '1 hour',
      retry: { maximumAttempts: 1 },
    });
  await Promise.all(Array.from({ length: 40 }, (_, index) => start(index)));
  expect(await until((seen) => seen?.usedSlots === 30)).toMatchObject({ slots: 30, elastic: true });
  expect(manager.runningActivities).toBe(30);
  await Promise.all([manager.stopWorker(), stopped]);
  await reader.close();
  await client.connection.close();
  await temporal.stop();
});

describe('a heartbeat in transit', () => {
  /** Namespace `ns`, and a heartbeat with a key, 300 slots for workflow tasks and 3 activities, of the kind `Custom`. */
  const slots = [0x08, 0x7f, 0x10, 0x03, 0x1a, 0x06, ...Buffer.from('Custom')];
  const heartbeat = [0x0a, 0x01, 0x6b, 0x62, 0x03, 0x08, 0xac, 0x02, 0x6a, slots.length, ...slots];
  const request = Buffer.from([0x0a, 0x02, 0x6e, 0x73, 0x1a, heartbeat.length, ...heartbeat]);
  const framed = (message: Buffer, compressed = false) => {
    const head = Buffer.alloc(5);
    head[0] = Number(compressed);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  };
  /** 197 of 200 free, of the kind `Elastic`: merged with the existing field, where the later one counts. */
  const added = [0x6a, 0x0c, 0x08, 0xc5, 0x01, 0x1a, 0x07, ...Buffer.from('Elastic')];
  const head = [0x0a, 0x02, 0x6e, 0x73, 0x1a, heartbeat.length + added.length];
  const amended = Buffer.from([...head, ...heartbeat, ...added]);

  test.each([
    ['uncompressed', framed(request)],
    ['compressed', framed(gzipSync(request), true)],
  ])('gets the number of slots, and keeps the rest: %s', (_, frame) => {
    expect(withSlots(frame, 200)).toEqual(framed(amended));
  });

  test('with more work than slots reports no free slots', () => {
    expect(withSlots(framed(request), 2).includes(Buffer.from([0x6a, 0x0b, 0x08, 0x00]))).toBe(true);
  });

  test('of a worker without activities is passed on unchanged', () => {
    const without = framed(Buffer.from([0x1a, 0x03, 0x0a, 0x01, 0x6b]));
    expect(withSlots(without, 200)).toEqual(without);
  });

  test.each([
    ['truncated', framed(request.subarray(0, 12))],
    ['of an unknown kind', framed(Buffer.from([0x0b, 0x01]))],
    ['falsely marked as compressed', framed(request, true)],
    ['empty', Buffer.alloc(0)],
  ])('is passed on unchanged if it is %s', (_, frame) => {
    expect(withSlots(frame, 200)).toEqual(frame.length === 0 ? framed(Buffer.alloc(0)) : frame);
  });
});
