/** Services of a template in the emulator, where it has AWS’s rules instead of MiniStack’s. */
import { DescribeServicesCommand, PutClusterCapacityProvidersCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import {
  ON_DEMAND,
  ecs,
  fleet,
  newStack,
  primaryOf,
  runningTask,
  serviceOf,
  stacks,
  start,
  stop,
  taskOf,
  until,
} from './emulator-under-test.ts';

jest.setTimeout(90_000);

beforeAll(() => start());
afterAll(stop);

describe('A service in a template', () => {
  test('that has a launch type and gets a strategy is replaced: its task is stopped at work, protected or not.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { LaunchType: 'FARGATE' }));
    const before = await serviceOf(name);
    const protectedTask = await runningTask(before, { protect: true });
    expect((await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }))).status).toBe(
      'UPDATE_COMPLETE',
    );
    const after = await serviceOf(name);
    expect(after.serviceArn).not.toBe(before.serviceArn);
    expect(after.capacityProviderStrategy).toMatchObject([{ capacityProvider: 'FARGATE' }]);
    await runningTask(after);
    const { services: [replaced] = [] } = await ecs.send(
      new DescribeServicesCommand({ cluster: name, services: [before.serviceArn!] }),
    );
    expect(replaced!.status).not.toBe('ACTIVE');
    await until('the task at work has been stopped', () => taskOf(protectedTask).exitCode !== undefined);
    expect(taskOf(protectedTask)).toMatchObject({ stopCode: 'ServiceSchedulerInitiated' });
  });

  test('on FARGATE that gets FARGATE_SPOT is updated: a deployment of the same definition, and the protected task works on.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }));
    const before = await serviceOf(name);
    expect(before.availabilityZoneRebalancing).toBe('ENABLED');
    const protectedTask = await runningTask(before, { protect: true });
    const strategy = [...ON_DEMAND, { CapacityProvider: 'FARGATE_SPOT', Weight: 9 }];
    expect((await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: strategy }))).status).toBe(
      'UPDATE_COMPLETE',
    );
    const after = await serviceOf(name);
    expect(after).toMatchObject({ serviceArn: before.serviceArn, taskDefinition: before.taskDefinition });
    expect(primaryOf(after).id).not.toBe(primaryOf(before).id);
    expect(primaryOf(after).capacityProviderStrategy).toHaveLength(2);
    await runningTask(after);
    expect(taskOf(protectedTask)).toMatchObject({ lastStatus: 'RUNNING', desiredStatus: 'RUNNING' });
  });

  const elsewhere = { AwsvpcConfiguration: { Subnets: ['subnet-2'] } };
  const nonce = { EnableForceNewDeployment: true, ForceNewDeploymentNonce: '2' };
  const percents = { MaximumPercent: 300, MinimumHealthyPercent: 50 };
  test.each([
    ['NetworkConfiguration', elsewhere, { networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-2'] } } }],
    ['ForceNewDeployment', nonce, {}],
    ['AvailabilityZoneRebalancing', 'DISABLED', { availabilityZoneRebalancing: 'DISABLED' }],
    [
      'DeploymentConfiguration',
      percents,
      { deploymentConfiguration: { maximumPercent: 300, minimumHealthyPercent: 50 } },
    ],
    ['Tags', [{ Key: 'owner', Value: 'us' }], { tags: [{ key: 'owner', value: 'us' }] }],
  ])('is updated in place when %s changes; a deployment starts only if the change affects tasks.', async (...row) => {
    const [property, value, described] = row;
    const name = newStack();
    const properties = { CapacityProviderStrategy: ON_DEMAND };
    await stacks.deploy(name, fleet(name, properties));
    const { tags: _, ...before } = await serviceOf(name);
    const change = { [property]: value };
    expect((await stacks.deploy(name, fleet(name, { ...properties, ...change }))).status).toBe('UPDATE_COMPLETE');
    const { tags = [], ...after } = await serviceOf(name);
    const own = tags.filter(({ key }) => !key!.startsWith('aws:'));
    expect({ ...after, tags: own }).toMatchObject({ serviceArn: before.serviceArn, ...described });
    const isNew = primaryOf(after).id !== primaryOf(before).id;
    expect(isNew).toBe(['NetworkConfiguration', 'ForceNewDeployment'].includes(property));
  });

  test('keeps its count, unless a changed template sets one.', async () => {
    const name = newStack();
    const properties = { CapacityProviderStrategy: ON_DEMAND };
    await stacks.deploy(name, fleet(name, { ...properties, DesiredCount: 1 }));
    const scale = async () =>
      ecs.send(
        new UpdateServiceCommand({ cluster: name, service: (await serviceOf(name)).serviceName, desiredCount: 2 }),
      );
    await scale();
    await stacks.deploy(name, fleet(name, { ...properties, PropagateTags: 'SERVICE' }));
    expect((await serviceOf(name)).desiredCount).toBe(2);
    await stacks.deploy(name, fleet(name, { ...properties, PropagateTags: 'SERVICE', DesiredCount: 1 }));
    await scale();
    await stacks.deploy(name, fleet(name, { ...properties, PropagateTags: 'NONE', DesiredCount: 1 }));
    expect((await serviceOf(name)).desiredCount).toBe(1);
  });

  test('with a custom name cannot be replaced: the update fails, and the service stays as it is.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { ServiceName: 'named', LaunchType: 'FARGATE' }));
    const before = await serviceOf(name);
    const { status, reasons } = await stacks.deploy(
      name,
      fleet(name, { ServiceName: 'named', CapacityProviderStrategy: ON_DEMAND }),
    );
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('custom-named resource');
    expect(await serviceOf(name)).toMatchObject({ serviceArn: before.serviceArn, launchType: 'FARGATE' });
  });

  test('created with a strategy gets another from UpdateService only in a forced deployment, and none only if there is a default.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }));
    const { serviceArn: service, ...before } = await serviceOf(name);
    const update = (capacityProviders: string[], forceNewDeployment: boolean) =>
      ecs.send(
        new UpdateServiceCommand({
          cluster: name,
          service,
          capacityProviderStrategy: capacityProviders.map((capacityProvider) => ({ capacityProvider, weight: 1 })),
          forceNewDeployment,
        }),
      );
    // The one that it has already.
    await update(['FARGATE'], false);
    await expect(update(['FARGATE_SPOT'], false)).rejects.toThrow('you must force a new deployment');
    await expect(update([], true)).rejects.toThrow('No launch type to fall back to');
    const { service: after } = await update(['FARGATE_SPOT'], true);
    expect(after!.capacityProviderStrategy).toEqual([{ capacityProvider: 'FARGATE_SPOT', base: 0, weight: 1 }]);
    expect(primaryOf(after!).id).not.toBe(primaryOf(before).id);

    const byDefault = [{ capacityProvider: 'FARGATE', base: 0, weight: 1 }];
    await ecs.send(
      new PutClusterCapacityProvidersCommand({
        cluster: name,
        capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
        defaultCapacityProviderStrategy: byDefault,
      }),
    );
    expect((await update([], true)).service!.capacityProviderStrategy).toEqual(byDefault);
  });
});
