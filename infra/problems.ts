/** Every mistake that can be seen before anything is deployed, told at once: where, the value, the mend. */
import { Token } from 'aws-cdk-lib';
import { METRIC_SETS } from '../contract/metrics.ts';
import { oneOf, within } from './checks.ts';
import { isPrivate } from './private-address.ts';
import { problemsOfPool } from './pool-problems.ts';
import { PRESETS, presetOf, settingsOf, temporalOf, type PoolSettings, type TemporalSettings } from './presets.ts';
import type { ElasticWorkersProps } from './props.ts';

/** Empty when all is well. */
export function problemsOf(props: ElasticWorkersProps, region: string): string[] {
  const preset = presetOf(props, region);
  const pools = Object.entries(props.pools).map(([name, pool]) => ({
    name,
    pool: settingsOf(pool, preset),
    temporal: temporalOf(props.temporal, pool.temporal),
  }));
  return [
    ...(pools.length === 0 ? ['pools: none given; name at least one'] : []),
    ...choices(props),
    ...ofTemporal('temporal', temporalOf(props.temporal)),
    ...ofNetwork(props),
    ...ofScaler(props),
    ...ofAlarms(props),
    ...sharedQueues(pools),
    ...pools.flatMap(({ name, pool, temporal }) => [
      ...(pool.temporal ? ofTemporal(`pool ${name}: temporal`, temporal) : []),
      ...problemsOfPool(name, pool, props.cluster !== undefined),
    ]),
  ];
}

function choices({ preset, mode, metrics }: ElasticWorkersProps): string[] {
  return [
    ...oneOf('preset', preset, Object.keys(PRESETS)),
    ...oneOf('mode', mode, ['act', 'observe']),
    ...oneOf('metrics', metrics, METRIC_SETS),
  ];
}

function ofTemporal(where: string, { address, namespace, tls, secret, allowPlaintext }: TemporalSettings): string[] {
  const problems: string[] = [];
  if (!Token.isUnresolved(address) && !/^[^\s/]+:\d{1,5}$/.test(address)) {
    problems.push(`${where}.address is "${address}"; write host:port, such as temporal.example.com:7233`);
  }
  if (namespace.trim() === '') problems.push(`${where}.namespace is empty; name it, or leave it out for "default"`);
  if (secret && !tls)
    problems.push(`${where}.tls is false though there is a secret, which would go in the clear; remove tls`);
  if (!tls && !isPrivate(address) && !allowPlaintext) {
    problems.push(
      `${where}.tls is false and ${address} is not a private address: everything would go in the clear; remove tls, or add allowPlaintext: true where the network between is yours`,
    );
  }
  return problems;
}

function ofNetwork({ vpc, cluster, vpcSubnets, scalerVpcSubnets, securityGroups }: ElasticWorkersProps): string[] {
  const problems: string[] = [];
  if (vpc && cluster) problems.push('vpc: the cluster brings its own; remove vpc or cluster');
  if (!vpc && !cluster) {
    if (vpcSubnets) problems.push('vpcSubnets: of which VPC? Give vpc or cluster too');
    if (scalerVpcSubnets) {
      problems.push(
        'scalerVpcSubnets: a new VPC has public subnets only, where a function has no way out; give vpc or cluster',
      );
    }
  }
  if (securityGroups?.length === 0) problems.push('securityGroups: empty; name one, or leave it out for a new one');
  return problems;
}

function ofScaler({ tickSeconds, scalerMemory }: ElasticWorkersProps): string[] {
  return [
    ...within('tickSeconds', tickSeconds, 1, 50, 'a number'),
    ...within('scalerMemory', scalerMemory, 128, 10_240, 'a whole number of MiB'),
  ];
}

function ofAlarms({ alarmThresholds = {}, runbookUrl }: ElasticWorkersProps): string[] {
  const problems = Object.entries(alarmThresholds as Record<string, number>).flatMap(([name, value]) =>
    name.endsWith('Minutes')
      ? within(`alarmThresholds.${name}`, value, 1, 1440, 'a whole number')
      : within(`alarmThresholds.${name}`, value, 0, 1_000_000, 'a number'),
  );
  if (runbookUrl !== undefined && !Token.isUnresolved(runbookUrl) && !/^https?:\/\/\S+$/.test(runbookUrl)) {
    problems.push(`runbookUrl is "${runbookUrl}"; write an https address`);
  }
  return problems;
}

function sharedQueues(pools: { name: string; pool: PoolSettings; temporal: TemporalSettings }[]): string[] {
  const byQueue = new Map<string, string[]>();
  for (const { name, pool, temporal } of pools) {
    const queue = `${pool.taskQueue} of ${temporal.namespace} at ${temporal.address}`;
    byQueue.set(queue, [...(byQueue.get(queue) ?? []), name]);
  }
  return [...byQueue]
    .filter(([, sharing]) => sharing.length > 1)
    .map(([queue, sharing]) => `pools ${sharing.join(', ')}: share the task queue ${queue}; merge them`);
}
