import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { poolConfigSchema } from '../../contract/pool-config.ts';
import { parametersBelow } from './synthesize.ts';

const root = join(import.meta.dirname, '../..');

/** Like the CDK's command line with `-c name=value`. */
function runApp(context: Record<string, string>, region = 'eu-west-1') {
  const directory = mkdtempSync(join(tmpdir(), 'elastic-workers-app-'));
  const environment = {
    ...process.env,
    CDK_OUTDIR: directory,
    CDK_CONTEXT_JSON: JSON.stringify(context),
    CDK_DEFAULT_REGION: region,
  };
  const { status, stderr } = spawnSync(process.execPath, ['infra/app.ts'], {
    cwd: root,
    env: environment,
    encoding: 'utf8',
  });
  try {
    const file = join(directory, 'TemporalElasticWorkers.template.json');
    return { stderr, template: Template.fromJSON(status === 0 ? JSON.parse(readFileSync(file, 'utf8')) : {}) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const minimal = { temporalAddress: 'temporal.example.com:7233', workerImage: 'example/worker:1' };

const limits = (template: Template) =>
  parametersBelow('/elastic-workers/', template).map((config) => {
    const { pool, policy } = poolConfigSchema.parse(config);
    return [pool, policy.minTasks, policy.maxTasks, policy.slotsPerTask];
  });

test('-c env=staging gives each pool a small minimum, and explicit settings override it', () => {
  const { template } = runApp({ ...minimal, env: 'staging', maxTasks: '8' });
  expect(limits(template)).toEqual([
    ['quick-response', 2, 8, 20],
    ['complex-analysis', 2, 8, 5],
    ['batches', 2, 8, 20],
  ]);
  const outputs = Object.keys(template.findOutputs('*'));
  expect(outputs).toEqual(expect.arrayContaining(['Cluster', 'StateTable', 'ScalerFunction', 'Dashboard', 'Pools']));
});

test('without -c env the pools have no minimum', () => {
  const { template } = runApp(minimal);
  expect(limits(template)).toEqual([
    ['quick-response', 0, 10, 20],
    ['complex-analysis', 0, 10, 5],
    ['batches', 0, 10, 20],
  ]);
});

test('all problems with the context are reported at once', () => {
  const { stderr } = runApp({ env: 'prod', temporalAddress: 'no port' });
  expect(stderr).toContain('the context is not valid');
  expect(stderr).toContain('at env');
  expect(stderr).toContain('expected host:port');
});

test('-c plaintext=true turns TLS off', () => {
  const tls = (context: Record<string, string>) =>
    Object.values(runApp(context).template.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties.Environment.Variables.TEMPORAL_TLS,
    );
  expect([...tls(minimal), ...tls({ ...minimal, plaintext: 'true' })]).toEqual(['true', 'false']);
});

test('Temporal’s address has no default, but the context that overrides all props can set it', () => {
  expect(runApp({}).stderr).toContain('not given: -c temporalAddress=temporal.example.com:7233');
  const { template } = runApp({ workerImage: 'example/worker:1', 'elastic-workers:temporal': '10.1.2.3:7233/agents' });
  template.hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: { TEMPORAL_ADDRESS: '10.1.2.3:7233', TEMPORAL_NAMESPACE: 'agents' } },
  });
});
