/** How to run the sidecar, wherever that is: `protect` before the worker's container starts, `follow` beside it. */

/**
 * Node without its compilers and with the smallest heap that is enough: memory matters here, and there is hardly anything to
 * compute (`npm run bench:sidecar`).
 */
export const SIDECAR_NODE_FLAGS = [
  '--lite-mode',
  '--max-old-space-size=24',
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
];

export function sidecarCommand(command: 'protect' | 'follow'): string[] {
  return ['node', ...SIDECAR_NODE_FLAGS, 'main.js', command];
}
