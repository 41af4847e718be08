/** Which Temporal addresses are within a network of one's own, by how they are written. */
import { Token } from 'aws-cdk-lib';

/** Private, shared and loopback ranges of IPv4, and names that no public DNS answers for. */
const PRIVATE_HOSTS = [
  /^(127|10)\./,
  /^192\.168\./,
  /^172\.(1[6-9]|2\d|3[01])\./,
  /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./,
  /^\[(::1|f[cd][0-9a-f]{2}:.*)\]$/i,
  /^[^.[\]]+$/,
  /\.(internal|local|localhost|lan|svc|test)$/i,
];

/** Of an address that is not known before deployment it is not known, and nothing is refused. */
export function isPrivate(address: string): boolean {
  const host = address.replace(/:\d+$/, '');
  return Token.isUnresolved(address) || PRIVATE_HOSTS.some((pattern) => pattern.test(host));
}
