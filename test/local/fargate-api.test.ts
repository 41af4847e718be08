/** The endpoint of local Fargate: its answers to ECS’s client, and what it hands on to the emulator. */
import {
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ListTagsForResourceCommand,
  ListTasksCommand,
  RunTaskCommand,
  StopTaskCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateServiceCommand,
  UpdateTaskProtectionCommand,
} from '@aws-sdk/client-ecs';
import {
  CLUSTER,
  createService,
  describeService,
  ecs,
  emulator,
  fargate,
  protect,
  signedFor,
  startFargate,
  stopFargate,
  untilRunning,
} from './fargate-under-test.ts';

jest.setTimeout(120_000);

beforeAll(startFargate);
afterAll(stopFargate);

describe('The endpoint', () => {
  test('lists tasks in pages.', async () => {
    const service = await createService({ desiredCount: 5 });
    const running = await untilRunning(service, 5);
    const pages: string[][] = [];
    let nextToken: string | undefined;
    do {
      const page = await ecs.send(
        new ListTasksCommand({
          cluster: CLUSTER,
          serviceName: service,
          maxResults: 2,
          ...(nextToken && { nextToken }),
        }),
      );
      pages.push(page.taskArns!);
      nextToken = page.nextToken;
    } while (nextToken);
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1]);
    expect(pages.flat().sort()).toEqual(running.map(({ taskArn }) => taskArn!).sort());
    const family = await ecs.send(new ListTasksCommand({ cluster: CLUSTER, family: service }));
    expect(family.taskArns).toHaveLength(5);
  });

  test('passes tags on, and DescribeServices includes them on request.', async () => {
    const service = await createService({ desiredCount: 0 });
    const { serviceArn: resourceArn } = await describeService(service);
    const read = async () => {
      const command = new DescribeServicesCommand({ cluster: CLUSTER, services: [service], include: ['TAGS'] });
      return (await ecs.send(command)).services![0]!.tags;
    };
    await ecs.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'a', value: '1' }] }));
    await ecs.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'b', value: '2' }] }));
    await ecs.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a'] }));
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, forceNewDeployment: true }));
    expect(await read()).toEqual([{ key: 'b', value: '2' }]);
    expect((await ecs.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual(await read());
  });

  test('reports what is missing.', async () => {
    const missing = `arn:aws:ecs:us-east-1:000000000000:task/${CLUSTER}/${'0'.repeat(32)}`;
    const services = await ecs.send(new DescribeServicesCommand({ cluster: CLUSTER, services: ['none'] }));
    expect(services).toMatchObject({ services: [], failures: [{ reason: 'MISSING' }] });
    const tasks = await ecs.send(new DescribeTasksCommand({ cluster: CLUSTER, tasks: [missing] }));
    expect(tasks).toMatchObject({ tasks: [], failures: [{ arn: missing, reason: 'MISSING' }] });
    expect(await protect([missing], true)).toMatchObject({ failures: [{ arn: missing, reason: 'MISSING' }] });
  });

  const names = (count: number) => Array.from({ length: count }, (_, index) => `${index}`.padStart(32, '0'));
  const protection = (expiresInMinutes: number, count = 1) =>
    new UpdateTaskProtectionCommand({
      cluster: CLUSTER,
      tasks: names(count),
      protectionEnabled: true,
      expiresInMinutes,
    });
  const refusals: [what: string, name: string, command: object][] = [
    ['no such cluster', 'ClusterNotFoundException', new ListTasksCommand({ cluster: 'none' })],
    ['no such cluster', 'ClusterNotFoundException', new DescribeServicesCommand({ cluster: 'none', services: ['a'] })],
    ['no such cluster', 'ClusterNotFoundException', new UpdateServiceCommand({ cluster: 'none', service: 'a' })],
    ['no such service', 'ServiceNotFoundException', new UpdateServiceCommand({ cluster: CLUSTER, service: 'none' })],
    ['no such service', 'ServiceNotFoundException', new ListTasksCommand({ cluster: CLUSTER, serviceName: 'none' })],
    ['no such task', 'InvalidParameterException', new StopTaskCommand({ cluster: CLUSTER, task: names(1)[0] })],
    ['no services', 'InvalidParameterException', new DescribeServicesCommand({ cluster: CLUSTER, services: [] })],
    [
      '11 services',
      'InvalidParameterException',
      new DescribeServicesCommand({ cluster: CLUSTER, services: names(11) }),
    ],
    ['no tasks', 'InvalidParameterException', new DescribeTasksCommand({ cluster: CLUSTER, tasks: [] })],
    ['101 tasks', 'InvalidParameterException', new DescribeTasksCommand({ cluster: CLUSTER, tasks: names(101) })],
    ['101 a page', 'InvalidParameterException', new ListTasksCommand({ cluster: CLUSTER, maxResults: 101 })],
    ['a false token', 'InvalidParameterException', new ListTasksCommand({ cluster: CLUSTER, nextToken: 'false' })],
    [
      'a desired count below 0',
      'InvalidParameterException',
      new UpdateServiceCommand({ cluster: CLUSTER, service: 'none', desiredCount: -1 }),
    ],
    ['protection of 11 tasks', 'InvalidParameterException', protection(60, 11)],
    ['protection for 0 minutes', 'InvalidParameterException', protection(0)],
    ['protection for 2881 minutes', 'InvalidParameterException', protection(2881)],
  ];
  test.each(refusals)('refuses %s with %s.', async (_what, name, command) => {
    await expect(ecs.send(command as ListTasksCommand)).rejects.toMatchObject({ name });
  });

  test('refuses RunTask, which the emulator would only pretend to do.', async () => {
    const refused = ecs.send(new RunTaskCommand({ cluster: CLUSTER, taskDefinition: 'any' }));
    await expect(refused).rejects.toMatchObject({ name: 'UnsupportedFeatureException' });
  });

  test('passes every other call to the emulator, and returns its answer byte for byte.', async () => {
    const service = await createService({ desiredCount: 0 });
    const described = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: service }));
    expect(described.taskDefinition).toMatchObject({ family: service, revision: 1 });
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 256));
    const headers = signedFor('s3');
    await fetch(`${fargate.url}/a-bucket`, { method: 'PUT', headers });
    await fetch(`${fargate.url}/a-bucket/a%20key?x-id=PutObject`, { method: 'PUT', body: bytes, headers });
    for (const url of [fargate.url, emulator.url]) {
      const read = await fetch(`${url}/a-bucket/a%20key`, { headers });
      expect(Buffer.from(await read.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const urls = [fargate.url, emulator.url];
    const missing = await Promise.all(urls.map((url) => fetch(`${url}/a-bucket/none`, { headers })));
    expect(missing.map(({ status }) => status)).toEqual([404, 404]);
  });
});
