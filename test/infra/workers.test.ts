/** The containers that workers run in. */
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { containerOf, poolConfigs, synthesize } from './synthesize.ts';

interface TaskDefinitionProperties {
  PidMode?: string;
  ContainerDefinitions: (Record<string, unknown> & { LinuxParameters?: object; Environment?: object[] })[];
}

describe('a worker', () => {
  test('of this package protects itself, and gets its drain time', () => {
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

  test('with slots that follow the load gets their limits, and the scaler the minimum', () => {
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

  test('of an image without a sidecar protects itself, and calls no model unless one is named', () => {
    const { template } = synthesize({
      pools: { own: { taskQueue: 'q', image: ecs.ContainerImage.fromRegistry('own'), sidecar: false } },
    });
    expect(poolConfigs(template)).toMatchObject([{ protection: 'worker' }]);
    const { environment } = containerOf(template);
    expect(environment).toHaveProperty('ELASTIC_WORKERS_STATE_TABLE');
    expect(environment).not.toHaveProperty('ELASTIC_WORKERS_MODEL');
  });

  test.each([
    ['worker', 'worker'],
    ['scaler', 'sidecar'],
  ] as const)('still understand protection: %s of 0.1, with a deprecation warning', (protection, expected) => {
    const { template, stack } = synthesize({
      reserveConcurrency: true,
      pools: { own: { taskQueue: 'q', image: ecs.ContainerImage.fromRegistry('own'), protection } },
    });
    expect(poolConfigs(template)).toMatchObject([{ protection: expected }]);
    const warnings = Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('deprecated'));
    expect(warnings.map(({ entry }) => String(entry.data))).toEqual([
      expect.stringContaining('set sidecar: false'),
      expect.stringContaining('reserves no concurrency'),
    ]);
  });
});
