/**
 * Builds the published library, each part twice: as CommonJS for Node.js, whatever the user's module system, so that there is one
 * copy per process; and as ECMAScript modules for bundlers, which use parts of it. Packages with an identity in the process (the
 * Temporal SDK, the AI SDK) are the user's own and never included.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build, transform, type BuildOptions, type Plugin } from 'esbuild';
import { namedImports } from './esbuild-plugins.ts';

interface LibraryOptions {
  common: BuildOptions;
  /** For Node.js: sources by name. */
  node: Record<string, string>;
  /** For the workflow sandbox. */
  sandbox: Record<string, string>;
  outdir: string;
}

const THE_USERS_OWN =
  /^(@temporalio\/(activity|ai-sdk|client|common|core-bridge|nexus|proto|worker|workflow|workflow-streams)|@ai-sdk\/provider|ai)(\/|$)/;

/** Returns the input files. */
export async function buildLibrary({ common, node, sandbox, outdir }: LibraryOptions): Promise<string[]> {
  const settings: BuildOptions = {
    ...common,
    outdir,
    format: 'esm',
    splitting: true,
    sourcemap: false,
    metafile: true,
  };
  const forNode = await build({
    ...settings,
    entryPoints: node,
    write: false,
    target: 'node22',
    plugins: [leftOut(THE_USERS_OWN), namedImports],
  });
  const forSandbox = await build({
    ...settings,
    entryPoints: sandbox,
    outdir: join(outdir, 'sandbox'),
    // As in the SDK's own bundler: packages then leave out what needs Node.js.
    platform: 'browser',
    target: 'es2022',
    // Zod too, because strategies bring it, and modules that all workflows share are frozen one by one.
    plugins: [leftOut(THE_USERS_OWN), leftOut(/^zod$/), sandboxImports],
  });
  for (const { path, text } of forNode.outputFiles!) {
    const name = relative(outdir, path);
    // The bundler provides CommonJS's names, once per bundle.
    write(join(outdir, 'esm', name), text);
    write(join(outdir, name), await commonJs(text));
  }
  write(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
  write(join(outdir, 'esm/package.json'), '{ "type": "module", "sideEffects": false }\n');
  write(join(outdir, 'sandbox/package.json'), '{ "type": "module" }\n');
  return [forNode, forSandbox].flatMap(({ metafile }) => Object.keys(metafile!.inputs));
}

async function commonJs(text: string): Promise<string> {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node22',
    define: {
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
      'import.meta.url': 'urlOfThisFile',
    },
    supported: { 'dynamic-import': false },
    banner: "const urlOfThisFile = require('node:url').pathToFileURL(__filename).href;",
  });
  return code;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Also imported where a package requires it: a bundler does not see a `require` that is already in a bundle. */
const leftOut = (filter: RegExp): Plugin => ({
  name: 'left-out',
  setup({ onResolve, onLoad }) {
    onResolve({ filter }, ({ kind, path, namespace }) =>
      kind === 'require-call' && namespace !== 'required' ? { path, namespace: 'required' } : { path, external: true },
    );
    onLoad({ filter: /.*/, namespace: 'required' }, ({ path }) => ({ contents: `export * from '${path}';` }));
  },
});

/** As in the SDK's own bundler: outside of a bundle these are stubs. */
const sandboxImports: Plugin = {
  name: 'sandbox-imports',
  setup({ onLoad }) {
    const contents = "module.exports = require('./workflow-imports-impl.js');";
    onLoad({ filter: /interceptors-opentelemetry-v2[\\/]lib[\\/]workflow[\\/]workflow-imports\.js$/ }, () => ({
      contents,
    }));
  },
};
