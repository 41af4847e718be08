import { poolConfigs, synthesize } from './synthesize.ts';

describe('presets', () => {
  const policies = (preset: 'development' | 'staging' | 'production', pool = {}) =>
    poolConfigs(synthesize({ preset, pools: { only: { taskQueue: 'q', ...pool } } }).template)[0]?.policy;

  test('set the sizes, and a pool’s own settings override them', () => {
    expect(policies('development')).toMatchObject({ minTasks: 0, maxTasks: 2 });
    expect(policies('staging')).toMatchObject({ minTasks: 2, maxTasks: 3 });
    expect(policies('production')).toMatchObject({ minTasks: 0, maxTasks: 10 });
    expect(policies('staging', { minTasks: 1, maxTasks: 50 })).toMatchObject({ minTasks: 1, maxTasks: 50 });
    expect(policies('staging', { maxTasks: 1 })).toMatchObject({ minTasks: 1, maxTasks: 1 });
  });

  test('create no alarms in development, and publish every metric in production', () => {
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
