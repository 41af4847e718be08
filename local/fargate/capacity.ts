/** Chooses the capacity provider of a service's next task: FARGATE or FARGATE_SPOT, by the strategy's bases and weights. */

export interface CapacityShare {
  capacityProvider: string;
  base: number;
  weight: number;
}

/** `present` are the providers of the service's tasks. Undefined for a service without a strategy. */
export function nextProvider(strategy: CapacityShare[] = [], present: (string | undefined)[]): string | undefined {
  const countOf = ({ capacityProvider }: CapacityShare) => present.filter((name) => name === capacityProvider).length;
  const below = strategy.find((share) => countOf(share) < share.base);
  if (below) return below.capacityProvider;
  const load = (share: CapacityShare) => (countOf(share) - share.base + 1) / share.weight;
  const [least] = strategy.filter(({ weight }) => weight > 0).sort((a, b) => load(a) - load(b));
  return (least ?? strategy[0])?.capacityProvider;
}
