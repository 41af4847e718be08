/**
 * Who keeps ECS from stopping a task at work: the worker itself, which also reads its cordon; for any other image a sidecar in
 * the task, which does both, and whose cordons are final; or the scaler, by what the worker's heartbeats say.
 */
export const PROTECTIONS = ['worker', 'sidecar', 'scaler'] as const;

export type Protection = (typeof PROTECTIONS)[number];
