/** One thing that the doctor looked at: it is well, or it is not, and then why that matters and how it is mended. */
export interface Check {
  check: string;
  /** The pool, or the Temporal namespace; of the whole stack where absent. */
  of?: string;
  /** Null when it could not be looked at. */
  ok: boolean | null;
  says: string;
  matters?: string;
  mend?: string;
}

export function ok(check: string, says: string, of?: string): Check {
  return { check, ...(of !== undefined && { of }), ok: true, says };
}

export function wrong(check: string, says: string, why: { matters: string; mend: string }, of?: string): Check {
  return { check, ...(of !== undefined && { of }), ok: false, says, ...why };
}

export function unseen(check: string, says: string, of?: string): Check {
  return { check, ...(of !== undefined && { of }), ok: null, says };
}

/** What AWS refuses to whoever runs the doctor says nothing about the stack. */
export function refused(check: string, reason: string, right: string, of?: string): Check {
  return unseen(check, `not seen: ${reason}; ${right} is needed`, of);
}
