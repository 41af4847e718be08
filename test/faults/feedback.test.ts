/**
 * Failure that would feed on itself, with the scaler and the workers as they are built: it is told by its signal, no task is
 * ordered for it, and once it is over all gets done.
 */
import { Rig, WORKER_COMMAND, type TickLine } from './rig.ts';

jest.setTimeout(240_000);

const policy = { slotsPerTask: 1, maxTasks: 10 };
const rig = new Rig([
  { name: 'broken', policy },
  { name: 'crashing', policy, command: ['node', '-e', 'setTimeout(() => process.exit(1), 2000)'] },
  { name: 'poisoned', policy },
]);

beforeAll(() => rig.start(), 90_000);
afterAll(() => rig.stop(), 30_000);

test('a new revision of a pool at zero gets its first worker as soon as there is work, and that one takes it', async () => {
  await rig.deploy('broken');
  const work = await start('broken', 'first of its revision', 0.1);
  await work.result();
  const task = rig.tasks.get((await work.describe()).lastWorkerIdentity!);
  expect(task?.taskDefinition).toBe('broken:2');
});

test('workflow code that is not there fails task after task: the fleet stays as it is, and the reason says so', async () => {
  const handles = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((number) =>
      rig.client.workflow.start('NoSuchWorkflow', { taskQueue: 'broken', workflowId: `broken-${number}` }),
    ),
  );
  await rig.until('it is recognised', () => held('broken', 'workflow-failures').length >= 3);
  expect(growing(held('broken', 'workflow-failures'))).toEqual([]);
  await Promise.all(handles.map((handle) => handle.terminate()));
});

test('an image that crashes at its start is not ordered again and again, and says so; once it is mended all is done', async () => {
  const work = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((number) => start('crashing', `waits-${number}`, 1)));
  await rig.until('it is recognised', () => held('crashing', 'not-starting').length >= 3);
  expect(growing(held('crashing', 'not-starting'))).toEqual([]);
  await rig.deploy('crashing', WORKER_COMMAND);
  await Promise.all(work.map((handle) => handle.result()));
  const recovered = rig.linesOf('crashing').at(-1)!;
  expect(recovered.reason).not.toBe('not-starting');
});

test('work that kills each worker it comes to is told from the rest, and brings no more of them', async () => {
  const poison = await start('poisoned', 'poison', 100);
  const killed = new Set<string>();
  const strike = async () => {
    const { lastWorkerIdentity: task } = await poison.describe();
    if (task && !killed.has(task) && (await rig.kill(task))) killed.add(task);
    return held('poisoned', 'crashing').length >= 3;
  };
  await rig.until('it is recognised', strike);
  expect(killed.size).toBeGreaterThanOrEqual(3);
  expect(growing(held('poisoned', 'crashing'))).toEqual([]);
  await poison.terminate('it kills its workers');
  await (await start('poisoned', 'harmless', 0.1)).result();
});

function start(pool: string, id: string, seconds: number) {
  return rig.client.activity.start('executeStrategyDirectly', {
    id,
    taskQueue: pool,
    args: ['sequential', { task: id, steps: ['Answer'] }, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '5 minutes',
    heartbeatTimeout: '3 seconds',
    retry: { initialInterval: '1 second', backoffCoefficient: 1 },
  });
}

function held(pool: string, reason: string): TickLine[] {
  return rig.linesOf(pool).filter((line) => line.reason === reason);
}

function growing(lines: TickLine[]): TickLine[] {
  return lines.filter(({ desired, tasks }) => 'desired' in tasks && desired > tasks.desired);
}
