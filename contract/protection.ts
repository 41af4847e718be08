/**
 * Who keeps ECS from stopping a busy task and reads the task's cordon: the worker itself, or a sidecar beside an image that does
 * neither. A sidecar's cordons are final.
 */
export const PROTECTIONS = ['worker', 'sidecar'] as const;

export type Protection = (typeof PROTECTIONS)[number];

/** The longest that ECS protects a task from scale-in without being asked again: two days. (Source: ECS API, UpdateTaskProtection) */
export const LONGEST_PROTECTION_MINUTES = 2880;
