/**
 * The ECS endpoint. Local Fargate answers some AWS JSON 1.1 calls itself, once the emulator has confirmed that the caller may make
 * them; every other call, to ECS or another service, is forwarded to the emulator and back byte for byte.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { JUDGE_HEADER } from './emulator-client.ts';
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
    const refusal = await refusalOf(request.raw, String(request.body ?? ''), new URL(emulatorUrl));
    if (refusal) return reply.status(refusal.status).headers(refusal.headers).send(refusal.body);
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

function readBody(body: unknown): unknown {
  try {
    return JSON.parse(String(body ?? '{}'));
  } catch (error) {
    throw new EcsError('SerializationException', `The request body is not JSON: ${String(error)}`);
  }
}

/**
 * The emulator's answer to a call that AWS's service model or the caller's policies do not allow, or with a wrong signature. Calls
 * are also answered without an emulator.
 */
async function refusalOf(request: IncomingMessage, body: string, emulator: URL) {
  const headers = [...request.rawHeaders, JUDGE_HEADER, '{}'];
  const { hostname: host, port } = emulator;
  const asked = httpRequest({ host, port, method: request.method, path: request.url, headers });
  asked.end(body);
  const [answer] = (await once(asked, 'response').catch(() => [])) as [IncomingMessage?];
  if (answer === undefined) return undefined;
  const { statusCode: status = 502 } = answer;
  const answered = await text(answer);
  const type = String(answer.headers['x-amzn-errortype'] ?? '');
  return status < 400 ? undefined : { status, headers: { 'x-amzn-errortype': type }, body: answered };
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
