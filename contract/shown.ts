/**
 * What is shown in a log or on a terminal: text, whoever has written it. A secret that this process has read appears in none
 * of the forms in which it could, and a character that would end a line or command a terminal is seen as JSON writes it.
 */

/** From now on these are shown nowhere. */
export function hide(secrets: string[]): void {
  for (const form of secrets.flatMap(formsOf)) hidden.add(form);
}

export function withoutSecrets(text: string): string {
  let clean = text;
  for (const form of hidden) clean = clean.replaceAll(form, HIDDEN);
  return clean;
}

/** Line ends stay: where one would be taken for the end of what is said, it is the caller's to replace it. */
export function shown(text: string): string {
  return withoutSecrets(text).replaceAll(COMMANDS, escaped);
}

const hidden = new Set<string>();
export const HIDDEN = '(hidden)';

/** Shorter ones would make every line unreadable, and are no secrets worth the name. */
const SHORTEST_SECRET = 6;

/** Control characters, those that turn the direction of writing, and those that end a line for some readers. */
const COMMANDS = /(?!\n)\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The whole, and line by line, since a key of many lines is often seen in parts. */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).filter((line) => !line.startsWith('-----'));
  return [secret, secret.trim(), ...lines.map((line) => line.trim())]
    .flatMap((part) => [part, JSON.stringify(part).slice(1, -1), ...inBase64(part)])
    .flatMap((form) => [form, ...inUrls(form)])
    .filter((form) => form.length >= SHORTEST_SECRET);
}

/** As a part of a URL; and as gRPC leaves a message that a server has written so. */
function inUrls(text: string): string[] {
  const encoded = encodeURIComponent(text);
  return [encoded, decodeURI(encoded)];
}

/** Also amid other text: by the three ways in which it may lie there, each to its last whole group. */
function inBase64(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((from) => {
    const groups = bytes.subarray(from, bytes.length - ((bytes.length - from) % 3));
    return [groups.toString('base64'), groups.toString('base64url')];
  });
}
