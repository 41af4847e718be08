/** Two stacks in one account and region with pools of the same name, created from the same code like two deployments of it. */
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { DISABLE_ASSET_STAGING_CONTEXT } from 'aws-cdk-lib/cx-api';
import { poolIn } from '../../contract/metrics.ts';
import { STACKS_PATH, stackConfigSchema, stackIdIn } from '../../contract/stack-config.ts';
import { containerOf, ENVIRONMENT, joined, parametersBelow, synthesize } from './synthesize.ts';

const NAMES = ['Blue', 'Green'];
const templates = NAMES.map((stackName) => {
  const app = new App({ context: { [DISABLE_ASSET_STAGING_CONTEXT]: true } });
  const stack = new Stack(app, 'Stack', { stackName, env: ENVIRONMENT });
  synthesize({}, stack);
  return Template.fromStack(stack);
});
const ids = templates.map((template) => {
  const [config] = parametersBelow(`${STACKS_PATH}/`, template);
  return stackIdIn(stackConfigSchema.parse(config).poolsPath);
});

function each<T>(of: (template: Template, id: string) => T): T[] {
  return templates.map((template, index) => of(template, ids[index]!));
}

test('each stack has its own id, which its workers receive', () => {
  expect(new Set(ids).size).toBe(2);
  expect(each((template) => containerOf(template, 'fast').environment.ELASTIC_WORKERS_STACK)).toEqual(ids);
});

test('no resource has the same name in both stacks', () => {
  const [blue, green] = each(namesIn);
  expect(blue!.length).toBeGreaterThan(0);
  expect(blue!.filter((name) => green!.includes(name))).toEqual([]);
});

test('each stack’s alarms use its own pools’ metrics', () => {
  const pools = each((template, id) => {
    const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
    expect(alarms).toHaveLength(12);
    return new Set(alarms.map(({ Properties }) => poolIn(id, Properties.Dimensions)));
  });
  expect(pools).toEqual(NAMES.map(() => new Set(['fast', 'slow'])));
});

test('each stack’s dashboard shows its own pools’ metrics and tick records', () => {
  const shown = each((template, id) => {
    const { metrics, queries } = widgetsOf(template);
    expect(metrics.length).toBeGreaterThan(0);
    expect(queries.length).toBeGreaterThan(0);
    return [
      ...metrics.map((dimensions) => poolIn(id, dimensions)),
      ...queries.map((query) => new RegExp(`filter v = 1 and stack = '${id}' and pool = '(\\w+)'`).exec(query)?.[1]),
    ];
  });
  expect(shown.map((pools) => new Set(pools))).toEqual(NAMES.map(() => new Set(['fast', 'slow'])));
});

/** The names of resources that CloudFormation does not name itself; those are unique. */
function namesIn(template: Template): string[] {
  const resources = Object.values(template.toJSON().Resources as Record<string, Resource>);
  return resources.flatMap(({ Type, Properties = {} }) =>
    Object.entries(Properties)
      .filter(([key]) => PHYSICAL.test(key))
      .flatMap(([key, value]) => (typeof value === 'string' ? [`${Type} ${key} ${value}`] : [])),
  );
}

interface Resource {
  Type: string;
  Properties?: Record<string, unknown>;
}

const PHYSICAL =
  /^(Name|Family|(Alarm|Dashboard|LogGroup|Table|Function|Role|ManagedPolicy|Service|Cluster|Group)Name)$/;

interface Widget {
  properties: { metrics?: (string | object)[][]; query?: string };
}

function widgetsOf(template: Template) {
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const { widgets } = JSON.parse(joined(dashboard?.Properties.DashboardBody)) as { widgets: Widget[] };
  const metrics = widgets.flatMap(({ properties }) => properties.metrics ?? []);
  return {
    metrics: metrics.filter((metric) => metric.length > 1).map(dimensionsOf),
    queries: widgets.flatMap(({ properties: { query } }) => query ?? []),
  };
}

/** Of a metric in a dashboard's body: namespace, name, then alternating names and values. */
function dimensionsOf(metric: (string | object)[]) {
  const [, , ...parts] = metric.filter((part) => typeof part === 'string');
  return parts.flatMap((Name, index) => (index % 2 === 0 ? [{ Name, Value: parts[index + 1]! }] : []));
}
