/** The workflows with a real Worker on the real Temporal server. */
import { setTimeout as wait } from 'node:timers/promises';
import { APICallError, type ProviderV4 } from '@ai-sdk/provider';
import { executeStrategyDirectly } from '../../worker/strategies/activities.ts';
import { offlineModel } from '../../worker/models/offline.ts';
import {
  BATCH_STRATEGY_WORKFLOW as BATCH,
  type BatchResult,
  GENERIC_STRATEGY_WORKFLOW as GENERIC,
} from '../../worker/strategies/types.ts';
import { until } from '../until.ts';
import { type Serving, startServing } from './serving.ts';
import './own-workflows.ts';

jest.setTimeout(120_000);

let serving: Serving;

beforeAll(async () => {
  serving = await startServing('./own-workflows.ts');
});

afterAll(() => serving?.stop());

const durable = { execution: 'durable' };
const direct = { execution: 'direct' };

async function activitiesOf(workflowId: string) {
  const { events } = await serving.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled ?? []);
}

describe('a strategy in a workflow', () => {
  const inputs: [string, unknown][] = [
    ['sequential', { task: 'x', steps: ['a', 'b'] }],
    ['router', { task: 'x', specialists: { tax: 'Taxes', law: 'Contracts' } }],
    ['map_reduce', { task: 'x', parts: ['a', 'b', 'c'], width: 2 }],
    ['specialist', { task: 'x', expertise: 'Bridges' }],
    ['with tools', 'What is the weather?'],
  ];

  it.each(inputs)('%s gives the same result in a workflow, directly and without Temporal', async (strategy, input) => {
    await serving.serve({}, async ({ run }) => {
      const result = await run(GENERIC, strategy, input, durable);
      expect(result).toEqual(await run(GENERIC, strategy, input, direct));
      expect(result).toEqual(await executeStrategyDirectly(strategy, input));
    });
  });

  it('calls the model in separate activities that heartbeat, wait in the task queue, and are retried by Temporal', async () => {
    await serving.serve({}, async ({ run, lastWorkflowId }) => {
      const { asks } = await run<{ asks: number }>(GENERIC, 'map_reduce', { task: 'x', parts: ['a', 'b', 'c'] });
      expect(asks).toBe(4);
      const activities = await activitiesOf(lastWorkflowId());
      expect(activities.map(({ activityType }) => activityType?.name)).toEqual(Array(4).fill('invokeModel'));
      for (const { heartbeatTimeout, retryPolicy } of activities) {
        expect(Number(heartbeatTimeout?.seconds)).toBe(30);
        expect(retryPolicy?.maximumAttempts).toBe(10);
      }
      await run(GENERIC, 'sequential', { task: 'x', steps: ['a', 'b'] }, direct);
      expect((await activitiesOf(lastWorkflowId())).map(({ activityType }) => activityType?.name)).toEqual([
        'executeStrategyDirectly',
      ]);
    });
  });
});

describe.each([durable, direct])('a slow model (%j)', (config) => {
  it('heartbeats during the call, and is abandoned when the workflow is canceled', async () => {
    await serving.serve({}, async ({ taskQueue }) => {
      const handle = await serving.client.workflow.start(GENERIC, {
        taskQueue,
        workflowId: `slow-${config.execution}`,
        args: ['specialist', { task: 'x' }, { ...config, offlineModel: { secondsPerAsk: 3600 } }],
      });
      const heartbeat = async () => (await handle.describe()).raw.pendingActivities?.[0]?.lastHeartbeatTime;
      while (!(await heartbeat())) await wait(50);
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({
        cause: { name: expect.stringMatching(/CancelledFailure/) },
      });
      expect((await handle.describe()).status.name).toBe('CANCELLED');
    });
  });
});

describe('a model in a workflow', () => {
  let retryAfterMs: number;
  beforeEach(() => (retryAfterMs = 20));

  /** Fails in the given ways, one per call, and then answers. */
  function failing(...statuses: number[]): { providers: Record<string, ProviderV4>; calls: () => number } {
    let calls = 0;
    const languageModel = () => ({
      ...offlineModel(),
      doGenerate: async (call: Parameters<ReturnType<typeof offlineModel>['doGenerate']>[0]) => {
        const statusCode = statuses[calls++];
        if (statusCode === undefined) return offlineModel().doGenerate(call);
        const about = {
          message: 'the reason',
          url: 'http://x',
          requestBodyValues: {},
          responseHeaders: { 'retry-after-ms': String(retryAfterMs) },
        };
        throw new APICallError({ ...about, statusCode });
      },
    });
    return {
      providers: { flaky: { specificationVersion: 'v4', languageModel } as unknown as ProviderV4 },
      calls: () => calls,
    };
  }

  it.each([durable, direct])('that is busy is retried until it answers (%j)', async (config) => {
    const { providers, calls } = failing(429, 529, 503);
    await serving.serve({ providers }, async ({ run }) => {
      const result = await run(GENERIC, 'other model', 'flaky:x', config);
      expect(result).toMatchObject({ output: expect.stringContaining(': ') });
      expect(calls()).toBe(4);
    });
  });

  it.each([durable, direct])('that is busy is retried by Temporal after the time it states (%j)', async (config) => {
    retryAfterMs = 1_800_000;
    const { providers, calls } = failing(429);
    await serving.serve({ providers }, async ({ taskQueue }) => {
      const handle = await serving.client.workflow.start(GENERIC, {
        taskQueue,
        workflowId: `busy-${config.execution}`,
        args: ['other model', 'flaky:x', config],
      });
      const waiting = async () => (await handle.describe()).raw.pendingActivities?.[0]?.currentRetryInterval;
      while (!(await waiting())) await wait(50);
      expect(Number((await waiting())?.seconds)).toBe(1800);
      expect(calls()).toBe(1);
      await handle.terminate();
    });
  });

  it.each([durable, direct])(
    'that refuses a request fails the workflow at once, with its own message (%j)',
    async (config) => {
      const { providers, calls } = failing(400);
      await serving.serve({ providers }, async ({ failure }) => {
        const error = await failure(GENERIC, 'other model', 'flaky:x', config);
        expect(error).toMatchObject({
          message: 'The model "flaky:x" answered with HTTP 400: the reason',
          type: 'ModelRefused',
          nonRetryable: true,
        });
        expect(calls()).toBe(1);
      });
    },
  );

  it('is the worker’s default, or the processorConfig’s if that names one', async () => {
    const { providers, calls } = failing();
    await serving.serve({ providers, defaultModel: 'flaky:x' }, async ({ run }) => {
      await run(GENERIC, 'specialist', { task: 'x' });
      expect(calls()).toBe(1);
      await run(GENERIC, 'specialist', { task: 'x' }, { model: 'offline:' });
      await run(GENERIC, 'specialist', { task: 'x' }, { offlineModel: { secondsPerAsk: 0.01 } });
      expect(calls()).toBe(1);
    });
  });
});

describe.each([durable, direct])('bad input fails the workflow with one clear message and no retry (%j):', (config) => {
  it.each([
    [
      'an unknown strategy',
      'sequentail',
      {},
      /^There is no strategy named "sequentail"\. Strategies that exist: .*map_reduce/,
    ],
    ['an input the strategy refuses', 'sequential', { task: 'x' }, /^The strategy "sequential" needs an input \{ task/],
    ['a strategy that throws', 'throws', {}, /^The strategy "throws" failed: no such thing$/],
    ['a strategy that returns nothing', 'nothing', {}, /^The strategy "nothing" returned nothing/],
    [
      'a strategy that returns 3 MB',
      'huge',
      {},
      /^The output of the strategy "huge" is 3\.0 MB; Temporal's limit is 2\.0 MB/,
    ],
    ['a prompt of 3 MB', 'asks too much', {}, /^A prompt of 3\.0 MB is too large/],
    ['an unknown provider', 'other model', 'opnai:x', /^The model "opnai:x" failed: No such provider: opnai/],
    ['a provider that is not installed', 'other model', 'mistral:x', /npm install @ai-sdk\/mistral/],
  ])('%s', async (_, strategy, input, message) => {
    await serving.serve({}, async ({ failure, lastWorkflowId }) => {
      const error = await failure(GENERIC, strategy, input, config);
      expect(error.message).toMatch(message);
      expect(error).toMatchObject({ nonRetryable: true });
      const { events } = await serving.client.workflow.getHandle(lastWorkflowId()).fetchHistory();
      expect(events?.filter(({ workflowTaskFailedEventAttributes: failed }) => failed)).toEqual([]);
    });
  });
});

it('an invalid processorConfig fails the workflow with one clear message', async () => {
  await serving.serve({}, async ({ failure }) => {
    const error = await failure(GENERIC, 'specialist', { task: 'x' }, { langfuseMode: 'clod' });
    expect(error.message).toContain('processorConfig.langfuseMode');
  });
});

describe('a batch', () => {
  it('runs all of its items, continuing as new with the rest, and reports which failed', async () => {
    await serving.serve({}, async ({ run, lastWorkflowId, taskQueue }) => {
      const items = Array.from({ length: 7 }, (_, index) => (index === 4 ? {} : { task: `item ${index}` }));
      const options = { width: 2, continueAfterItems: 3 };
      const result = await run<BatchResult>(BATCH, 'specialist', items, direct, options);
      expect(result).toEqual({
        items: 7,
        succeeded: 6,
        failed: 1,
        failures: [{ index: 4, message: expect.stringContaining('needs an input { task: string') }],
      });
      const workflowId = lastWorkflowId();
      const item = await serving.client.workflow.getHandle(`${workflowId}/6`).result();
      expect(item).toEqual(await executeStrategyDirectly('specialist', { task: 'item 6' }));
      const query = `TaskQueue = '${taskQueue}' AND WorkflowId = '${workflowId}'`;
      const runs = async () => (await serving.client.workflow.count(query)).count;
      // The server lists a run some time after its start.
      await until('all runs are listed', 60, async () => (await runs()) >= 3, undefined, 50);
      expect(await runs()).toBe(3);
    });
  });

  it('runs as many items in parallel as its width allows, and no more', async () => {
    let running = 0;
    let most = 0;
    const sideBySide = Promise.withResolvers<void>();
    const languageModel = () => ({
      ...offlineModel(),
      async doGenerate(call: Parameters<ReturnType<typeof offlineModel>['doGenerate']>[0]) {
        most = Math.max(most, ++running);
        if (running > 1) sideBySide.resolve();
        // However late the second item starts, the first one is still running.
        await sideBySide.promise;
        const result = await offlineModel('0.1').doGenerate(call);
        running -= 1;
        return result;
      },
    });
    await serving.serve(
      { providers: { slow: { specificationVersion: 'v4', languageModel } as unknown as ProviderV4 } },
      async ({ run }) => {
        const items = Array.from({ length: 8 }, (_, index) => ({ task: `item ${index}` }));
        await run(BATCH, 'specialist', items, { ...direct, model: 'slow:x' }, { width: 3 });
        expect(most).toBeGreaterThan(1);
        expect(most).toBeLessThanOrEqual(3);
      },
    );
  });

  it('without a list, or with an invalid width, fails with one clear message', async () => {
    await serving.serve({}, async ({ failure }) => {
      expect((await failure(BATCH, 'specialist', 'x')).message).toContain('A batch needs a list of items');
      expect((await failure(BATCH, 'specialist', [1], {}, { width: 0 })).message).toContain('at least 1');
    });
  });
});
