/** The public API for CDK apps. */
export { ElasticWorkers } from './elastic-workers.ts';
export type {
  AlarmThresholds,
  BundlingProps,
  ElasticWorkersProps,
  PoolTemporalProps,
  ScheduleProps,
  SlotsRange,
  TemporalProps,
  WorkerPoolProps,
} from './props.ts';
export type { IWorkerPool } from './worker-pool.ts';
