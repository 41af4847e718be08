/**
 * What the sidecar costs at rest: the built one, with the flags of its image, beside a process that it watches, against a stand-in for
 * ECS's endpoints and for DynamoDB over TLS. Prints resident memory and processor time; needs Linux and openssl.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SIDECAR_NODE_FLAGS } from '../contract/sidecar.ts';
import { fakeProc } from '../test/sidecar/fake-proc.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const seconds = Number(values.seconds);
if (!(seconds >= 5)) throw new Error(`--seconds ${values.seconds}: give 5 or more`);

const root = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'sidecar-'));
const bytesOfMiB = 2 ** 20;
const LIMITS = { mebibytes: 64, vcpus: 0.02 };
const TASK = '0123456789abcdef0123456789abcdef';

try {
  const { url, certificate } = await table();
  const ecs = await agent();
  const proc = fakeProc(join(directory, 'proc'));
  const watched = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)'], { stdio: 'ignore' });
  const sidecar = spawn(process.execPath, [...SIDECAR_NODE_FLAGS, join(root, 'dist/sidecar/main.js'), 'follow'], {
    env: {
      MALLOC_ARENA_MAX: '1',
      ELASTIC_WORKERS_POOL: 'bench',
      ELASTIC_WORKERS_STATE_TABLE: 'state',
      ELASTIC_WORKERS_TASK_ROLE_ID: 'AROA',
      HOST_PROC: join(directory, 'proc'),
      ECS_AGENT_URI: ecs,
      ECS_CONTAINER_METADATA_URI_V4: ecs,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_ENDPOINT_URL_DYNAMODB: url,
      NODE_EXTRA_CA_CERTS: certificate,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  proc.add(sidecar.pid!, 'sidecar-1');
  proc.add(watched.pid!, 'worker-1');
  await delay(5000);
  const before = processorSeconds(sidecar.pid!);
  await delay(seconds * 1000);
  const vcpus = (processorSeconds(sidecar.pid!) - before) / seconds;
  const mebibytes = residentBytes(sidecar.pid!) / bytesOfMiB;
  proc.remove(watched.pid!);
  watched.kill();
  await once(sidecar, 'exit');
  console.log(
    JSON.stringify({ seconds, mebibytes: Math.round(mebibytes * 10) / 10, vcpus: Number(vcpus.toFixed(4)), LIMITS }),
  );
  process.exitCode = mebibytes <= LIMITS.mebibytes && vcpus <= LIMITS.vcpus ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit();

async function table(): Promise<{ url: string; certificate: string }> {
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', certificate];
  execFileSync('openssl', [...made, ...subject], { stdio: 'ignore' });
  const tickAt = { N: `${Date.now()}` };
  const options = { key: readFileSync(key), cert: readFileSync(certificate), keepAliveTimeout: 20_000 };
  const server = createSecureServer(options, (request, response) => {
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/x-amz-json-1.0');
      response.end(JSON.stringify({ Responses: { state: [{ id: { S: 'scaler' }, tickAt }] }, UnprocessedKeys: {} }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, certificate };
}

async function agent(): Promise<string> {
  const metadata = { TaskARN: `arn:aws:ecs:us-east-1:1:task/c/${TASK}`, Limits: { CPU: 1, Memory: 2048 } };
  const task = { ...metadata, Containers: [{ Name: 'worker', DockerId: 'worker-1' }] };
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.end(JSON.stringify(request.method === 'PUT' ? { protection: { ProtectionEnabled: true } } : task));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function residentBytes(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

/** In user and kernel mode; a clock tick is a hundredth of a second. */
function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
