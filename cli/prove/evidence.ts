/** What a report contains besides the steps: what the scaler decided and, if a step failed, what AWS reports. */
import { paginateDescribeStackEvents } from '@aws-sdk/client-cloudformation';
import { DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { PROOF_STACK } from '../../contract/proof.ts';
import { complaintsIn, readLines, readTicks } from '../../deployed/scaler-log.ts';
import { reasonOf } from '../../deployed/stacks.ts';
import { spellsOf } from '../../deployed/spells.ts';
import type { Site } from './site.ts';

const MOST_LINES = 40;

/** Empty if there is no stack. */
export async function decisionsOf(site: Site): Promise<string[]> {
  return lines(async () => {
    const { stackIfAny: stack, shell, startedAt } = site;
    if (stack === undefined) return [];
    const ticks = await readTicks(stack, site.pool.pool, { from: startedAt, to: shell.now() });
    return spellsOf(ticks).map(
      ({ ticks, from, tick: { reason, desired, cordon, detail } }) =>
        `${timeOf(from)} ${ticks} x ${reason}, desired ${desired}${cordon.length > 0 ? `, ${cordon.length} cordoned` : ''}: ${detail}`,
    );
  });
}

export async function troublesOf(site: Site): Promise<Record<string, string[]>> {
  const [stack, service, tasks, scaler] = await Promise.all([
    lines(() => eventsOfStack(site)),
    lines(() => eventsOfService(site)),
    lines(() => stoppedTasks(site)),
    lines(() => complaintsOfScaler(site)),
  ]);
  return {
    'CloudFormation failures': stack,
    'Service events': service,
    'Why tasks were stopped': tasks,
    'Scaler errors': scaler,
  };
}

async function eventsOfStack({ cloudFormation }: Site): Promise<string[]> {
  const found: string[] = [];
  const pages = paginateDescribeStackEvents({ client: cloudFormation }, { StackName: PROOF_STACK });
  for await (const { StackEvents = [] } of pages) {
    for (const { ResourceStatus = '', LogicalResourceId, ResourceType, ResourceStatusReason = '' } of StackEvents) {
      if (!/FAILED|ROLLBACK/.test(ResourceStatus)) continue;
      found.push(`${ResourceStatus} ${LogicalResourceId} (${ResourceType}): ${ResourceStatusReason}`);
    }
  }
  return found;
}

async function eventsOfService(site: Site): Promise<string[]> {
  if (site.stackIfAny === undefined) return [];
  const { cluster, service } = site.pool;
  const request = new DescribeServicesCommand({ cluster, services: [service] });
  const { services = [] } = await site.stack.aws.ecs.send(request);
  const events = services.flatMap(({ events = [] }) => events);
  return events.map(({ createdAt, message = '' }) => `${timeOf(Number(createdAt))} ${message}`);
}

async function stoppedTasks(site: Site): Promise<string[]> {
  if (site.stackIfAny === undefined) return [];
  const reasons = (await site.allTasks()).flatMap(({ stopCode, stoppedReason, containers = [] }) =>
    stoppedReason === undefined
      ? []
      : [`${stopCode}: ${stoppedReason} ${containers.flatMap(({ reason }) => reason ?? []).join('; ')}`.trim()],
  );
  return [...new Set(reasons)];
}

async function complaintsOfScaler({ stackIfAny: stack, startedAt, shell }: Site): Promise<string[]> {
  if (stack === undefined) return [];
  const said = await readLines(stack, { from: startedAt, to: shell.now() });
  return [...new Set(said.flatMap(complaintsIn))];
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** A part that cannot be read does not keep the others out of the report. */
async function lines(read: () => Promise<string[]>): Promise<string[]> {
  try {
    return (await read()).slice(0, MOST_LINES);
  } catch (error) {
    return [`could not read: ${reasonOf(error)}`];
  }
}
