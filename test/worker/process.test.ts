/** The worker as a process: what it serves, and its end. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { ActivityExecutionFailedError, WorkflowFailedError } from '@temporalio/client';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { checkRequest } from '../refused-requests.ts';
import { client, emulator, eventually, killWorkers, startAll, startWorker, stopAll } from './process-under-test.ts';

jest.setTimeout(180_000);

beforeAll(startAll);
afterEach(killWorkers);
afterAll(stopAll);

describe('the worker', () => {
  it('runs a workflow, under its task’s id, and says at its start what it serves', async () => {
    const { worker, queue, taskId } = await startWorker();
    const result = await client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue: queue,
      workflowId: 'one',
      args: ['sequential', { task: 'x', steps: ['a', 'b'] }, { serviceName: 'test' }],
    });
    expect(result).toMatchObject({ strategy: 'sequential', asks: 2 });
    expect(await worker.says('Worker started')).toMatchObject({
      taskQueue: queue,
      maxConcurrentActivities: 5,
      identity: taskId,
      scaleInProtection: 'on',
    });
    expect(await worker.says('Strategies')).toMatchObject({
      strategies: expect.arrayContaining(['sequential']),
      workflow: GENERIC_STRATEGY_WORKFLOW,
      activity: 'executeStrategyDirectly',
    });
    expect(await worker.says('ELASTIC_WORKERS_MODEL is not set')).toMatchObject({ level: 'warn' });
    await eventually(async () => {
      const { workersInfo } = await client.workflowService.listWorkers({
        namespace: 'default',
        query: `TaskQueue='${queue}'`,
      });
      return workersInfo?.some(({ workerHeartbeat }) => workerHeartbeat?.workerIdentity === taskId);
    });
  });

  it('calls the given Bedrock model with the role’s credentials', async () => {
    const asked: unknown[] = [];
    const bedrock = createServer(async (request, response) => {
      const { url, headers } = request;
      asked.push([url, headers.authorization?.includes('/us-east-1/bedrock/aws4_request')]);
      const modelId = decodeURIComponent(url!.split('/')[2]!);
      await checkRequest(emulator.url, 'bedrock-runtime.Converse', { modelId, ...((await json(request)) as object) });
      const output = { message: { role: 'assistant', content: [{ text: 'Hi' }] } };
      const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ output, usage, stopReason: 'end_turn' }));
    });
    await once(bedrock.listen(0, '127.0.0.1'), 'listening');
    const { worker, queue } = await startWorker({
      ELASTIC_WORKERS_MODEL: 'bedrock:global.amazon.nova-2-lite-v1:0',
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: `http://127.0.0.1:${(bedrock.address() as AddressInfo).port}`,
    });
    const args = ['specialist', { task: 'Say hi' }];
    const options = { taskQueue: queue, workflowId: 'bedrock', args };
    const { output } = await client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, options);
    expect(output).toEqual({ answer: 'Hi' });
    expect(asked).toEqual([['/model/global.amazon.nova-2-lite-v1%3A0/converse', true]]);
    expect(worker.log.map(({ message }) => message).join()).not.toContain('ELASTIC_WORKERS_MODEL');
    bedrock.close();
  });

  it('fails a workflow with an unknown strategy, naming those that exist', async () => {
    const { queue } = await startWorker();
    const failing = client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue: queue,
      workflowId: 'unknown',
      args: ['sequentail', {}, {}],
    });
    const error = await failing.catch((cause: unknown) => cause as WorkflowFailedError);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect((error as WorkflowFailedError).cause?.message).toBe(
      'There is no strategy named "sequentail". Strategies that exist: map_reduce, router, sequential, specialist.',
    );
  });

  it('finishes an activity that has only one attempt after SIGTERM', async () => {
    const { worker, startActivity } = await startWorker();
    const activity = await startActivity(2);
    await activity.started();
    worker.signal('SIGTERM');
    await expect(activity.result()).resolves.toMatchObject({ asks: 1 });
    expect(await worker.exitCode).toBe(0);
  });

  it('cancels in time what cannot be finished before the end of the drain, and such an attempt fails as retryable', async () => {
    // By itself the grace ends a second before the drain: too little for a busy machine to report the attempt.
    const drain = { ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: '5', ELASTIC_WORKERS_DRAIN_SECONDS: '15' };
    const { worker, startActivity } = await startWorker(drain);
    const activity = await startActivity(60);
    await activity.started();
    worker.signal('SIGTERM');
    const error = await activity.result().catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ActivityExecutionFailedError);
    expect((error as Error).cause).toMatchObject({ type: 'WorkerShutdown', nonRetryable: false });
    expect(await worker.exitCode).toBe(0);
  });
});
