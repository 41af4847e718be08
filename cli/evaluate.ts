/** Runs one tick of the shipped code: it reads everything, decides, and changes nothing. Try before you trust. */
import { EcsServices } from '../scaler/read/ecs.ts';
import { TemporalReader } from '../scaler/read/temporal.ts';
import { StateTable } from '../scaler/act/state.ts';
import { known, type Outcome } from '../scaler/policy.ts';
import type { Ports } from '../scaler/ports.ts';
import { tick } from '../scaler/tick.ts';
import type { TickRecord } from '../scaler/report/tick-record.ts';
import { MEANINGS } from '../deployed/reasons.ts';
import { hanging, type Common, type Shell } from './shell.ts';
import { openPool, openStack, type Stack } from '../deployed/stacks.ts';
import { placesOf, type Places } from '../deployed/temporal-places.ts';

interface Evaluation {
  record: TickRecord;
  outcome: Outcome;
  errors: string[];
}

export async function evaluate(shell: Shell, name: string | undefined, options: Common): Promise<void> {
  const stack = name === undefined ? await openStack(options) : (await openPool(name, options)).stack;
  const pools = stack.pools.filter(({ pool }) => name === undefined || pool === name);
  const evaluations = await tickOnce({ ...stack, pools }, placesOf({ ...stack, pools }, shell.env), shell.now());
  if (evaluations.some(({ record, errors }) => errors.length > 0 || unknowns(record).length > 0)) shell.exitCode = 1;
  if (options.json) {
    return shell.printJson(
      evaluations.map(({ record, outcome, errors }) => ({
        record,
        decision: outcome.decision,
        figures: outcome.figures,
        errors,
      })),
    );
  }
  shell.print(evaluations.map((evaluation) => render(shell, evaluation)).join('\n\n'));
}

/** As in the handler, but nothing is written: no memory, cordons, counts, metrics or log. */
async function tickOnce({ aws, config }: Stack, { pools, readSecret }: Places, now: number): Promise<Evaluation[]> {
  const temporal = new TemporalReader(config.temporal, { readSecret });
  const state = new StateTable(aws.table, config.stateTable);
  const evaluations: Evaluation[] = [];
  const nothing = async () => {};
  const ports: Ports = {
    temporal,
    ecs: new EcsServices(aws.ecs),
    setDesired: nothing,
    state: {
      load: (of) => state.load(of),
      cordoned: (of) => state.cordoned(of),
      save: async (_pool, { version }) => version,
      markTick: nothing,
      cordon: nothing,
      takeBack: nothing,
    },
    telemetry: { report: (record, outcome, errors) => void evaluations.push({ record, outcome, errors }) },
  };
  try {
    await tick(pools, new Map(), ports, { mode: 'observe', now, keeps: false });
  } finally {
    await temporal.close();
  }
  return evaluations.toSorted((a, b) => (a.record.pool < b.record.pool ? -1 : 1));
}

function unknowns(record: TickRecord): string[] {
  const { activityQueue, workflowQueue, workers, tasks } = record;
  return Object.entries({ activityQueue, workflowQueue, workers, tasks }).flatMap(([name, reading]) =>
    known<unknown>(reading) ? [] : [`${name}: ${(reading as { unknown: string }).unknown}`],
  );
}

function render(shell: Shell, { record, outcome: { decision }, errors }: Evaluation): string {
  const { desired, cordon, reason, detail } = decision;
  const present = known(record.tasks) ? `${record.tasks.desired} to ${desired}` : `? to ${desired}`;
  return [
    `${hanging(record.pool)}: desired ${present}, ${shell.style('bold', reason)}: ${MEANINGS[reason]}`,
    `  ${detail}`,
    ...(cordon.length > 0 ? [`  would be removed: ${cordon.join(', ')}`] : []),
    ...[...unknowns(record), ...errors].map((problem) => `  ${shell.style('red', hanging(problem))}`),
    `  ${shell.style('dim', JSON.stringify(record))}`,
  ].join('\n');
}
