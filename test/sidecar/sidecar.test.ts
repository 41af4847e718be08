/** The built sidecar, with a process of the test in place of a worker. */
import { Stage } from './stage.ts';

jest.setTimeout(120_000);

let stage: Stage;

beforeEach(async () => {
  stage = new Stage();
  await stage.start();
});
afterEach(() => stage.stop());

describe('before the worker starts', () => {
  test('the sidecar protects the task, and then lets the worker start', async () => {
    expect(await stage.sidecar('protect').ended).toBe(0);
    expect(stage.protected).toBe(true);
    expect(stage.said('may start')).toBeDefined();
  });

  test('the sidecar waits as long as ECS refuses protection, unless its pool is being deployed', async () => {
    stage.refusal = { Reason: 'DEPLOYMENT_BLOCKED' };
    const protect = stage.sidecar('protect');
    await stage.until(() => stage.calls.includes('protect'));
    expect(protect.isRunning()).toBe(true);
    stage.deploying = true;
    expect(await protect.ended).toBe(0);
  });

  test('a task that is already cordoned never starts its worker, and can be stopped', async () => {
    stage.cordoned = true;
    const protect = stage.sidecar('protect');
    await stage.until(() => stage.said('Cordoned'));
    protect.terminate();
    expect(await protect.ended).toBe(1);
    expect(stage.protected).toBe(false);
  });
});

describe('while the worker runs', () => {
  test('the sidecar sends SIGTERM once on a cordon, waits for the worker, and only then lifts the protection and exits', async () => {
    const worker = await stage.worker(1500);
    const sidecar = stage.sidecar('follow');
    await stage.until(() => stage.protected);
    stage.cordoned = true;
    await stage.until(() => worker.terms() === 1);
    // A cordon is final here.
    stage.cordoned = false;
    await worker.ended;
    expect(stage.protected).toBe(true);
    expect(await sidecar.ended).toBe(0);
    expect(worker.terms()).toBe(1);
    expect(stage.calls.at(-1)).toBe('lift');
    expect(stage.said('ended after its cordon')).toBeDefined();
  });

  test('a worker that ignores SIGTERM is reported repeatedly, and neither it nor the task is killed', async () => {
    const worker = await stage.worker(undefined);
    const sidecar = stage.sidecar('follow');
    stage.cordoned = true;
    await stage.until(
      () => stage.lines.filter(({ message }) => message.startsWith('Waiting for the worker')).length >= 2,
    );
    expect(stage.said('Waiting for the worker')).toMatchObject({ level: 'warn', waitedSeconds: expect.any(Number) });
    expect([sidecar.isRunning(), stage.protected, worker.terms()]).toEqual([true, true, 1]);
  });

  test('when the task is stopped, the sidecar leaves the worker to ECS, and exits after it', async () => {
    const worker = await stage.worker(undefined);
    const sidecar = stage.sidecar('follow');
    await stage.until(() => stage.protected);
    sidecar.terminate();
    await stage.until(() => stage.said('being stopped'));
    expect(worker.terms()).toBe(0);
    expect(sidecar.isRunning()).toBe(true);
    worker.kill();
    await worker.ended;
    expect(await sidecar.ended).toBe(0);
  });

  test('the sidecar waits for the worker as long as only other containers run', async () => {
    stage.other(process.pid);
    const sidecar = stage.sidecar('follow');
    await stage.until(() => stage.said('its main process is not found'));
    expect([stage.said('Found the worker'), sidecar.isRunning()]).toEqual([undefined, true]);
    const worker = await stage.worker(0);
    await stage.until(() => stage.protected);
    stage.cordoned = true;
    await worker.ended;
    expect(await sidecar.ended).toBe(0);
  });

  test('the sidecar exits with a worker that exits without a cordon, and says so', async () => {
    const worker = await stage.worker(undefined);
    const sidecar = stage.sidecar('follow');
    await stage.until(() => stage.protected);
    worker.kill();
    expect(await sidecar.ended).toBe(0);
    expect(stage.said('ended without a cordon')).toBeDefined();
  });

  test('a cordon is ignored once the scaler is gone, and the task stays protected', async () => {
    const longAgo = Date.now() - 3_600_000;
    stage.tickAt = () => longAgo;
    const worker = await stage.worker(0);
    const sidecar = stage.sidecar('follow', { ELASTIC_WORKERS_SCALER_GONE_SECONDS: '0.1' });
    await stage.until(() => stage.said('No scaler acts'));
    stage.cordoned = true;
    await stage.until(() => stage.calls.length > 0 && stage.protected);
    expect([worker.terms(), sidecar.isRunning()]).toEqual([0, true]);
    // The scaler is back.
    stage.tickAt = Date.now;
    expect(await sidecar.ended).toBe(0);
  });
});

test('everything missing or invalid in the environment is reported at once', async () => {
  const sidecar = stage.sidecar('follow', { ELASTIC_WORKERS_POOL: '', ELASTIC_WORKERS_CORDON_POLL_SECONDS: 'often' });
  expect(await sidecar.ended).toBe(1);
  expect(stage.lines[0]?.message).toBe(
    'The sidecar cannot continue: ELASTIC_WORKERS_POOL is not set; the construct sets it: `sidecar: true`\n' +
      'ELASTIC_WORKERS_CORDON_POLL_SECONDS is "often"; give seconds, 0.1 to 86400',
  );
});
