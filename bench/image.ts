/**
 * `npm run bench:image`: the worker's image beside the plain one (a slim Node image, `npm install --omit=dev` of what
 * the worker imports, in our versions, and its source),
 * both built here, compressed alike. Needs docker or podman, and what `npm run build` makes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import packageFile from '../package.json' with { type: 'json' };

export interface ImageSizes {
  oursBytes: number;
  plainBytes: number;
  ratio: number;
  /** What stood for base images that could not be had. */
  standIns: string[];
}

const root = join(import.meta.dirname, '..');
const PLAIN_BASE = 'docker.io/library/node:22-slim';
const PLAIN = `
ARG PLAIN_IMAGE=${PLAIN_BASE}
FROM \${PLAIN_IMAGE}
WORKDIR /app
COPY package.json ./
RUN npm install --omit=dev && npm cache clean --force
COPY contract contract
COPY worker worker
USER 65532:65532
CMD ["node", "worker/main.ts"]
`;

if (import.meta.main) {
  const sizes = await measureImage();
  if ('notMeasured' in sizes) throw new Error(`Not measured: ${sizes.notMeasured}`);
  const { oursBytes, plainBytes, ratio, standIns } = sizes;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.table({ ours: megabytes(oursBytes), plain: megabytes(plainBytes), ratio: ratio.toFixed(2), wanted: '≤ 0.5' });
  if (standIns.length > 0) console.log(`On stand-ins for the base images: ${standIns.join(', ')}`);
}

/** Both images' compressed bytes; or why they could not be had here. */
export async function measureImage(): Promise<ImageSizes | { notMeasured: string }> {
  if (!existsSync(join(root, 'dist/worker/main.js'))) return { notMeasured: 'there is no built worker: npm run build' };
  const found = spawnSync(join(root, 'test/image/engine.sh'), [`PLAIN_IMAGE=${PLAIN_BASE}`], { encoding: 'utf8' });
  if (found.status !== 0) return { notMeasured: found.stderr.trim().split('\n').at(-1) ?? `${found.error}` };
  const settings = parseEnv(found.stdout) as Record<string, string>;
  const engine = settings.ELASTIC_WORKERS_TEST_IMAGE!;
  const baseArguments = settings.ELASTIC_WORKERS_TEST_IMAGE_BUILD!.split(' ').filter(Boolean);
  const env = { ...process.env, ...settings };
  const sizeOf = (name: string, dockerfile: string, context: string) => {
    const image = `temporal-elastic-workers/bench:${name}`;
    const args = ['build', ...baseArguments, '-f', dockerfile, '-t', image, context];
    execFileSync(engine, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    const save = `${engine} save ${image} 2>/dev/null | gzip -6 | wc -c`;
    return Number(execFileSync('sh', ['-c', save], { env, encoding: 'utf8' }));
  };
  const oursBytes = sizeOf('ours', join(root, 'worker/Dockerfile'), root);
  const plainBytes = withPlainContext((folder) => sizeOf('plain', join(folder, 'Dockerfile'), folder));
  const standIns = baseArguments.filter((argument) => argument.includes('localhost/stand-in-for/'));
  return { oursBytes, plainBytes, ratio: oursBytes / plainBytes, standIns };
}

/** The Dockerfile above and what it copies; our own .dockerignore would leave it out. */
function withPlainContext<Result>(use: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'bench-image-'));
  try {
    for (const name of ['contract', 'worker']) cpSync(join(root, name), join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies: packagesOf(folder) }));
    writeFileSync(join(folder, 'Dockerfile'), PLAIN);
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the worker's source imports, in the versions that our bundle is made of. */
function packagesOf(folder: string): Record<string, string> {
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const text = sources.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  const versions = Object.entries(packageFile.devDependencies);
  return Object.fromEntries(versions.filter(([name]) => new RegExp(`['"]${name}['"/]`).test(text)));
}
