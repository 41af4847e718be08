/** The doctor finds each fault between a stack and its Temporal server, all of them produced for real. */
import { readFileSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { examineTemporal } from '../../cli/doctor/temporal.ts';
import { tlsProxy, Authority, type Proxy } from '../worker/temporal-proxies.ts';
import { deploy, examine, stacks, startStacks, stopStacks, wrong } from './doctor-under-test.ts';

jest.setTimeout(180_000);

const authority = new Authority();
const proxies: Proxy[] = [];

beforeAll(startStacks);
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await stopStacks();
});

test('no server', async () => {
  await deploy('no-server', { config: { temporal: { address: '127.0.0.1:1', namespace: 'default', tls: false } } });
  const examined = await examine('no-server');
  expect(examined.code).toBe(1);
  expect(wrong(examined)).toMatchObject([
    { check: 'server', says: '127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1' },
    { check: 'signals', says: expect.stringContaining('the scaler could not read activityQueue: ') },
  ]);
  expect(examined.text).toMatch(
    /^✗ server \(default at 127.0.0.1:1\): .+\n {4}why it matters: .+\n {4}fix: .+temporal\.address/m,
  );
});

test('a server that the doctor reaches at another address, and the scaler does not', async () => {
  await deploy('elsewhere', { config: { temporal: { address: '127.0.0.1:1', namespace: 'default', tls: false } } });
  const examined = await examine('elsewhere', { TEMPORAL_ADDRESS: stacks.temporal.address });
  expect(wrong(examined).map(({ check }) => check)).toEqual(['workers', 'signals']);
});

test('a server without TLS, and one whose certificate is not trusted here', async () => {
  await deploy('no-tls', {
    config: { temporal: { address: stacks.temporal.address, namespace: 'default', tls: true } },
  });
  expect(wrong(await examine('no-tls'))).toMatchObject([
    {
      check: 'server',
      says: expect.stringMatching(/^TLS with .+ fails: .*(wrong version number|packet length)/i),
      mend: expect.stringContaining('does not use TLS'),
    },
    { check: 'signals' },
  ]);
  const proxy = await tlsProxy(stacks.temporal.address, authority);
  proxies.push(proxy);
  await deploy('untrusted', { config: { temporal: { address: proxy.address, namespace: 'default', tls: true } } });
  expect(wrong(await examine('untrusted'))).toMatchObject([
    {
      check: 'server',
      says: expect.stringMatching(/fails: .*(self-signed|unable to verify|local issuer)/),
      mend: expect.stringContaining('signed by a known authority'),
    },
    { check: 'signals' },
  ]);
});

test('certificates that will expire soon, of the client and of the server', async () => {
  const proxy = await tlsProxy(stacks.temporal.address, authority, { clients: true });
  proxies.push(proxy);
  const { certificate, key } = authority.issue('on-call', 90);
  const secret = JSON.stringify({
    TEMPORAL_TLS_CLIENT_CERT_DATA: certificate,
    TEMPORAL_TLS_CLIENT_KEY_DATA: key,
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: readFileSync(authority.certificatePath, 'utf8'),
  });
  const temporal = { address: proxy.address, namespace: 'default', tls: true, secret: 'temporal' };
  const pool = {
    pool: 'a',
    taskQueue: 'a',
    cluster: 'none',
    service: 'none',
    taskRoleId: 'none',
    policy: {},
    temporal,
  };
  const certificatesIn = async (hours: number) => {
    const places = { pools: [{ ...pool, protection: 'worker' as const }], readSecret: async () => secret };
    const checks = await examineTemporal(places, new Map(), Date.now() + hours * 3_600_000);
    return checks.find(({ check }) => check === 'certificates');
  };
  // The proxy's own lives for a day, and counts as renewed by a machine: soon is its last third.
  expect(await certificatesIn(1)).toMatchObject({
    ok: true,
    says: expect.stringMatching(
      /^client certificate valid for 89 more days \(CN=on-call\), server certificate .* less than a day/,
    ),
  });
  expect(await certificatesIn(20)).toMatchObject({ ok: false, says: expect.stringMatching(/^server certificate/) });
  expect(await certificatesIn(61 * 24)).toMatchObject({
    ok: false,
    says: expect.stringMatching(/^client certificate valid for 28 more days/),
    mend: expect.stringMatching(/^register a new client certificate .*; renew the server certificate/),
  });
});

test('an API key that the server refuses, and a secret that does not exist', async () => {
  const guard = createHttp2Server();
  guard.on('stream', (stream) => {
    const refusal = { 'content-type': 'application/grpc', 'grpc-status': '16', 'grpc-message': 'bad key' };
    stream.respond(refusal, { endStream: true });
  });
  await new Promise<void>((resolve) => guard.listen(0, '127.0.0.1', resolve));
  const temporal = { address: `127.0.0.1:${(guard.address() as AddressInfo).port}`, namespace: 'default', tls: false };

  await deploy('key', { config: { temporal } });
  expect(wrong(await examine('key', { TEMPORAL_API_KEY: 'old' }))[0]).toMatchObject({
    check: 'credentials',
    says: expect.stringMatching(/^the server refuses us \(authentication: API key\): .*bad key/),
  });
  await deploy('secret', { config: { temporal: { ...temporal, secret: 'temporal/nowhere' } } });
  expect(wrong(await examine('secret'))[0]).toMatchObject({
    check: 'credentials',
    says: expect.stringContaining('temporal/nowhere'),
  });
  guard.close();
});

test('a namespace that does not exist', async () => {
  await deploy('no-namespace', {
    config: { temporal: { address: stacks.temporal.address, namespace: 'nowhere', tls: false } },
  });
  const examined = await examine('no-namespace');
  expect(wrong(examined)).toMatchObject([
    {
      check: 'namespace',
      says: "there is no namespace 'nowhere'",
      mend: expect.stringContaining('temporal operator namespace create --namespace nowhere'),
    },
    { check: 'signals' },
  ]);
  const elsewhere = await examine('no-namespace', { TEMPORAL_NAMESPACE: 'default' });
  expect(wrong(elsewhere).map(({ check }) => check)).not.toContain('namespace');
});
