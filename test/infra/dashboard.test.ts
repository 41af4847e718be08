import { joined, synthesize } from './synthesize.ts';

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

  test('has the alarms on top, and one row per pool', () => {
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

  test('has room for as many pools as a stack can have, with no widget of more alarms than CloudWatch shows', () => {
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

  test('reads from the tick records only what is not published as a metric', () => {
    const fromLog = (metrics: 'essential' | 'full') =>
      widgetsOf(metrics)
        .filter(({ type }) => type === 'log')
        .map(({ properties }) => properties.title);
    expect(fromLog('full')).toEqual(['Decisions', 'Decisions']);
    expect(fromLog('essential').slice(0, 4)).toEqual(['Waiting', 'Tasks', 'Busy slots', 'Decisions']);
  });
});
