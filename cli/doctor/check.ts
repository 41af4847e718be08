/** One result of the doctor: whether the check passed and, if not, why that matters and how to fix it. */

/** All checks. Each has a heading with its name in docs/doctor.md, whose anchor never changes. */
export const CHECKS = [
  'AWS credentials',
  'CDK bootstrap',
  'deployment roles',
  'ECS service-linked role',
  'Fargate quota',
  'CDK command line',
  'container engine',
  'proof stack',
  'credentials',
  'server',
  'certificates',
  'namespace',
  'long work',
  'capacity providers',
  'zone rebalancing',
  'workers',
  'heartbeats',
  'reports',
  'versions',
  'queue names',
  'pool settings',
  'schedule',
  'rights',
  'scaler',
  'ECS service',
  'tags',
  'signals',
  'alarms',
] as const;

export type CheckName = (typeof CHECKS)[number];

export interface Check {
  check: CheckName;
  /** The pool or the Temporal namespace; absent for the whole stack. */
  of?: string;
  /** Null if it could not be checked. */
  ok: boolean | null;
  says: string;
  matters?: string;
  mend?: string;
}

export function ok(check: CheckName, says: string, of?: string): Check {
  return { check, ...(of !== undefined && { of }), ok: true, says };
}

export function wrong(check: CheckName, says: string, why: { matters: string; mend: string }, of?: string): Check {
  return { check, ...(of !== undefined && { of }), ok: false, says, ...why };
}

export function unseen(check: CheckName, says: string, of?: string): Check {
  return { check, ...(of !== undefined && { of }), ok: null, says };
}

/** That AWS denies a call to whoever runs the doctor says nothing about the stack. */
export function refused(check: CheckName, reason: string, right: string, of?: string): Check {
  return unseen(check, `could not check: ${reason}; this needs ${right}`, of);
}

/** The check's name in scripts and links: `ecs-service-linked-role`. */
export function idOf(check: CheckName): string {
  return check.toLowerCase().replaceAll(' ', '-');
}

/** Where the docs explain it. */
export function pageOf(check: CheckName): string {
  return `docs/doctor.md#${idOf(check)}`;
}
