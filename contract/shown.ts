/**
 * Makes text safe to show in a log or on a terminal, whoever wrote it. Secrets that this process has read are removed in all
 * forms in which they could appear, and characters that end a line or control a terminal are escaped as in JSON.
 */

/** From now on these are removed from all output. */
export function hide(secrets: string[]): void {
  for (const form of secrets.flatMap(formsOf)) hidden.add(form);
}

export function withoutSecrets(text: string): string {
  let clean = text;
  for (const form of hidden) clean = clean.replaceAll(form, HIDDEN);
  return clean;
}

/** Keeps line ends: if one could be mistaken for the end of a message, the caller must replace it. */
export function shown(text: string): string {
  return withoutSecrets(text).replaceAll(COMMANDS, escaped);
}

const hidden = new Set<string>();
export const HIDDEN = '(hidden)';

/** Removing shorter texts would make every line unreadable, and they are hardly secrets. */
const SHORTEST_SECRET = 6;

/** Control characters, those that change the direction of writing, and those that end a line for some readers. */
const COMMANDS = /(?!\n)\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The whole text, and line by line, because a multi-line key often appears in parts. */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).filter((line) => !line.startsWith('-----'));
  return [secret, secret.trim(), ...lines.map((line) => line.trim())]
    .flatMap((part) => [part, JSON.stringify(part).slice(1, -1), ...inBase64(part)])
    .flatMap((form) => [form, ...inUrls(form)])
    .filter((form) => form.length >= SHORTEST_SECRET);
}

/** As part of a URL; and as gRPC leaves a message that a server has encoded this way. */
function inUrls(text: string): string[] {
  const encoded = encodeURIComponent(text);
  return [encoded, decodeURI(encoded)];
}

/** Also within other encoded text: at each of the three possible offsets, up to the last whole group. */
function inBase64(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((from) => {
    const groups = bytes.subarray(from, bytes.length - ((bytes.length - from) % 3));
    return [groups.toString('base64'), groups.toString('base64url')];
  });
}
