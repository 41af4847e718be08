/**
 * The ECS endpoint: the AWS JSON 1.1 calls that local Fargate answers itself, and every other call, of ECS or any
 * other service, passed to the emulator and back byte for byte.
 */
import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastify from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EcsError } from './errors.ts';
import type { Operation } from './operations.ts';

const TARGET_PREFIX = 'AmazonEC2ContainerServiceV20141113.';

export function createEcsApi(operations: Record<string, Operation>, emulatorUrl: string): FastifyInstance {
  const server = fastify({ forceCloseConnections: true });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  server.addHook('onRequest', (request, reply, done) => {
    if (operationOf(request.raw, operations)) return done();
    reply.hijack();
    passThrough(request.raw, reply.raw, new URL(emulatorUrl));
  });
  server.all('/*', async (request, reply) => {
    reply.header('x-amzn-requestid', randomUUID()).type('application/x-amz-json-1.1');
    await requireAllowed(request, emulatorUrl);
    const operation = operationOf(request.raw, operations);
    return JSON.stringify(await operation?.(readBody(request.body)));
  });
  server.setErrorHandler((error, _request, reply) => {
    const refused = error instanceof EcsError;
    const code = refused ? error.code : 'ServerException';
    return reply
      .status(refused ? 400 : 500)
      .type('application/x-amz-json-1.1')
      .header('x-amzn-errortype', code)
      .send(JSON.stringify({ __type: code, message: error instanceof Error ? error.message : String(error) }));
  });
  return server;
}

function operationOf(request: IncomingMessage, operations: Record<string, Operation>): Operation | undefined {
  const target = request.headers['x-amz-target'];
  if (typeof target !== 'string' || !target.startsWith(TARGET_PREFIX)) return undefined;
  const action = target.slice(TARGET_PREFIX.length);
  return Object.hasOwn(operations, action) ? operations[action] : undefined;
}

/** The emulator checks requests against AWS's service models, on demand also those answered here. They are answered without it, too. */
async function requireAllowed({ headers, body }: FastifyRequest, emulatorUrl: string): Promise<void> {
  const response = await fetch(new URL('/_elastic-workers/check', emulatorUrl), {
    method: 'POST',
    headers: { 'x-amz-target': String(headers['x-amz-target']), 'content-type': 'application/x-amz-json-1.1' },
    body: String(body ?? ''),
  }).catch(() => undefined);
  if (response === undefined || response.ok) return;
  const { __type, message } = (await response.json()) as { __type: string; message: string };
  throw new EcsError(__type, message);
}

function readBody(body: unknown): unknown {
  try {
    return JSON.parse(String(body ?? '{}'));
  } catch (error) {
    throw new EcsError('SerializationException', `The request body is not JSON: ${String(error)}`);
  }
}

function passThrough(request: IncomingMessage, response: ServerResponse, emulator: URL): void {
  const upstream = httpRequest({
    host: emulator.hostname,
    port: emulator.port,
    method: request.method,
    path: request.url,
    headers: request.rawHeaders,
  });
  upstream.on('response', (answer) => {
    response.sendDate = false;
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
    answer.pipe(response);
  });
  upstream.on('error', (error) => refuse(response, error));
  response.on('close', () => upstream.destroy());
  request.pipe(upstream);
}

function refuse(response: ServerResponse, error: Error): void {
  if (response.headersSent) return void response.destroy();
  const message = `The AWS emulator behind this endpoint does not answer: ${error.message}`;
  response.writeHead(503, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify({ __type: 'ServiceUnavailableException', message }));
}
