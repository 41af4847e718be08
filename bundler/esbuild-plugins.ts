/** esbuild plugins for packages that expect more at run time than a bundle contains. */
import { readFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';

/** Workflows are prebundled, so the packages that would bundle them at run time (webpack, swc and others) are left out. */
export const withoutBundler: Plugin = {
  name: 'without-bundler',
  setup({ onLoad }) {
    const contents = `
      const absent = () => { throw new Error('This worker was built with prebundled workflows and cannot bundle others.'); };
      exports.WorkflowCodeBundler = absent;
      exports.bundleWorkflowCode = absent;
      exports.defaultWorkflowInterceptorModules = ['workflow-log-interceptor'];`;
    onLoad({ filter: /@temporalio[\\/]worker[\\/]lib[\\/]workflow[\\/]bundler\.js$/ }, () => ({ contents }));
  },
};

/** Gives a dynamically imported CommonJS package the named exports that it has in Node; esbuild by itself gives it only a default. */
export const namedImports: Plugin = {
  name: 'named-imports',
  setup({ onResolve, onLoad, initialOptions: { external = [] } }) {
    onResolve({ filter: /^[^./]/, namespace: 'file' }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import' || isBuiltin(path) || external.includes(path)) return undefined;
      const file = required(path, resolveDir);
      return file === undefined ? undefined : { path, namespace: 'named', pluginData: { file, resolveDir } };
    });
    onLoad({ filter: /.*/, namespace: 'named' }, async ({ path, pluginData }) => {
      const { file, resolveDir } = pluginData as { file: string; resolveDir: string };
      const names = Object.keys((await import(pathToFileURL(file).href)) as object).filter(
        (name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default',
      );
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir };
    });
  },
};

/** Undefined for a package that is only an ECMAScript module, whose exports need no help. */
function required(path: string, from: string): string | undefined {
  try {
    return createRequire(join(from, 'index.js')).resolve(path);
  } catch {
    return undefined;
  }
}

/**
 * The location of a source that is run from somewhere else: `import.meta`, `__dirname`, `__filename` and `require.resolve` return what
 * they would in the source. Needs PLACES before the bundle.
 */
export const inPlace: Plugin = {
  name: 'in-place',
  setup({ onLoad }) {
    onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path }) => {
      if (path.includes('node_modules')) return undefined;
      const source = (await readFile(path, 'utf8')).replace(/^#!.*/, '');
      const declared = (name: string) => new RegExp(`(const|let|var|import)\\b[^;]*\\b${name}\\b`).test(source);
      const names = ['__dirname', '__filename'].filter((name) => source.includes(name) && !declared(name));
      const place = `var __place = globalThis.__placeOf(${JSON.stringify(path)});${names.map((name) => `var ${name} = __place.${name.slice(2)};`).join('')}`;
      const contents = source
        .replaceAll(/\bimport\.meta\b/g, '__place')
        .replaceAll(/\brequire\.resolve\b/g, '__place.find');
      const loader = /\.[cm]?([jt]sx?)$/.exec(path)![1] as 'js' | 'jsx' | 'ts' | 'tsx';
      return { contents: `${place} ${contents}`, loader, resolveDir: dirname(path) };
    });
  },
};

/** TypeScript's file extensions are left out or written as JavaScript's. */
export const PLACES = `
import { existsSync as existsHere } from 'node:fs';
import { createRequire as createRequireAt } from 'node:module';
import { dirname as dirnameOf, resolve as resolvePath } from 'node:path';
import { pathToFileURL as toUrl, fileURLToPath as toPath } from 'node:url';
globalThis.__placeOf = (filename) => {
  const dirname = dirnameOf(filename), requireThere = createRequireAt(filename);
  const find = (id) => {
    const path = id.startsWith('file:') ? toPath(id) : resolvePath(dirname, id), bare = path.replace(/\\.[cm]?js$/, '');
    const candidates = [path, ...['.ts', '.tsx', '.mts', '.cts', '.js', '/index.ts', '/index.js'].map((ending) => bare + ending)];
    const found = /^(\\.|\\/|file:)/.test(id) ? candidates.find((each) => /\\.\\w+$/.test(each) && existsHere(each)) : undefined;
    return found ?? requireThere.resolve(id);
  };
  const resolve = (id) => { try { return toUrl(find(id)).href; } catch { return new URL(id, toUrl(filename)).href; } };
  return { url: toUrl(filename).href, dirname, filename, find, resolve, main: false };
};`;
