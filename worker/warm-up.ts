/**
 * Starts the built worker once while its image is built, so that NODE_COMPILE_CACHE keeps what V8 compiled: all dynamic imports, and
 * a whole start up to the first polls. As the server, an empty answer to each request is enough; it listens at the worker's default
 * address. A worker that needs more than that to start is not a failure: what was loaded until then is kept.
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const LONGEST_MS = 60_000;
const here = import.meta.dirname;
const load = (file: string) => import(pathToFileURL(join(here, file)).href);

const server = createServer();
server.on('stream', (stream, { ':path': path = '' }) => {
  if (!path.includes('/Poll')) return answerNothing(stream);
  // It has begun to take work, which is enough.
  setTimeout(() => process.kill(process.pid, 'SIGTERM'), 1000).unref();
});
setTimeout(() => process.exit(), LONGEST_MS).unref();
process.on('exit', (code) => {
  if (code === 0) return;
  process.stderr.write(
    'The worker did not start while its image was built: what it loads later is compiled when it runs.\n',
  );
  process.exitCode = 0;
});
server.listen(7233, '127.0.0.1', async () => {
  server.unref();
  for (const file of JSON.parse(readFileSync(join(here, 'warm-up.json'), 'utf8')) as string[]) await load(file);
  process.argv[1] = join(here, 'main.js');
  await load('main.js');
});

/** An empty message, which in protobuf is any message with all fields left out. */
function answerNothing(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.alloc(5));
}
