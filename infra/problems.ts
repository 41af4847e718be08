/** Finds every mistake that can be seen before a deployment, and reports all of them at once: where, the value, the fix. */
import { Token } from 'aws-cdk-lib';
import { METRIC_SETS } from '../contract/metrics.ts';
import { oneOf, within } from './checks.ts';
import { isPrivate } from './private-address.ts';
import { problemsOfPool } from './pool-problems.ts';
import { PRESETS, presetOf, settingsOf, temporalOf, type PoolSettings, type TemporalSettings } from './presets.ts';
import type { ElasticWorkersProps } from './props.ts';

/** Empty if there are none. */
export function problemsOf(props: ElasticWorkersProps, region: string): string[] {
  const preset = presetOf(props, region);
  const pools = Object.entries(props.pools).map(([name, pool]) => ({
    name,
    pool: settingsOf(pool, preset),
    temporal: temporalOf(props.temporal, pool.temporal),
  }));
  return [
    ...(pools.length === 0 ? ['pools: there are none; define at least one'] : []),
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
  if (namespace.trim() === '') problems.push(`${where}.namespace is empty; set it, or leave it out for "default"`);
  if (secret && !tls)
    problems.push(`${where}.tls is false although there is a secret, which would be sent unencrypted; remove tls`);
  if (!tls && !isPrivate(address) && !allowPlaintext) {
    problems.push(
      `${where}.tls is false and ${address} is not a private address: everything would be sent unencrypted; remove tls, or add allowPlaintext: true if you own the network in between`,
    );
  }
  return problems;
}

function ofNetwork({ vpc, cluster, vpcSubnets, scalerVpcSubnets, securityGroups }: ElasticWorkersProps): string[] {
  const problems: string[] = [];
  if (vpc && cluster) problems.push('vpc: the cluster has its own; remove vpc or cluster');
  if (!vpc && !cluster) {
    if (vpcSubnets) problems.push('vpcSubnets: there is no VPC; set vpc or cluster too');
    if (scalerVpcSubnets) {
      problems.push(
        'scalerVpcSubnets: a new VPC has only public subnets, where a function has no egress; set vpc or cluster',
      );
    }
  }
  if (securityGroups?.length === 0) problems.push('securityGroups: empty; add one, or leave it out for a new one');
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
    problems.push(`runbookUrl is "${runbookUrl}"; use an https URL`);
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
    .map(([queue, sharing]) => `pools ${sharing.join(', ')} share the task queue ${queue}; merge them`);
}
