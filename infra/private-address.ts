/** Recognizes Temporal addresses in a private network by their form. */
import { Token } from 'aws-cdk-lib';

/** Private, shared and loopback ranges of IPv4, and names that public DNS does not resolve. */
const PRIVATE_HOSTS = [
  /^(127|10)\./,
  /^192\.168\./,
  /^172\.(1[6-9]|2\d|3[01])\./,
  /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./,
  /^\[(::1|f[cd][0-9a-f]{2}:.*)\]$/i,
  /^[^.[\]]+$/,
  /\.(internal|local|localhost|lan|svc|test)$/i,
];

/** An address that is unknown before deployment counts as private, so that nothing is rejected. */
export function isPrivate(address: string): boolean {
  const host = address.replace(/:\d+$/, '');
  return Token.isUnresolved(address) || PRIVATE_HOSTS.some((pattern) => pattern.test(host));
}
