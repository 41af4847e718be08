/** Capacity providers in the emulator, where it has AWS’s rules instead of MiniStack’s. */
import { CreateServiceCommand } from '@aws-sdk/client-ecs';
import type { Resources } from './stacks.ts';
import {
  ON_DEMAND,
  ecs,
  fleet,
  newStack,
  only,
  providersOf,
  serviceOf,
  stacks,
  start,
  stop,
} from './emulator-under-test.ts';

jest.setTimeout(90_000);

beforeAll(() => start());
afterAll(stop);

describe('A capacity provider strategy', () => {
  test('may name the providers that the template associates with the cluster, and the service matches the template.', async () => {
    const name = newStack();
    const providers = {
      Type: 'AWS::ECS::ClusterCapacityProviderAssociations',
      Properties: {
        Cluster: name,
        CapacityProviders: ['FARGATE', 'FARGATE_SPOT'],
        DefaultCapacityProviderStrategy: [],
      },
      DependsOn: ['Cluster'],
    };
    const service = {
      CapacityProviderStrategy: ON_DEMAND,
      AvailabilityZoneRebalancing: 'DISABLED',
      DeploymentConfiguration: {
        MaximumPercent: 150,
        MinimumHealthyPercent: 100,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      PropagateTags: 'SERVICE',
      EnableECSManagedTags: true,
    };
    const resources = fleet(name, service, []);
    resources['Service']!.DependsOn = ['Providers'];
    expect(await stacks.deploy(name, { ...resources, Providers: providers })).toMatchObject({
      status: 'CREATE_COMPLETE',
    });
    expect(await serviceOf(name)).toMatchObject({
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }],
      availabilityZoneRebalancing: 'DISABLED',
      deploymentConfiguration: {
        maximumPercent: 150,
        minimumHealthyPercent: 100,
        deploymentCircuitBreaker: { enable: true, rollback: true },
      },
      propagateTags: 'SERVICE',
      enableECSManagedTags: true,
    });
    expect((await serviceOf(name)).launchType).toBeUndefined();
    expect(await providersOf(name)).toEqual(['FARGATE', 'FARGATE_SPOT']);
  });

  test('that names a provider not associated with the cluster fails the service, and with it the stack.', async () => {
    const name = newStack();
    const { status, reasons } = await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }, []));
    expect(status).toBe('ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('a capacity provider that is not associated with the cluster');
  });

  test('is checked by CreateService too, which reports an unknown name differently.', async () => {
    const name = newStack();
    await stacks.deploy(name, only(fleet(name, {}, []), 'Cluster', 'Task'));
    const create = (capacityProvider: string) =>
      ecs.send(
        new CreateServiceCommand({
          cluster: name,
          serviceName: 'by-api',
          taskDefinition: name,
          capacityProviderStrategy: [{ capacityProvider, weight: 1 }],
        }),
      );
    const error = { name: 'InvalidParameterException' };
    await expect(create('FARGATE')).rejects.toMatchObject({
      ...error,
      message: expect.stringContaining('not associated with the cluster'),
    });
    await expect(create('NOBODY')).rejects.toMatchObject({
      ...error,
      message: expect.stringContaining('was not found'),
    });
  });

  test('keeps its providers while a service uses them, and when another property of the cluster changes.', async () => {
    const name = newStack();
    const { Cluster, Task, Service } = fleet(name, { CapacityProviderStrategy: ON_DEMAND }, []);
    const associated = (providers: string[]): Resources => ({
      Cluster: Cluster!,
      Task: Task!,
      Providers: {
        Type: 'AWS::ECS::ClusterCapacityProviderAssociations',
        Properties: { Cluster: { Ref: 'Cluster' }, CapacityProviders: providers, DefaultCapacityProviderStrategy: [] },
      },
      Service: { ...Service!, DependsOn: ['Providers'] },
    });
    expect((await stacks.deploy(name, associated(['FARGATE']))).status).toBe('CREATE_COMPLETE');
    const { status, reasons } = await stacks.deploy(name, associated(['FARGATE_SPOT']));
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('in use');
    Cluster!.Properties['Tags'] = [{ Key: 'of', Value: 'a cluster' }];
    expect((await stacks.deploy(name, associated(['FARGATE']))).status).toBe('UPDATE_COMPLETE');
    expect(await providersOf(name)).toEqual(['FARGATE']);
  });
});
