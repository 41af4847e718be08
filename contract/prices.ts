/**
 * What AWS charges, in US dollars: list prices of us-east-1 without free tiers, as published in November 2026.
 * Other regions cost up to a third more. The simulator's prices of vCPU and memory are the same.
 */
export const PRICES_OF = 'us-east-1, November 2026';

export const PRICES = {
  // https://aws.amazon.com/fargate/pricing
  x86VcpuHour: 0.04048,
  x86GigabyteHour: 0.004445,
  armVcpuHour: 0.03238,
  armGigabyteHour: 0.00356,
  /** Spot prices vary; this is the usual discount of 70%. */
  spotShare: 0.3,
  storageGigabyteHour: 0.000111,
  // https://aws.amazon.com/vpc/pricing
  publicAddressHour: 0.005,
  // https://aws.amazon.com/lambda/pricing, arm64
  lambdaGigabyteSecond: 0.0000133334,
  lambdaMillionRequests: 0.2,
  // https://aws.amazon.com/eventbridge/pricing
  scheduleMillion: 1,
  // https://aws.amazon.com/dynamodb/pricing/on-demand
  tableMillionWrites: 0.625,
  tableMillionReads: 0.125,
  // https://aws.amazon.com/cloudwatch/pricing
  metricMonth: 0.3,
  metricThousandRequests: 0.01,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  logGigabyte: 0.5,
  // https://aws.amazon.com/xray/pricing
  tracesMillion: 5,
} as const;
