/** Finds out why a server did not answer: a plain connection shows what gRPC hides. */
import type { X509Certificate } from 'node:crypto';
import { connect as connectPlain } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { TemporalAccess } from '../../contract/temporal-access.ts';

const WITHIN_MS = 4000;

/** `reason` is what gRPC said. */
export async function probe({ address, tls }: TemporalAccess, reason: string): Promise<{ says: string; mend: string }> {
  const [host = '', port = '7233'] = splitAddress(address);
  const plain = await failure((done) => connectPlain({ host, port: Number(port) }, done));
  if (plain !== undefined) {
    return {
      says: `${address} cannot be reached: ${plain}`,
      mend: `check the address (temporal.address), that the server is running, security groups and routes; if it has another address from here: TEMPORAL_ADDRESS=host:port elastic-workers doctor`,
    };
  }
  if (tls === undefined || tls === false) {
    return {
      says: `${address} accepts connections, but does not answer like Temporal without TLS: ${reason}`,
      mend: 'if the server requires TLS, set temporal.tls to true; otherwise check that Temporal’s frontend listens on that port',
    };
  }
  const shaken = await failure((done) => connectTls({ host, port: Number(port), ...tlsOptions(tls, host) }, done));
  if (shaken === undefined) {
    return {
      says: `${address} uses TLS, but does not answer like Temporal: ${reason}`,
      mend: 'check that Temporal’s frontend listens on that port, and that it accepts the client certificate',
    };
  }
  return {
    says: `TLS with ${address} fails: ${shaken}`,
    mend: /wrong version number|packet length too long/i.test(shaken)
      ? 'the server does not use TLS on that port: set temporal.tls to false, or use its TLS port'
      : 'the certificate must be valid for that name and signed by a known authority: renew it, or put its authority and server name into the secret (TEMPORAL_TLS_SERVER_CA_CERT_DATA, TEMPORAL_TLS_SERVER_NAME)',
  };
}

/** The certificate that the server presents; undefined if there is none. */
export async function serverCertificate({ address, tls }: TemporalAccess): Promise<X509Certificate | undefined> {
  const [host = '', port = '7233'] = splitAddress(address);
  let certificate: X509Certificate | undefined;
  await failure((done) => {
    const options = { host, port: Number(port), ...tlsOptions(tls ?? true, host) };
    const socket = connectTls(options, () => {
      certificate = socket.getPeerX509Certificate();
      done();
    });
    return socket;
  });
  return certificate;
}

function splitAddress(address: string): string[] {
  const at = address.lastIndexOf(':');
  return at === -1 ? [address] : [address.slice(0, at).replaceAll(/^\[|\]$/g, ''), address.slice(at + 1)];
}

function tlsOptions(tls: NonNullable<TemporalAccess['tls']>, host: string): ConnectionOptions {
  const { serverNameOverride, serverRootCACertificate, clientCertPair } = typeof tls === 'object' ? tls : {};
  const servername = serverNameOverride ?? (/^[\d.]+$|:/.test(host) ? '' : host);
  return {
    ALPNProtocols: ['h2'],
    ...(servername && { servername }),
    ...(serverRootCACertificate && { ca: Buffer.from(serverRootCACertificate) }),
    ...(clientCertPair && { cert: Buffer.from(clientCertPair.crt), key: Buffer.from(clientCertPair.key) }),
  };
}

type Connect = (done: () => void) => ReturnType<typeof connectPlain>;

/** Why the connection failed; undefined if it succeeded. */
function failure(connect: Connect): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(() => end(undefined));
    const end = (reason: string | undefined) => {
      socket.destroy();
      resolve(reason);
    };
    socket.setTimeout(WITHIN_MS, () => end(`no answer within ${WITHIN_MS / 1000} s`));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.message || (error.code ?? 'no reason given')));
  });
}
