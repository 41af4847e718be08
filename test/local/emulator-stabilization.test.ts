/** CloudFormation in the emulator, where it has AWS’s rules instead of MiniStack’s: it waits for services. */
import { ListServicesCommand } from '@aws-sdk/client-ecs';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { localClient } from '../../local/observe.ts';
import {
  NO_IMAGE,
  ON_DEMAND,
  ecs,
  emulator,
  fleet,
  newStack,
  only,
  primaryOf,
  runningTask,
  serviceOf,
  stacks,
  start,
  stop,
  taskOf,
  withContainer,
} from './emulator-under-test.ts';

jest.setTimeout(90_000);

beforeAll(() => start({ stabilizationSeconds: 6 }));
afterAll(stop);

describe('CloudFormation that waits until services are stable', () => {
  test('is done with a service when its task runs, or when it wants none.', async () => {
    for (const count of [1, 0]) {
      const name = newStack();
      const { status } = await stacks.deploy(
        name,
        fleet(name, { CapacityProviderStrategy: ON_DEMAND, DesiredCount: count }),
      );
      expect(status).toBe('CREATE_COMPLETE');
      const service = await serviceOf(name);
      expect(service).toMatchObject({ desiredCount: count, runningCount: count });
      expect(primaryOf(service).rolloutState).toBe('COMPLETED');
    }
  });

  test('rolls the whole stack back if a service does not become stable: a new deployment of the earlier definition.', async () => {
    const name = newStack();
    const resources = fleet(name, { CapacityProviderStrategy: ON_DEMAND });
    const parameter = (Value: string) => ({
      Type: 'AWS::SSM::Parameter',
      Properties: { Name: name, Type: 'String', Value },
    });
    resources['Service']!.DependsOn = ['Parameter'];
    await stacks.deploy(name, { ...resources, Parameter: parameter('before') });
    const before = await serviceOf(name);
    const failing = { ...withContainer(resources, { Image: NO_IMAGE }), Parameter: parameter('after') };
    const { status, reasons } = await stacks.deploy(name, failing);
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('did not stabilize');
    const after = await serviceOf(name);
    expect(after).toMatchObject({ serviceArn: before.serviceArn, taskDefinition: before.taskDefinition });
    expect(after).toMatchObject({ runningCount: 1, deployments: [{ rolloutState: 'COMPLETED' }] });
    expect(primaryOf(after).id).not.toBe(primaryOf(before).id);
    const ssm = new SSMClient(localClient(emulator.url));
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name }));
    expect(Parameter!.Value).toBe('before');
  });

  test('waits for a protected task during the rollback too, and then gives up.', async () => {
    const name = newStack();
    const resources = fleet(name, { CapacityProviderStrategy: ON_DEMAND });
    await stacks.deploy(name, resources);
    const protectedTask = await runningTask(await serviceOf(name), { protect: true });
    const { status } = await stacks.deploy(name, withContainer(resources, { Command: ['sleep', '7200'] }));
    expect(status).toBe('UPDATE_ROLLBACK_FAILED');
    expect(taskOf(protectedTask)).toMatchObject({ lastStatus: 'RUNNING', desiredStatus: 'RUNNING' });
  });

  test('stops waiting when the circuit breaker has given up the deployment.', async () => {
    const name = newStack();
    const resources = fleet(name, {
      CapacityProviderStrategy: ON_DEMAND,
      DeploymentConfiguration: { DeploymentCircuitBreaker: { Enable: true, Rollback: true } },
    });
    await stacks.deploy(name, resources);
    const { status, reasons } = await stacks.deploy(name, withContainer(resources, { Image: NO_IMAGE }));
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('Circuit Breaker was triggered');
  });

  test('leaves no service behind if a new one does not become stable.', async () => {
    const name = newStack();
    const resources = withContainer(fleet(name, { CapacityProviderStrategy: ON_DEMAND }), { Image: NO_IMAGE });
    // The cluster is another stack's: it is there to be asked afterwards.
    await stacks.deploy(`${name}-cluster`, only(resources, 'Cluster'));
    resources['Service']!.Properties['Cluster'] = name;
    const { status } = await stacks.deploy(name, only(resources, 'Task', 'Service'));
    expect(status).toBe('ROLLBACK_COMPLETE');
    expect((await ecs.send(new ListServicesCommand({ cluster: name }))).serviceArns).toEqual([]);
  });
});
