/** One thing that the doctor looked at: it is well, or it is not, and then why that matters and how it is mended. */

/** Every check there is. Each has a heading of its name in docs/doctor.md, which stays where it is. */
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
  /** The pool, or the Temporal namespace; of the whole stack where absent. */
  of?: string;
  /** Null when it could not be looked at. */
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

/** What AWS refuses to whoever runs the doctor says nothing about the stack. */
export function refused(check: CheckName, reason: string, right: string, of?: string): Check {
  return unseen(check, `not seen: ${reason}; ${right} is needed`, of);
}

/** The check's name as scripts and links have it: `ecs-service-linked-role`. */
export function idOf(check: CheckName): string {
  return check.toLowerCase().replaceAll(' ', '-');
}

/** Where the documents say more of it. */
export function pageOf(check: CheckName): string {
  return `docs/doctor.md#${idOf(check)}`;
}
