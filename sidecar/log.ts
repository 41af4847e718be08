/** The sidecar's log: one line of JSON per event, in the same form as the worker's. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export function createLog(write: (line: string) => void): Log {
  const at = (level: string) => (fields: object, message: string) =>
    write(`${JSON.stringify({ level, time: new Date().toISOString(), part: 'sidecar', ...fields, message })}\n`);
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
