/** The CloudWatch metrics, named once for those who publish them and those who alarm on them. */

export const METRIC_NAMESPACE = 'TemporalElasticWorkers';

/** The one dimension; its value is the pool's name. */
export const POOL_DIMENSION = 'Pool';

export const METRICS = {
  backlog: { name: 'Backlog', unit: 'Count' },
  backlogAge: { name: 'BacklogAgeSeconds', unit: 'Seconds' },
  busySlots: { name: 'BusySlots', unit: 'Count' },
  slotUtilization: { name: 'SlotUtilization', unit: 'Percent' },
  desiredTasks: { name: 'DesiredTasks', unit: 'Count' },
  runningTasks: { name: 'RunningTasks', unit: 'Count' },
  /** 1 while no worker is alive although minTasks > 0 or work waits; computed here since alarms cannot. */
  workersDown: { name: 'WorkersDown', unit: 'None' },
  /** 1 while more tasks are needed than maxTasks allows. */
  pinnedAtMax: { name: 'PinnedAtMax', unit: 'None' },
  errorRate: { name: 'ErrorRate', unit: 'Percent' },
  scalerErrors: { name: 'ScalerErrors', unit: 'Count' },
  signalsUnknown: { name: 'SignalsUnknown', unit: 'Count' },
  taskDuration: { name: 'TaskDurationSeconds', unit: 'Seconds' },
  scheduleToStart: { name: 'ScheduleToStartSeconds', unit: 'Seconds' },
} as const;

export type MetricKey = keyof typeof METRICS;
