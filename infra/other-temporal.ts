/** Deploys an app on another Temporal than its code names, such as a local one: `cdk deploy -c elastic-workers:temporal=…`. */
import type { Construct } from 'constructs';
import { OTHER_TEMPORAL_CONTEXT } from '../contract/other-temporal.ts';
import type { ElasticWorkersProps } from './props.ts';

/**
 * With the context `elastic-workers:temporal`, an address and optionally a namespace (`localhost:7233/orders`), all pools and the
 * scaler use that Temporal, without TLS and without any secret, whatever their props say. Otherwise returns the props unchanged.
 */
export function onTemporalOfContext(scope: Construct, props: ElasticWorkersProps): ElasticWorkersProps {
  const given: unknown = scope.node.tryGetContext(OTHER_TEMPORAL_CONTEXT);
  if (typeof given !== 'string') return props;
  const [address = '', namespace = 'default'] = given.split('/');
  const temporal = { address, namespace, tls: false, allowPlaintext: true };
  const pools = Object.entries(props.pools).map(([name, pool]) => [name, { ...pool, temporal }] as const);
  return { ...props, temporal, pools: Object.fromEntries(pools) };
}
