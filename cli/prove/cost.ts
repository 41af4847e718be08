/** The maximum cost of a proof, shown before it begins: each line with its arithmetic, at the prices of the stack's own estimate. */
import { DEFAULT_SCALER_MEMORY, DEFAULT_TICK_SECONDS, secondsBilledAMinute } from '../../contract/invocation.ts';
import { ALARMS_A_POOL, METRICS } from '../../contract/metrics.ts';
import { HOURS_A_MONTH } from '../../contract/pool-config.ts';
import { PRICES } from '../../contract/prices.ts';
import { PROOF_POOL } from '../../contract/proof.ts';

interface ProofCost {
  what: string;
  arithmetic: string;
  dollars: number;
}

/** It takes about twenty minutes. */
export const MOST_HOURS = 1;
/** During a deployment a second fleet runs beside the first. */
const FLEETS = 2;

export function costOfProof(): ProofCost[] {
  const { maxTasks, vcpus, gigabytes } = PROOF_POOL;
  const tasks = maxTasks * FLEETS;
  const taskHour = vcpus * PRICES.x86VcpuHour + gigabytes * PRICES.x86GigabyteHour + PRICES.publicAddressHour;
  const metrics = Object.keys(METRICS).length;
  const watchingMonth = metrics * PRICES.metricMonth + ALARMS_A_POOL * PRICES.alarmMonth + PRICES.dashboardMonth;
  const seconds = (DEFAULT_SCALER_MEMORY / 1024) * secondsBilledAMinute(DEFAULT_TICK_SECONDS) * 60 * MOST_HOURS;
  return [
    line('tasks with a public address', `${tasks} tasks x ${MOST_HOURS} h`, tasks * MOST_HOURS, taskHour),
    line('the scaler', `${seconds} GB-seconds`, seconds, PRICES.lambdaGigabyteSecond),
    line(
      'metrics, alarms and dashboard',
      `${MOST_HOURS} h of ${HOURS_A_MONTH} of a month`,
      MOST_HOURS / HOURS_A_MONTH,
      watchingMonth,
    ),
  ];
}

function line(what: string, amount: string, factor: number, price: number): ProofCost {
  return { what, arithmetic: `${amount} x ${Number(price.toPrecision(6))}`, dollars: factor * price };
}

export function totalOf(lines: ProofCost[]): number {
  return lines.reduce((sum, { dollars }) => sum + dollars, 0);
}
