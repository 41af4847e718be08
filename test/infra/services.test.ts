/** The ECS services of the pools. */
import { Match } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { MAXIMUM_PERCENT } from '../../contract/deployment.ts';
import { givenCluster, synthesize } from './synthesize.ts';

describe('the services', () => {
  const { template } = synthesize();

  test('leave the count to the scaler: it is not in the template', () => {
    for (const service of Object.values(template.findResources('AWS::ECS::Service'))) {
      expect(service.Properties).not.toHaveProperty('DesiredCount');
    }
    template.resourceCountIs('AWS::ECS::Service', 2);
  });

  test('never drop below the healthy fleet in a deployment, and roll back a broken one', () => {
    template.allResourcesProperties('AWS::ECS::Service', {
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: MAXIMUM_PERCENT,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      EnableECSManagedTags: true,
    });
  });

  test('need no NAT gateway, and nothing can call in', () => {
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    for (const group of Object.values(template.findResources('AWS::EC2::SecurityGroup'))) {
      expect(group.Properties).not.toHaveProperty('SecurityGroupIngress');
    }
    template.allResourcesProperties('AWS::ECS::Service', {
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' } },
    });
  });

  test('run on Spot but for the base', () => {
    const { template } = synthesize({ pools: { batch: { taskQueue: 'q', spot: true, minTasks: 2 } } });
    template.hasResourceProperties('AWS::ECS::Service', {
      LaunchType: Match.absent(),
      CapacityProviderStrategy: [
        { CapacityProvider: 'FARGATE_SPOT', Weight: 1 },
        { CapacityProvider: 'FARGATE', Base: 2, Weight: 0 },
      ],
    });
    template.hasResourceProperties('AWS::ECS::ClusterCapacityProviderAssociations', {
      CapacityProviders: ['FARGATE', 'FARGATE_SPOT'],
    });
  });

  test('run on GPU instances if a capacity provider is given, also without a count in the template', () => {
    const { template } = synthesize((scope) => ({
      cluster: givenCluster(scope),
      pools: { gpu: { taskQueue: 'q', gpu: 2, capacityProvider: 'gpus', cpu: 3072, memory: 12_288 } },
    }));
    template.hasResourceProperties('AWS::ECS::Service', {
      CapacityProviderStrategy: [{ CapacityProvider: 'gpus', Weight: 1 }],
      LaunchType: Match.absent(),
      DesiredCount: Match.absent(),
    });
    template.hasResourceProperties('AWS::ECS::TaskDefinition', {
      RequiresCompatibilities: ['EC2'],
      ContainerDefinitions: [
        Match.objectLike({ ResourceRequirements: [{ Type: 'GPU', Value: '2' }], Cpu: 3072, Memory: 12_288 }),
      ],
    });
  });

  test('use the given CPU, memory and disk', () => {
    const { template } = synthesize({
      pools: {
        big: {
          taskQueue: 'q',
          cpu: 4096,
          memory: 16_384,
          ephemeralStorageGiB: 60,
          cpuArchitecture: ecs.CpuArchitecture.ARM64,
        },
      },
    });
    template.hasResourceProperties('AWS::ECS::TaskDefinition', {
      Cpu: '4096',
      Memory: '16384',
      EphemeralStorage: { SizeInGiB: 60 },
      RuntimePlatform: { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' },
    });
  });
});
