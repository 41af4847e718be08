/** The workflows and activities on a real Temporal server, which is started for the test. */
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { temporalServer } from 'temporal-elastic-workers/testing';
import * as activities from '../src/activities.ts';

let environment: TestWorkflowEnvironment;

before(async () => {
  const path = await temporalServer();
  environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
});

after(() => environment.teardown());

test('everybody is greeted, in order', async () => {
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: 'test',
    workflowsPath: fileURLToPath(new URL('../src/workflows.ts', import.meta.url)),
    activities,
  });
  const greetings = await worker.runUntil(
    environment.client.workflow.execute('greeting', {
      taskQueue: 'test',
      workflowId: 'greeting',
      args: [['Ada', 'Grace']],
    }),
  );
  assert.deepEqual(greetings, ['Hello, Ada!', 'Hello, Grace!']);
});
