/** Parses `<min>-<max>`, as given on the command line. */

export interface StartDelay {
  /** Seconds. */
  min: number;
  max: number;
}

/** Undefined if it is not two numbers, the smaller first. */
export function parseStartDelay(text: string): StartDelay | undefined {
  const [, min, max] = /^(\d+\.?\d*)-(\d+\.?\d*)$/.exec(text) ?? [];
  return min === undefined || Number(min) > Number(max) ? undefined : { min: Number(min), max: Number(max) };
}
