/** Errors that the operator can fix: logged as one message without a stack trace, before the process exits with 1. */

/** Thrown when the environment cannot be used; the message lists every problem. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
  readonly problems: string[];
  constructor(problems: string[]) {
    super(
      `The worker's configuration has ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}:\n${problems.map((p) => `- ${p}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** Thrown when a part of the worker has run out of memory; the message says which settings help. */
export class MemoryError extends Error {
  override readonly name: string = 'MemoryError';
}

/** Thrown when the worker cannot serve as configured: the server is out of reach, the namespace unknown. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}
