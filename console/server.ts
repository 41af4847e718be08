/**
 * The console's web server: serves one page and its data to this machine only. It only reads. Another site's page in the same
 * browser can neither read it (Host is checked, so that only this machine's names lead here), nor make it call AWS, nor put it
 * in a frame; and this page contacts nobody else.
 */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { reasonOf } from '../deployed/stacks.ts';
import type { Assets } from './assets.ts';
import { MOST_MINUTES } from './history.ts';
import type { Reader } from './reader.ts';

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** Any of these with any port: a tunnel may use another one. */
const THIS_MACHINE = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

export async function consoleServer(reader: Reader, assets: Assets): Promise<FastifyInstance> {
  const { fastify } = await import('fastify');
  const server = fastify({ forceCloseConnections: true });
  server.addHook('onRequest', refuseOthers);
  server.setErrorHandler((error: Partial<FastifyError>, _, reply) =>
    reply.code(error.statusCode ?? 502).send({ error: reasonOf(error) }),
  );
  for (const [path, { type, text }] of Object.entries(assets)) {
    server.get(path, (_, reply) => reply.type(type).send(text));
  }
  server.get('/api/overview', () => reader.overview());
  server.get<{ Params: { pool: string }; Querystring: { minutes: number; cursor: number } }>(
    '/api/pools/:pool',
    { schema: { querystring: HISTORY_QUERY } },
    async ({ params, query }, reply) => {
      const history = await reader.history(params.pool, query);
      return history ?? reply.code(404).send({ error: `there is no pool '${params.pool}'` });
    },
  );
  return server;
}

const HISTORY_QUERY = {
  type: 'object',
  properties: {
    minutes: { type: 'integer', minimum: 1, maximum: MOST_MINUTES, default: 60 },
    cursor: { type: 'integer', minimum: 0, default: 0 },
  },
};

async function refuseOthers({ headers, url }: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  void reply.headers(HEADERS);
  const { host = '', 'sec-fetch-site': site } = headers;
  const foreign = url.startsWith('/api/') && site !== undefined && site !== 'same-origin' && site !== 'none';
  if (THIS_MACHINE.test(host) && !foreign) return undefined;
  return reply.code(403).send({ error: 'The console only answers its own page at 127.0.0.1 or localhost.' });
}
