import { Match, type Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as sns from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { MAXIMUM_PERCENT } from '../../contract/deployment.ts';
import { poolConfigSchema } from '../../contract/pool-config.ts';
import { STACKS_PATH, stackConfigSchema } from '../../contract/stack-config.ts';
import { containerOf, emptyStack, joined, parametersBelow, props, synthesize } from './synthesize.ts';

interface TaskDefinitionProperties {
  PidMode?: string;
  ContainerDefinitions: (Record<string, unknown> & { LinuxParameters?: object; Environment?: object[] })[];
}

function poolConfigs(template: Template) {
  return parametersBelow('/elastic-workers/', template).map((config) => poolConfigSchema.parse(config));
}

function givenCluster(scope: Construct): ecs.ICluster {
  const vpc = ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['a', 'b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    publicSubnetIds: ['subnet-0123456789abcdef2', 'subnet-0123456789abcdef3'],
  });
  return ecs.Cluster.fromClusterAttributes(scope, 'Cluster', { clusterName: 'platform', vpc });
}

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

  test('run on instances with GPUs where a capacity provider is given, without a count of their own either', () => {
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

  test('take processor, memory and disk as they are given', () => {
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

describe('a worker', () => {
  test('of this package protects itself, and gets the time to drain that it is told it has', () => {
    const { container, environment } = containerOf(synthesize().template, 'fast');
    expect(environment).toMatchObject({
      TEMPORAL_ADDRESS: 'temporal.example.com:7233',
      TEMPORAL_NAMESPACE: 'agents',
      TEMPORAL_TASK_QUEUE: 'quick-response-queue',
      TEMPORAL_TLS: 'true',
      ELASTIC_WORKERS_MODEL: 'bedrock:eu.amazon.nova-2-lite-v1:0',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '20',
      ELASTIC_WORKERS_DRAIN_SECONDS: '100',
      ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: '120',
      ELASTIC_WORKERS_STATE_TABLE: expect.anything(),
      ELASTIC_WORKERS_TASK_ROLE_ID: expect.anything(),
    });
    expect(container).toMatchObject({ StopTimeout: 120, ReadonlyRootFilesystem: true, Command: ['node', 'main.js'] });
    // One that hangs ends itself, which a container's first process cannot.
    expect(container.LinuxParameters).toMatchObject({ InitProcessEnabled: true });
    // A busy worker fails it, and ECS replaces what fails it.
    expect(container).not.toHaveProperty('HealthCheck');
  });

  test('with slots that follow the load is told their limits, and the scaler the fewest', () => {
    const { template } = synthesize({ pools: { fast: { taskQueue: 'q', slots: { min: 5, max: 200 } } } });
    expect(containerOf(template).environment.ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES).toBe('5..200');
    expect(JSON.stringify(template.toJSON())).toContain('\\"slotsPerTask\\":5');
  });

  test('has the health check that it is given', () => {
    const healthCheck = { command: ['CMD', 'true'] };
    const { template } = synthesize({ pools: { fast: { taskQueue: 'q', healthCheck } } });
    expect(containerOf(template).container.HealthCheck).toMatchObject({ Command: ['CMD', 'true'] });
  });

  test('of another image gets a sidecar: both share a process namespace, and the worker starts once the task is protected', () => {
    const { template } = synthesize({
      sidecarImage: ecs.ContainerImage.fromRegistry('sidecar'),
      pools: { go: { taskQueue: 'q', image: ecs.ContainerImage.fromRegistry('go-worker'), slots: 8 } },
    });
    expect(poolConfigs(template)).toMatchObject([{ pool: 'go', protection: 'sidecar' }]);
    const [definition] = Object.values(template.findResources('AWS::ECS::TaskDefinition'));
    const { PidMode, ContainerDefinitions } = definition!.Properties as TaskDefinitionProperties;
    expect(PidMode).toBe('task');
    const [worker, ...ours] = ContainerDefinitions;
    expect(worker).toMatchObject({
      Name: 'worker',
      Essential: true,
      DependsOn: [
        { Condition: 'SUCCESS', ContainerName: 'protect' },
        { Condition: 'START', ContainerName: 'sidecar' },
      ],
    });
    expect(worker).not.toHaveProperty('HealthCheck');
    expect(worker).not.toHaveProperty('Command');
    expect(worker?.Environment).toEqual(
      Object.entries({
        TEMPORAL_ADDRESS: 'temporal.example.com:7233',
        TEMPORAL_NAMESPACE: 'agents',
        TEMPORAL_TASK_QUEUE: 'q',
        TEMPORAL_TLS: 'true',
        ELASTIC_WORKERS_POOL: 'go',
        ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '8',
        ELASTIC_WORKERS_DRAIN_SECONDS: '172800',
        ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: '120',
      }).map(([Name, Value]) => ({ Name, Value })),
    );
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'BacklogAgeSeconds',
      AlarmDescription: Match.stringLikeRegexp('Runbook: .*/latency$'),
    });
    expect(ours).toMatchObject([
      { Name: 'protect', Essential: false, Command: expect.arrayContaining(['main.js', 'protect']) },
      {
        Name: 'sidecar',
        Essential: false,
        Command: expect.arrayContaining(['main.js', 'follow']),
        StopTimeout: 120,
        RestartPolicy: { Enabled: true, IgnoredExitCodes: [0] },
      },
    ]);
    for (const container of ours) {
      expect(container).toMatchObject({ User: '0', ReadonlyRootFilesystem: true, Image: 'sidecar' });
      expect(container.LinuxParameters).toMatchObject({ Capabilities: { Drop: expect.not.arrayContaining(['KILL']) } });
      expect(container.Environment).toEqual(
        expect.arrayContaining([expect.objectContaining({ Name: 'ELASTIC_WORKERS_STATE_TABLE' })]),
      );
    }
  });

  test('of an image without a sidecar protects itself, and asks no model unless one is named', () => {
    const { template } = synthesize({
      pools: { own: { taskQueue: 'q', image: ecs.ContainerImage.fromRegistry('own'), sidecar: false } },
    });
    expect(poolConfigs(template)).toMatchObject([{ protection: 'worker' }]);
    const { environment } = containerOf(template);
    expect(environment).toHaveProperty('ELASTIC_WORKERS_STATE_TABLE');
    expect(environment).not.toHaveProperty('ELASTIC_WORKERS_MODEL');
  });
});

describe('the scaler', () => {
  const { template } = synthesize();

  test('is invoked each minute, never twice for one minute, and takes none of the account’s concurrency for itself', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: Match.absent(),
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      DeadLetterConfig: Match.absent(),
    });
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 0 });
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 minute)',
      Target: { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: Match.absent() },
    });
  });

  test('finds each pool in a parameter that its own schema understands', () => {
    expect(poolConfigs(template).map(({ pool, policy, protection }) => [pool, policy, protection])).toEqual([
      ['fast', { slotsPerTask: 20, minTasks: 0, maxTasks: 10, taskDollarsPerHour: 0.04937 }, 'worker'],
      [
        'slow',
        { slotsPerTask: 5, minTasks: 1, maxTasks: 40, scaleInAfterSeconds: 300, taskDollarsPerHour: 0.04937 },
        'worker',
      ],
    ]);
  });

  test('and all else are found by the command line in one parameter of the stack', () => {
    const [config, ...others] = parametersBelow(`${STACKS_PATH}/`, template);
    expect(others).toEqual([]);
    const { poolsPath, temporal, ...names } = stackConfigSchema.parse(config);
    expect(template.findResources('AWS::SSM::Parameter', { Properties: { Name: `${poolsPath}/fast` } })).not.toEqual(
      {},
    );
    expect(temporal).toMatchObject({ address: props.temporal.address, tls: true });
    expect(Object.keys(names)).toEqual(['stateTable', 'scalerFunction', 'scalerLogGroup', 'dashboard', 'region']);
  });

  test('is told of schedules, and of a pool’s own Temporal, which gets no other’s secret', () => {
    const { template } = synthesize((scope) => ({
      temporal: { address: 'cloud.tmprl.cloud:7233', namespace: 'agents', secret: secretOf(scope) },
      pools: {
        other: { taskQueue: 'q', temporal: { address: 'temporal.internal:7233' } },
        sister: {
          taskQueue: 'q',
          temporal: { namespace: 'billing' },
          schedules: [{ from: '0 8 * * *', to: '0 18 * * *', minTasks: 2 }],
        },
      },
    }));
    expect(poolConfigs(template)).toMatchObject([
      { temporal: { address: 'temporal.internal:7233', namespace: 'agents', tls: false } },
      {
        temporal: { address: 'cloud.tmprl.cloud:7233', namespace: 'billing', tls: true, secret: SECRET_ARN },
        schedules: [{ from: '0 8 * * *', to: '0 18 * * *', timeZone: 'UTC', minTasks: 2 }],
      },
    ]);
    expect(poolConfigs(template)[0]?.temporal).not.toHaveProperty('secret');
    expect(containerOf(template, 'other').environment).not.toHaveProperty('ELASTIC_WORKERS_TEMPORAL_SECRET');
    expect(containerOf(template, 'sister').environment).toMatchObject({
      TEMPORAL_TLS: 'true',
      ELASTIC_WORKERS_TEMPORAL_SECRET: SECRET_ARN,
    });
  });

  test('observes for a first week where that is asked for', () => {
    const { template } = synthesize({ mode: 'observe', metrics: 'full', tracing: true });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { ELASTIC_WORKERS_MODE: 'observe', ELASTIC_WORKERS_METRICS: 'full' } },
      TracingConfig: { Mode: 'Active' },
    });
  });
});

describe('what the user brings', () => {
  test('a cluster: its private subnets are used, and nothing of the kind is made', () => {
    const { template } = synthesize((scope) => ({ cluster: givenCluster(scope) }));
    template.resourceCountIs('AWS::EC2::VPC', 0);
    template.resourceCountIs('AWS::ECS::Cluster', 0);
    template.allResourcesProperties('AWS::ECS::Service', {
      Cluster: 'platform',
      NetworkConfiguration: {
        AwsvpcConfiguration: {
          AssignPublicIp: 'DISABLED',
          Subnets: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
        },
      },
    });
  });

  test('subnets and security groups', () => {
    const { template } = synthesize((scope) => ({
      vpc: givenCluster(scope).vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(scope, 'Group', 'sg-0123456789abcdef0')],
    }));
    template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    template.allResourcesProperties('AWS::ECS::Service', {
      NetworkConfiguration: {
        AwsvpcConfiguration: {
          AssignPublicIp: 'ENABLED',
          Subnets: ['subnet-0123456789abcdef2', 'subnet-0123456789abcdef3'],
          SecurityGroups: ['sg-0123456789abcdef0'],
        },
      },
    });
  });

  test('roles and log groups: no others are made of them', () => {
    const arn = 'arn:aws:iam::123456789012:role';
    const { template } = synthesize((scope) => ({
      scalerRole: iam.Role.fromRoleArn(scope, 'ScalerRole', `${arn}/scaler`),
      scalerLogGroup: logs.LogGroup.fromLogGroupName(scope, 'ScalerLogs', 'scaler'),
      pools: {
        own: {
          taskQueue: 'q',
          taskRole: iam.Role.fromRoleArn(scope, 'TaskRole', `${arn}/worker`),
          taskRoleId: 'AROAEXAMPLE',
          executionRole: iam.Role.fromRoleArn(scope, 'ExecutionRole', `${arn}/execution`),
          logGroup: logs.LogGroup.fromLogGroupName(scope, 'Logs', 'workers'),
        },
      },
    }));
    template.resourceCountIs('AWS::Logs::LogGroup', 0);
    expect(Object.keys(template.findResources('AWS::IAM::Role'))).toEqual([expect.stringContaining('InvokeRole')]);
    expect(poolConfigs(template)).toMatchObject([{ taskRoleId: 'AROAEXAMPLE' }]);
    template.hasResourceProperties('AWS::IAM::Policy', { Roles: ['worker'] });
  });

  test('a key, for the table, the logs and the scaler’s environment', () => {
    const { template } = synthesize((scope) => ({ encryptionKey: new kms.Key(scope, 'Key') }));
    const key = { 'Fn::GetAtt': [Match.stringLikeRegexp('^Key'), 'Arn'] };
    template.hasResourceProperties('AWS::DynamoDB::Table', { SSESpecification: { KMSMasterKeyId: key } });
    template.allResourcesProperties('AWS::Logs::LogGroup', { KmsKeyId: key });
    template.hasResourceProperties('AWS::Lambda::Function', { KmsKeyArn: key });
    template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([Match.objectLike({ Principal: { Service: Match.stringLikeRegexp('logs') } })]),
      },
    });
  });

  test('a Temporal inside the VPC: the scaler is there too, and both may connect', () => {
    const stack = emptyStack();
    const server = ec2.SecurityGroup.fromSecurityGroupId(stack, 'Server', 'sg-0123456789abcdef1');
    const result = synthesize(
      { cluster: givenCluster(stack), scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS } },
      stack,
    );
    result.workers.connections.allowTo(server, ec2.Port.tcp(7233));
    const { template } = result;
    template.hasResourceProperties('AWS::Lambda::Function', {
      VpcConfig: { SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'] },
    });
    const ingress = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress'));
    const sources = ingress.map(({ Properties }) => joined(Properties.SourceSecurityGroupId));
    expect(sources).toEqual([expect.stringContaining('WorkerSecurityGroup'), expect.stringContaining('Scaler')]);
    expect(ingress.map(({ Properties }) => [Properties.GroupId, Properties.FromPort])).toEqual([
      ['sg-0123456789abcdef1', 7233],
      ['sg-0123456789abcdef1', 7233],
    ]);
  });
});

describe('alarms', () => {
  const all = (changes = {}) => Object.values(synthesize(changes).template.findResources('AWS::CloudWatch::Alarm'));

  test('each pool has its six, which say what they mean and tell the topic when they fire and clear', () => {
    const { template, workers } = synthesize((scope) => ({
      alarmTopics: [sns.Topic.fromTopicArn(scope, 'OnCall', 'arn:aws:sns:eu-west-1:123456789012:on-call')],
      runbookUrl: 'https://wiki.example.com/runbooks/',
    }));
    expect(workers.alarms).toHaveLength(12);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'TemporalElasticWorkers',
      AlarmDescription: Match.stringLikeRegexp(
        '^(fast|slow): .{40,} Runbook: https://wiki.example.com/runbooks/[a-z]+(-[a-z]+)*$',
      ),
      AlarmActions: ['arn:aws:sns:eu-west-1:123456789012:on-call'],
      OKActions: ['arn:aws:sns:eu-west-1:123456789012:on-call'],
    });
  });

  test('stand on metrics that are published with the essential ones, for any image', () => {
    const pools = { ...props.pools, other: { taskQueue: 'o', image: ecs.ContainerImage.fromRegistry('o') } };
    const metrics = new Set(all({ pools }).map(({ Properties }) => Properties.MetricName));
    expect(metrics).toEqual(
      new Set([
        'WorkersDown',
        'Backlog',
        'ErrorRate',
        'ScheduleToStartSeconds',
        'DesiredTasks',
        'PinnedAtMax',
        'BacklogAgeSeconds',
      ]),
    );
  });

  test('fire at the thresholds that are given', () => {
    const alarmThresholds = {
      workerDownMinutes: 2,
      queueDepth: 7,
      queueDepthMinutes: 8,
      errorRatePercent: 9,
      latencySeconds: 11,
      latencyMinutes: 6,
      scalerDownMinutes: 4,
      pinnedAtMaxMinutes: 5,
    };
    const [pool = ''] = Object.keys(props.pools);
    const alarms = all({ alarmThresholds, pools: { [pool]: props.pools[pool] } }).map(({ Properties }) => [
      Properties.MetricName,
      Properties.ComparisonOperator,
      Properties.Threshold,
      Properties.EvaluationPeriods,
    ]);
    expect(alarms.toSorted()).toEqual([
      ['Backlog', 'GreaterThanThreshold', 7, 8],
      ['DesiredTasks', 'LessThanThreshold', 1, 4],
      ['ErrorRate', 'GreaterThanThreshold', 9, 1],
      ['PinnedAtMax', 'GreaterThanOrEqualToThreshold', 1, 5],
      ['ScheduleToStartSeconds', 'GreaterThanThreshold', 11, 6],
      ['WorkersDown', 'GreaterThanOrEqualToThreshold', 1, 2],
    ]);
  });
});

describe('the dashboard', () => {
  const TITLES = ['Waiting', 'Tasks', 'Busy slots', 'Wait (s)', 'Failures', 'Decisions', 'Cost'];
  const widgetsOf = (metrics: 'essential' | 'full') => {
    const [dashboard] = Object.values(synthesize({ metrics }).template.findResources('AWS::CloudWatch::Dashboard'));
    return JSON.parse(joined(dashboard?.Properties.DashboardBody)).widgets as {
      type: string;
      width: number;
      y: number;
      properties: { title?: string; markdown?: string; query?: string };
    }[];
  };

  test('has the alarms on top, and one row a pool', () => {
    const [alarms, ...widgets] = widgetsOf('essential');
    expect(alarms?.type).toBe('alarm');
    expect(widgets.map(({ properties }) => properties.markdown ?? properties.title)).toEqual([
      '### fast: task queue quick-response-queue',
      ...TITLES,
      '### slow: task queue complex-analysis-queue',
      ...TITLES,
    ]);
    const rows = Map.groupBy(widgets, ({ y }) => y);
    expect([...rows.values()].map((row) => row.reduce((sum, { width }) => sum + width, 0))).toEqual([24, 24, 24, 24]);
  });

  test('holds as many pools as a stack can, with no widget of more alarms than CloudWatch shows', () => {
    const pools = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`p${index}`, { taskQueue: `q${index}` }]),
    );
    const { template } = synthesize({ pools });
    expect(Object.keys(template.toJSON().Resources).length).toBeLessThan(500);
    const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
    const { widgets } = JSON.parse(joined(dashboard?.Properties.DashboardBody)) as {
      widgets: { type: string; properties: { alarms: unknown[] } }[];
    };
    const alarms = widgets.filter(({ type }) => type === 'alarm').map(({ properties }) => properties.alarms.length);
    expect(alarms).toEqual([96, 84]);
  });

  test('reads from the tick records what is not published, and only that', () => {
    const fromLog = (metrics: 'essential' | 'full') =>
      widgetsOf(metrics)
        .filter(({ type }) => type === 'log')
        .map(({ properties }) => properties.title);
    expect(fromLog('full')).toEqual(['Decisions', 'Decisions']);
    expect(fromLog('essential').slice(0, 4)).toEqual(['Waiting', 'Tasks', 'Busy slots', 'Decisions']);
  });
});

describe('presets', () => {
  const policies = (preset: 'development' | 'staging' | 'production', pool = {}) =>
    poolConfigs(synthesize({ preset, pools: { only: { taskQueue: 'q', ...pool } } }).template)[0]?.policy;

  test('set the sizes, and what is said of a pool stands above them', () => {
    expect(policies('development')).toMatchObject({ minTasks: 0, maxTasks: 2 });
    expect(policies('staging')).toMatchObject({ minTasks: 2, maxTasks: 3 });
    expect(policies('production')).toMatchObject({ minTasks: 0, maxTasks: 10 });
    expect(policies('staging', { minTasks: 1, maxTasks: 50 })).toMatchObject({ minTasks: 1, maxTasks: 50 });
    expect(policies('staging', { maxTasks: 1 })).toMatchObject({ minTasks: 1, maxTasks: 1 });
  });

  test('wake nobody up in development, and show all in production', () => {
    const development = synthesize({ preset: 'development' });
    development.template.resourceCountIs('AWS::CloudWatch::Alarm', 0);
    expect(development.workers.dashboard).toBeUndefined();
    synthesize({ preset: 'staging' }).template.resourceCountIs('AWS::CloudWatch::Alarm', 12);
    synthesize({ preset: 'production' }).template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { ELASTIC_WORKERS_METRICS: 'full' } },
      TracingConfig: { Mode: 'Active' },
    });
  });
});

describe('what other constructs use', () => {
  test('a pool’s metrics, with a word where one is not published', () => {
    const { stack, workers } = synthesize();
    expect(stack.resolve(workers.pool('fast').metricBacklog().toMetricConfig().metricStat)).toMatchObject({
      metricName: 'Backlog',
      namespace: 'TemporalElasticWorkers',
      dimensions: [
        { name: 'Pool', value: 'fast' },
        { name: 'Stack', value: 'StackWorkersBB84B11A' },
      ],
    });
    expect(workers.pool('fast').node.metadata).toEqual([]);
    workers.pool('fast').metricBusySlots();
    expect(workers.pool('fast').node.metadata).toMatchObject([{ type: 'aws:cdk:warning' }]);
    expect(() => workers.pool('fats')).toThrow('has no pool "fats"; it has fast, slow');
  });

  test('a pool may have any name, that of another part too', () => {
    const { workers } = synthesize({ pools: { Scaler: { taskQueue: 'a' }, Cluster: { taskQueue: 'b' } } });
    expect(workers.pools.map(({ poolName }) => poolName)).toEqual(['Scaler', 'Cluster']);
  });

  test('a pool is a grantee, and its own services alone may be overruled', () => {
    const stack = emptyStack();
    const result = synthesize({}, stack);
    const { workers } = result;
    const topic = new sns.Topic(stack, 'Topic');
    topic.grantPublish(workers.pool('fast'));
    const operator = new iam.Role(stack, 'Operator', { assumedBy: new iam.AccountRootPrincipal() });
    workers.grantOverrule(operator);
    const { template } = result;
    template.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: Match.stringLikeRegexp('WorkersPoolsfastTaskRole') }],
      PolicyDocument: { Statement: [Match.objectLike({ Action: 'sns:Publish' })] },
    });
    template.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: Match.stringLikeRegexp('Operator') }],
      PolicyDocument: {
        Statement: [
          Match.objectLike({
            Action: ['ecs:TagResource', 'ecs:UntagResource'],
            Resource: [{ Ref: Match.stringLikeRegexp('fastService') }, { Ref: Match.stringLikeRegexp('slowService') }],
            Condition: {
              'ForAllValues:StringLike': { 'aws:TagKeys': Match.arrayWith(['elastic-workers:drain:*']) },
              Null: { 'aws:TagKeys': 'false' },
            },
          }),
          Match.objectLike({ Action: 'ecs:ListTagsForResource' }),
        ],
      },
    });
  });
});

const SECRET_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:temporal-AbCdEf';
function secretOf(scope: Construct): secretsmanager.ISecret {
  return secretsmanager.Secret.fromSecretCompleteArn(scope, 'Secret', SECRET_ARN);
}

test('the context puts all pools and the scaler on another Temporal, without TLS and secrets', () => {
  const { template } = synthesize(
    (scope) => ({
      temporal: {
        address: 'ours.tmprl.cloud:7233',
        namespace: 'ours',
        secret: new secretsmanager.Secret(scope, 'ApiKey'),
      },
      pools: {
        shared: { taskQueue: 'shared' },
        own: { taskQueue: 'own', temporal: { address: 'theirs.example.com:7233', namespace: 'theirs' } },
      },
    }),
    emptyStack({ 'elastic-workers:temporal': '127.0.0.1:7233/local' }),
  );
  const text = JSON.stringify(template.toJSON());
  for (const named of ['tmprl.cloud', 'theirs', 'TEMPORAL_SECRET']) expect(text).not.toContain(named);
  for (const pool of ['shared', 'own'])
    expect(containerOf(template, pool).environment).toMatchObject({
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      TEMPORAL_NAMESPACE: 'local',
      TEMPORAL_TLS: 'false',
    });
});
