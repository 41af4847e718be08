/** A Temporal server that knows nothing and has nothing to do: enough to see when a worker begins to poll. */
import { once } from 'node:events';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface SilentServer {
  address: string;
  /** Settles at the next poll. */
  nextPoll(): Promise<void>;
  stop(): void;
}

export async function startSilentServer(): Promise<SilentServer> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  let polled = Promise.withResolvers<void>();
  server.on('session', (session) => sessions.add(session.once('close', () => sessions.delete(session))));
  server.on('stream', (stream, { ':path': path = '' }) => {
    stream.on('error', () => undefined);
    if (path.includes('/Poll')) return polled.resolve();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    nextPoll: () => (polled = Promise.withResolvers<void>()).promise,
    stop: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}
