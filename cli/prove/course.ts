/** Runs the steps of a proof one after the other: each has a name and a duration, and passes or fails with evidence. */
import { CommandError } from '../../deployed/errors.ts';
import type { Shell } from '../shell.ts';
import { reasonOf } from '../../deployed/stacks.ts';

export interface Evidence {
  says: string;
  figures?: Record<string, number>;
}

export interface Step extends Evidence {
  step: string;
  result: 'passed' | 'failed' | 'not run';
  /** How long it took; null if it was not run. */
  seconds: number | null;
}

export class Course {
  readonly steps: Step[] = [];
  readonly #shell: Shell;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** Returns whether it passed. */
  async run(step: string, work: () => Promise<Evidence>): Promise<boolean> {
    const { now } = this.#shell;
    const from = now();
    this.#shell.print(`  ${step} …`);
    const end = (result: Step['result'], evidence: Evidence) =>
      this.#add({ step, result, seconds: Math.round((now() - from) / 100) / 10, ...evidence });
    try {
      end('passed', await work());
      return true;
    } catch (error) {
      end('failed', { says: error instanceof CommandError ? error.message : reasonOf(error) });
      return false;
    }
  }

  skip(step: string, why: string): void {
    this.#add({ step, result: 'not run', seconds: null, says: why });
  }

  #add(step: Step): void {
    this.steps.push(step);
    this.#shell.print(renderStep(this.#shell, step));
  }
}

function renderStep(shell: Shell, { step, result, seconds, says }: Step): string {
  const sign = { passed: shell.style('green', '✓'), failed: shell.style('red', '✗'), 'not run': '-' }[result];
  return `${sign} ${step}${seconds === null ? '' : ` (${seconds} s)`}: ${result === 'not run' ? 'not run, ' : ''}${says}`;
}
