/** Errors whose message is for whoever runs a command. */

/** Thrown for bad input; lists every problem with it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Thrown when a command cannot do what it was asked; the message says what to do about it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
