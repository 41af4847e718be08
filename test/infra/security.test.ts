import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { App } from 'aws-cdk-lib';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { ElasticWorkersProps } from '../../infra/index.ts';
import { PRESETS } from '../../infra/presets.ts';
import { emptyStack, ownApp, joined, synthesize } from './synthesize.ts';

// The apps are loaded and synthesized.
jest.setTimeout(180_000);

const root = join(import.meta.dirname, '../..');
/** The feature flags of a new CDK app; an old one has none. */
const FLAGS = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')).context as Record<string, unknown>;

/** Of the stack that `synthesize` creates. */
const STACK_ID = 'StackWorkersBB84B11A';

/** `cdk synth` exits with 0 whatever cdk-nag finds, so its findings are read directly. */
function findings(app: App): string[] {
  app.synth();
  const { violations } = new AwsSolutionsChecks(app).validateScope(app);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
  );
}

describe('cdk-nag finds nothing unexplained', () => {
  test.each([undefined, ...Object.keys(PRESETS)])('in the preset %s', (preset) => {
    for (const context of [{}, FLAGS]) {
      const { stack } = synthesize({ ...(preset && { preset: preset as 'staging' }) }, emptyStack(context));
      expect(findings(stack.node.root as App)).toEqual([]);
    }
  });

  test.each(readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts')))(
    'in examples/%s',
    async (file) => {
      const { app } = (await import(join(root, 'examples', file))) as { app: App };
      expect(findings(app)).toEqual([]);
    },
  );

  test('in the app', async () => {
    expect(findings(await ownApp())).toEqual([]);
  });

  test('with everything that a user can supply or turn on', () => {
    const { stack } = everything();
    expect(findings(stack.node.root as App)).toEqual([]);
  });

  test('but would find another wildcard in a worker’s role', () => {
    const { stack, workers } = synthesize();
    workers
      .pool('fast')
      .taskRole.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['s3:*'], resources: ['*'] }));
    expect(findings(stack.node.root as App)).toEqual([
      'AwsSolutions-IAM5[Action::s3:*] at Stack/Workers/Pools/fast/TaskRole/DefaultPolicy/Resource',
      'AwsSolutions-IAM5[Resource::*] at Stack/Workers/Pools/fast/TaskRole/DefaultPolicy/Resource',
    ]);
  });
});

describe('permissions', () => {
  test('are exactly these with the defaults', () => {
    expect(rightsOf(synthesize().template)).toEqual({
      WorkersPoolsfastTaskRole: [
        'bedrock:InvokeModel on arn:<AWS::Partition>:bedrock:*::foundation-model/amazon.nova-2-lite-v1:0',
        'bedrock:InvokeModel on arn:<AWS::Partition>:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-2-lite-v1:0',
        'bedrock:InvokeModelWithResponseStream on arn:<AWS::Partition>:bedrock:*::foundation-model/amazon.nova-2-lite-v1:0',
        'bedrock:InvokeModelWithResponseStream on arn:<AWS::Partition>:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-2-lite-v1:0',
        'cloudwatch:PutMetricData on * if cloudwatch:namespace',
        'dynamodb:BatchGetItem on <WorkersState.Arn> if dynamodb:LeadingKeys',
        'ecs:UpdateTaskProtection on arn:<AWS::Partition>:ecs:eu-west-1:123456789012:task/<WorkersCluster>/* if aws:ResourceTag/elastic-workers:pool, aws:ResourceTag/elastic-workers:stack',
      ],
      WorkersPoolsfastTaskExecutionRole: [
        'logs:CreateLogStream on <WorkersPoolsfastLogs.Arn>',
        'logs:PutLogEvents on <WorkersPoolsfastLogs.Arn>',
      ],
      WorkersPoolsslowTaskRole: expect.any(Array),
      WorkersPoolsslowTaskExecutionRole: expect.any(Array),
      WorkersScalerRole: [
        'cloudwatch:PutMetricData on * if cloudwatch:namespace',
        'dynamodb:BatchGetItem on <WorkersState.Arn>',
        'dynamodb:BatchWriteItem on <WorkersState.Arn>',
        'dynamodb:PutItem on <WorkersState.Arn>',
        `ecs:DescribeServices on <WorkersPoolsfastService> if ${UPDATE_KEYS}`,
        `ecs:DescribeServices on <WorkersPoolsslowService> if ${UPDATE_KEYS}`,
        'ecs:DescribeTasks on arn:<AWS::Partition>:ecs:eu-west-1:123456789012:task/<WorkersCluster>/*',
        'ecs:ListTasks on * if ecs:cluster',
        `ecs:UpdateService on <WorkersPoolsfastService> if ${UPDATE_KEYS}`,
        `ecs:UpdateService on <WorkersPoolsslowService> if ${UPDATE_KEYS}`,
        'logs:CreateLogStream on <WorkersScalerLogs.Arn>',
        'logs:PutLogEvents on <WorkersScalerLogs.Arn>',
        `ssm:GetParametersByPath on arn:<AWS::Partition>:ssm:eu-west-1:123456789012:parameter/elastic-workers/${STACK_ID}`,
      ],
      WorkersScalerInvokeRole: ['lambda:InvokeFunction on <WorkersScalerFunction.Arn>'],
    });
  });

  test('let the scaler change a service’s count, and nothing else that IAM can distinguish', () => {
    const right = statements(synthesize().template).find(({ Action }) => Action.includes('ecs:UpdateService'));
    expect(right?.Condition).toMatchObject({
      ArnEqualsIfExists: { 'ecs:task-definition': [{ Ref: expect.any(String) }, { Ref: expect.any(String) }] },
      BoolIfExists: { 'ecs:enable-execute-command': 'false' },
      'ForAllValues:StringEquals': { 'ecs:capacity-provider': ['FARGATE'] },
    });
  });

  test('let the scaler use its own secret, which workers may not read', () => {
    const { template } = synthesize((scope) => ({
      temporal: {
        address: 'cloud.tmprl.cloud:7233',
        secret: Secret.fromSecretCompleteArn(scope, 'Secret', SECRET_ARN),
        scalerSecret: Secret.fromSecretCompleteArn(scope, 'Read', READ_ONLY),
      },
    }));
    const { WorkersScalerRole: scaler, WorkersPoolsfastTaskRole: worker } = rightsOf(template);
    const readOf = (rights: string[] = []) => rights.filter((right) => right.startsWith('secretsmanager:'));
    expect(readOf(scaler)).toEqual([`secretsmanager:GetSecretValue on ${READ_ONLY}`]);
    expect(readOf(worker)).toEqual([`secretsmanager:GetSecretValue on ${SECRET_ARN}`]);
  });

  test('allow pulling an image that is given by its ECR address', () => {
    const uri = '210987654321.dkr.ecr.eu-central-1.amazonaws.com/team/worker:7';
    const { template } = synthesize({
      pools: { own: { taskQueue: 'q', image: ecs.ContainerImage.fromRegistry(uri) } },
    });
    expect(rightsOf(template).WorkersPoolsownTaskExecutionRole).toContain(
      'ecr:BatchGetImage on arn:<AWS::Partition>:ecr:eu-central-1:210987654321:repository/team/worker',
    );
  });

  test.each([30, 200])(
    'stay within IAM’s limits for %s pools with their own images, namespaces and secrets',
    (count) => {
      // More resources than a stack may have: only the policies matter here.
      const unlimited = emptyStack({ '@aws-cdk/core:stackResourceLimit': 0 });
      const many = (scope: Construct) => ({
        sidecarImage: ecs.ContainerImage.fromRegistry('sidecar'),
        pools: Object.fromEntries(
          Array.from({ length: count }, (_, index) => {
            const name = `a-pool-with-a-rather-long-name-${index}`;
            const secret = Secret.fromSecretCompleteArn(
              scope,
              `Secret${index}`,
              SECRET_ARN.replace('temporal', `temporal${index}`),
            );
            const temporal = { address: `${name}.tmprl.cloud:7233`, namespace: name, secret };
            return [
              name,
              { taskQueue: name, image: ecs.ContainerImage.fromRegistry(`registry.example/${name}`), temporal },
            ];
          }),
        ),
      });
      const { stack, template } = synthesize(many, unlimited);
      // Each reference resolves to an ARN with the names of the stack's cluster and service.
      const lengthOf = (document: object) =>
        JSON.stringify(document).replaceAll(/\{"Ref":"[^"]*"\}/g, 'x'.repeat(150)).length;
      const managed = Object.values(template.findResources('AWS::IAM::ManagedPolicy'));
      expect(Math.max(...managed.map(({ Properties }) => lengthOf(Properties.PolicyDocument)))).toBeLessThan(6144);
      expect(managed.length).toBeLessThanOrEqual(20);
      const inline = Object.values(template.findResources('AWS::IAM::Policy'));
      expect(Math.max(...inline.map(({ Properties }) => lengthOf(Properties.PolicyDocument)))).toBeLessThan(10_240);
      const granted = managed.flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
      const scaled = granted
        .filter(({ Action }) => Action.includes('ecs:UpdateService'))
        .flatMap(({ Resource }) => Resource);
      expect(scaled).toHaveLength(count);
      // cdk-nag takes half a minute for the larger one.
      expect(count > 30 ? [] : findings(stack.node.root as App)).toEqual([]);
    },
  );

  test('let a worker read its own cordon and the scaler’s last tick, and nothing else in the table', () => {
    const reads = statements(synthesize().template).filter(
      ({ Action, Condition }) => Action === 'dynamodb:BatchGetItem' && Condition,
    );
    expect(reads).toHaveLength(2);
    for (const { Condition } of reads) {
      expect(Condition).toEqual({
        'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['${aws:userid}', 'scaler'] },
      });
    }
  });

  test('let a worker protect the tasks of its own pool, by their tags, and no others', () => {
    const { template } = synthesize();
    for (const pool of ['fast', 'slow']) {
      const condition = {
        StringEquals: { 'aws:ResourceTag/elastic-workers:pool': pool },
        StringEqualsIfExists: { 'aws:ResourceTag/elastic-workers:stack': STACK_ID },
      };
      const rights = statements(template).filter(({ Condition }) => isDeepStrictEqual(Condition, condition));
      expect(rights.map(({ Action }) => Action)).toEqual(['ecs:UpdateTaskProtection']);
      const Tags = Match.arrayWith([
        { Key: 'elastic-workers:pool', Value: pool },
        { Key: 'elastic-workers:stack', Value: STACK_ID },
      ]);
      template.resourcePropertiesCountIs('AWS::ECS::Service', { PropagateTags: 'SERVICE', Tags }, 1);
    }
  });

  test.each([
    [
      'bedrock:amazon.nova-lite-v1:0',
      ['arn:<AWS::Partition>:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0'],
    ],
    [
      'bedrock:eu.anthropic.claude-haiku-4-5-20251001-v1:0',
      [
        'arn:<AWS::Partition>:bedrock:*::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0',
        'arn:<AWS::Partition>:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0',
      ],
    ],
    [
      'bedrock:arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/p',
      ['arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/p'],
    ],
    ['openai:gpt-5', []],
  ])('let a worker call the model it was given, %s, and no other', (model, resources) => {
    const { stack, template } = synthesize({ pools: { fast: { taskQueue: 'q', model } } });
    const asking = (rightsOf(template).WorkersPoolsfastTaskRole ?? []).filter((right) => right.startsWith('bedrock:'));
    const actions = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'];
    expect(asking).toEqual(actions.flatMap((action) => resources.map((resource) => `${action} on ${resource}`)));
    expect(findings(stack.node.root as App)).toEqual([]);
  });

  test('are exactly these in addition with everything turned on', () => {
    const all = rightsOf(everything().template);
    const usual = new Set(
      Object.values(rightsOf(synthesize().template))
        .flat()
        .map((right) => right.split(' on ')[0]),
    );
    const more = Object.entries(all).map(([role, rights]) => [
      role,
      rights.filter((right) => !usual.has(right.split(' on ')[0] as string)),
    ]);
    expect(Object.fromEntries(more)).toEqual({
      WorkersPoolsownTaskRole: [`secretsmanager:GetSecretValue on ${SECRET_ARN}`],
      WorkersPoolsownTaskExecutionRole: [],
      WorkersPoolsforeignTaskRole: [`secretsmanager:GetSecretValue on ${SECRET_ARN}`],
      WorkersPoolsforeignTaskExecutionRole: [],
      WorkersScalerRole: [
        'ec2:AssignPrivateIpAddresses on *',
        'ec2:CreateNetworkInterface on *',
        'ec2:DeleteNetworkInterface on *',
        'ec2:DescribeNetworkInterfaces on *',
        'ec2:DescribeSubnets on *',
        'ec2:UnassignPrivateIpAddresses on *',
        `secretsmanager:GetSecretValue on ${SECRET_ARN}`,
        'xray:PutTelemetryRecords on *',
        'xray:PutTraceSegments on *',
      ],
      WorkersScalerInvokeRole: [],
    });
  });

  test('let a worker with a sidecar protect its task and read its cordon, but not publish metrics', () => {
    const { template } = synthesize({
      pools: { foreign: { taskQueue: 'q', image: ecs.ContainerImage.fromRegistry('python-worker') } },
    });
    const rights = rightsOf(template).WorkersPoolsforeignTaskRole!.join('\n');
    expect(rights).toContain('ecs:UpdateTaskProtection');
    expect(rights).toContain('dynamodb:BatchGetItem');
    expect(rights).not.toContain('PutMetricData');
  });
});

test('nothing accepts connections: no security group allows inbound traffic, and the scaler has no URL', () => {
  const { template } = synthesize();
  const types = Object.values(template.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
  const doors = /SecurityGroupIngress|Lambda::(Url|Permission)|ApiGateway|ElasticLoadBalancing|ResourcePolicy/;
  expect(types.filter((type) => doors.test(type))).toEqual([]);
  const groups = Object.values(template.findResources('AWS::EC2::SecurityGroup'));
  expect(groups.length).toBeGreaterThan(0);
  expect(groups.filter(({ Properties }) => Properties.SecurityGroupIngress !== undefined)).toEqual([]);
});

test('only the scheduler of this account can assume the role that may invoke the scaler', () => {
  const roles = synthesize().template.findResources('AWS::IAM::Role');
  const invoking = Object.keys(roles).find((id) => id.includes('InvokeRole')) ?? '';
  const trusted = roles[invoking]?.Properties.AssumeRolePolicyDocument.Statement as unknown[];
  expect(trusted).toEqual([
    expect.objectContaining({
      Principal: { Service: 'scheduler.amazonaws.com' },
      Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } },
    }),
  ]);
});

test('the template contains a secret’s name, never its value', () => {
  const text = JSON.stringify(everything().template.toJSON());
  expect(text).toContain(SECRET_ARN);
  expect(text).not.toContain('{{resolve:');
});

test('a secret given by name can be read too', () => {
  const { template } = synthesize((scope) => ({
    temporal: { address: 'cloud.tmprl.cloud:7233', secret: Secret.fromSecretNameV2(scope, 'Secret', 'temporal') },
  }));
  const reading =
    'secretsmanager:GetSecretValue on arn:<AWS::Partition>:secretsmanager:eu-west-1:123456789012:secret:temporal-??????';
  expect(rightsOf(template).WorkersPoolsfastTaskRole).toContain(reading);
  expect(rightsOf(template).WorkersScalerRole).toContain(reading);
});

const READ_ONLY = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:read-only-AbCdEf';
const UPDATE_KEYS = [
  'task-definition',
  'enable-execute-command',
  'enable-service-connect',
  'enable-ebs-volumes',
  'enable-vpc-lattice',
  'capacity-provider',
  'subnet',
  'namespace',
]
  .map((key) => `ecs:${key}`)
  .join(', ');
const SECRET_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:temporal-AbCdEf';

function everything() {
  return synthesize((scope) => {
    const vpc = ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['a', 'b'],
      privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    });
    const secret = Secret.fromSecretCompleteArn(scope, 'Secret', SECRET_ARN);
    return {
      cluster: ecs.Cluster.fromClusterAttributes(scope, 'Cluster', { clusterName: 'platform', vpc }),
      temporal: { address: 'agents.a1b2c.tmprl.cloud:7233', namespace: 'agents.a1b2c', secret },
      scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      scalerLogGroup: logs.LogGroup.fromLogGroupName(scope, 'Logs', 'scaler'),
      tracing: true,
      metrics: 'full',
      sidecarImage: ecs.ContainerImage.fromRegistry('sidecar'),
      pools: {
        own: { taskQueue: 'own' },
        foreign: { taskQueue: 'foreign', image: ecs.ContainerImage.fromRegistry('python-worker') },
      },
    } satisfies Partial<ElasticWorkersProps>;
  });
}

type Statement = { Action: string | string[]; Resource: unknown; Condition?: Record<string, Record<string, unknown>> };

function statements(template: Template): Statement[] {
  return Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    (policy) => policy.Properties.PolicyDocument.Statement as Statement[],
  );
}

/** By role: each action, its resource and its condition. Logical ids without their hashes. */
function rightsOf(template: Template): Record<string, string[]> {
  const rights: Record<string, string[]> = {};
  for (const { Properties } of Object.values(template.findResources('AWS::IAM::Policy'))) {
    const [role] = (Properties.Roles as unknown[]).map((reference) => plain(joined(reference)).slice(1, -1));
    (rights[role as string] ??= []).push(...(Properties.PolicyDocument.Statement as Statement[]).flatMap(told));
  }
  return Object.fromEntries(Object.entries(rights).map(([role, list]) => [role, list.toSorted()]));
}

function told({ Action, Resource, Condition = {} }: Statement): string[] {
  const keys = Object.values(Condition).flatMap((condition) => Object.keys(condition));
  const condition = keys.length > 0 ? ` if ${keys.join(', ')}` : '';
  return [Action]
    .flat()
    .flatMap((action) => [Resource].flat().map((resource) => `${action} on ${plain(joined(resource))}${condition}`));
}

function plain(text: string): string {
  return text.replaceAll(/[0-9A-F]{8}(?=[>.]|$)/g, (hash, at: number) =>
    text.slice(0, at).endsWith('StackWorkers') ? hash : '',
  );
}
