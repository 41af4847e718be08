/**
 * `npm run bench:image`: the worker's image beside the plain one (a slim Node image, `npm install --omit=dev` of what
 * the worker imports, in our versions, and its source),
 * both built here, compressed alike. Needs docker or podman, and what `npm run build` makes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseEnv } from 'node:util';
import { bundleEntry } from '../bundler/entry.ts';
import packageFile from '../package.json' with { type: 'json' };
import { projectOf, type Project } from '../test/library/project.ts';

interface ImageSizes {
  oursBytes: number;
  plainBytes: number;
  ratio: number;
  /** What stood for base images that could not be had. */
  standIns: string[];
}

const root = join(import.meta.dirname, '..');
const PLAIN_BASE = 'docker.io/library/node:22-slim';
const plainDockerfile = (folders: string[], main: string) => `
ARG PLAIN_IMAGE=${PLAIN_BASE}
FROM \${PLAIN_IMAGE}
WORKDIR /app
COPY package.json ./
RUN npm install --omit=dev && npm cache clean --force
${folders.map((folder) => `COPY ${folder} ${folder}`).join('\n')}
USER 65532:65532
CMD ["node", "${main}"]
`;

if (import.meta.main) {
  const found = { 'this package’s worker': await measureImage(), 'a worker from its entry': await measureEntryImage() };
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const rows = Object.entries(found).map(([of, sizes]) => {
    if ('notMeasured' in sizes) throw new Error(`Not measured: ${sizes.notMeasured}`);
    const { oursBytes, plainBytes, ratio } = sizes;
    return { of, ours: megabytes(oursBytes), plain: megabytes(plainBytes), ratio: ratio.toFixed(2), wanted: '≤ 0.5' };
  });
  console.table(rows);
  const standIns = Object.values(found).flatMap((sizes) => ('standIns' in sizes ? sizes.standIns : []));
  if (standIns.length > 0) console.log(`On stand-ins for the base images: ${[...new Set(standIns)].join(', ')}`);
}

type Measured = ImageSizes | { notMeasured: string };

/** Both images' compressed bytes; or why they could not be had here. */
export function measureImage(): Measured {
  return measure(root, (sizeOfPlain) =>
    withPlainContext(['contract', 'worker'], packagesOf, 'worker/main.ts', sizeOfPlain),
  );
}

/** The same of a pool's `entry`: the worker of docs/how-to/your-own-workers.md, beside its source and the Temporal SDK. */
async function measureEntryImage(): Promise<Measured> {
  const project = projectOf('orders');
  try {
    const context = join(project.directory, 'image');
    const outdir = join(context, 'dist/worker');
    cpSync(join(root, 'worker/Dockerfile'), join(context, 'worker/Dockerfile'));
    await bundleEntryOf(project, outdir);
    for (const system of ['darwin', 'windows'])
      for (const name of readdirSync(join(outdir, 'releases')).filter((each) => each.includes(system)))
        rmSync(join(outdir, 'releases', name), { recursive: true });
    return measure(context, (sizeOfPlain) =>
      withPlainContext(['test/library/fixtures/orders/src'], sdk, 'src/worker.ts', sizeOfPlain),
    );
  } finally {
    project.remove();
  }
}

/** As `cdk synth` does it for a pool's `entry`. */
export async function bundleEntryOf({ directory, write }: Project, outdir: string): Promise<void> {
  write({ 'package-lock.json': '{}' });
  const library = join(root, 'dist/library/esm');
  const entry = join(directory, 'src/worker.ts');
  const problems = await bundleEntry({ entry, outdir, root: directory, library, cpu: '', bundling: {} });
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

type SizeOf = (folder: string) => number;

function measure(context: string, ofPlain: (sizeOf: SizeOf) => number): Measured {
  if (!existsSync(join(root, 'dist/worker/main.js'))) return { notMeasured: 'there is no built worker: npm run build' };
  const found = spawnSync(join(root, 'test/image/engine.sh'), [`PLAIN_IMAGE=${PLAIN_BASE}`], { encoding: 'utf8' });
  if (found.status !== 0) return { notMeasured: found.stderr.trim().split('\n').at(-1) ?? `${found.error}` };
  const settings = parseEnv(found.stdout) as Record<string, string>;
  const engine = settings.ELASTIC_WORKERS_TEST_IMAGE!;
  const baseArguments = settings.ELASTIC_WORKERS_TEST_IMAGE_BUILD!.split(' ').filter(Boolean);
  const env = { ...process.env, ...settings };
  const sizeOf = (name: string, dockerfile: string, folder: string) => {
    const image = `temporal-elastic-workers/bench:${name}`;
    const args = ['build', ...baseArguments, '-f', dockerfile, '-t', image, folder];
    execFileSync(engine, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
    const save = `${engine} save ${image} 2>/dev/null | gzip -6 | wc -c`;
    return Number(execFileSync('sh', ['-c', save], { env, encoding: 'utf8' }));
  };
  const oursBytes = sizeOf('ours', join(context, 'worker/Dockerfile'), context);
  const plainBytes = ofPlain((folder) => sizeOf('plain', join(folder, 'Dockerfile'), folder));
  const standIns = baseArguments.filter((argument) => argument.includes('localhost/stand-in-for/'));
  return { oursBytes, plainBytes, ratio: oursBytes / plainBytes, standIns };
}

/** The Dockerfile above and what it copies; our own .dockerignore would leave it out. */
function withPlainContext(
  sources: string[],
  packages: (folder: string) => Record<string, string>,
  main: string,
  use: SizeOf,
): number {
  const folder = mkdtempSync(join(tmpdir(), 'bench-image-'));
  try {
    const names = sources.map((source) => basename(source));
    for (const [index, source] of sources.entries())
      cpSync(join(root, source), join(folder, names[index]!), { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies: packages(folder) }));
    writeFileSync(join(folder, 'Dockerfile'), plainDockerfile(names, main));
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a worker of the Temporal SDK needs. */
function sdk(): Record<string, string> {
  const { devDependencies } = packageFile;
  const names = ['activity', 'client', 'common', 'worker', 'workflow'].map((name) => `@temporalio/${name}` as const);
  return Object.fromEntries(names.map((name) => [name, devDependencies[name as keyof typeof devDependencies]]));
}

/** What the worker's source imports, in the versions that our bundle is made of. */
function packagesOf(folder: string): Record<string, string> {
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const text = sources.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  const versions = Object.entries(packageFile.devDependencies);
  return Object.fromEntries(versions.filter(([name]) => new RegExp(`['"]${name}['"/]`).test(text)));
}
