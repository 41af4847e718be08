/** What the operator can mend: told as one message, without a stack, before the process ends with 1. */

/** Thrown when the environment cannot be used; the message lists every problem. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The worker's configuration has ${problems.length} problem(s):\n${problems.map((p) => `- ${p}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Thrown when a part of the worker has ended as its memory did not suffice; the message says which settings help. */
export class MemoryError extends Error {
  override readonly name: string = 'MemoryError';
}

/** Thrown when the worker cannot serve as it was configured: server out of reach, unknown namespace. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}
