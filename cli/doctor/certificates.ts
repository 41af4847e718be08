/** Finds certificates that expire soon: until then nothing fails, and then everything fails at once. */
import { X509Certificate } from 'node:crypto';
import type { TemporalAccess } from '../../contract/temporal-access.ts';
import { ok, wrong, type Check } from './check.ts';
import { serverCertificate } from './probe.ts';

const DAY_MS = 86_400_000;
const SOON_MS = 30 * DAY_MS;
/** A certificate that is valid for only a few weeks is renewed automatically: "soon" is its last third. */
const LAST_PART = 1 / 3;

/** For a server that has answered; without TLS there is nothing to check. */
export async function checkCertificates(access: TemporalAccess, where: string, now: number): Promise<Check[]> {
  const { tls } = access;
  if (tls === undefined || tls === false) return [];
  const pair = typeof tls === 'object' ? tls.clientCertPair : undefined;
  const ofServer = await serverCertificate(access);
  const all = [
    ...(pair ? [{ whose: 'client', certificate: new X509Certificate(pair.crt) }] : []),
    ...(ofServer ? [{ whose: 'server', certificate: ofServer }] : []),
  ];
  const soon = all.filter(({ certificate }) => isSoon(certificate, now));
  const says = (some: typeof all) =>
    some.map(({ whose, certificate }) => `${whose} certificate valid ${until(certificate, now)}`).join(', ');
  if (soon.length === 0) return all.length === 0 ? [] : [ok('certificates', says(all), where)];
  const mends = soon.map(({ whose }) => MENDS[whose as keyof typeof MENDS]);
  const matters = 'after that, neither scaler nor workers can reach Temporal';
  return [wrong('certificates', says(soon), { matters, mend: mends.join('; ') }, where)];
}

const MENDS = {
  client:
    'register a new client certificate with the namespace and put it and its key into the secret; both are reread within minutes',
  server: 'renew the server certificate, or find out why its automatic renewal has not run',
};

function isSoon({ validFrom, validTo }: X509Certificate, now: number): boolean {
  const end = Date.parse(validTo);
  return end - now < Math.min(SOON_MS, LAST_PART * (end - Date.parse(validFrom)));
}

function until({ validTo, subject }: X509Certificate, now: number): string {
  const days = Math.floor((Date.parse(validTo) - now) / DAY_MS);
  const left = days < 1 ? 'less than a day' : days === 1 ? 'one more day' : `${days} more days`;
  return `for ${left} (${subject.replaceAll('\n', ', ')})`;
}
