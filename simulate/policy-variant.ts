/**
 * The policy of another checkout, or this one with rules switched off: bundled with parts of its source replaced, so that the shipped
 * policy needs no switches.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import type { Decide } from './elastic.ts';

/** `from` must occur exactly once in `scaler/policy/`. */
export interface Replacement {
  from: string;
  to: string;
}

const ROOT = join(import.meta.dirname, '..');

/** Throws where a replacement no longer fits the source. */
export async function bundlePolicy(replacements: readonly Replacement[] = [], root = ROOT): Promise<string> {
  const texts = replacedTexts(replacements, join(root, 'scaler/policy'));
  const { outputFiles } = await build({
    entryPoints: [join(root, 'scaler/policy.ts')],
    bundle: true,
    write: false,
    format: 'cjs',
    logLevel: 'error',
    plugins: [withTexts(texts)],
  });
  return outputFiles[0]!.text;
}

export function decideOf(bundle: string): Decide {
  const module = { exports: {} as { decide: Decide } };
  compileFunction(bundle, ['module', 'exports'])(module, module.exports);
  return module.exports.decide;
}

function replacedTexts(replacements: readonly Replacement[], folder: string): Map<string, string> {
  const paths = readdirSync(folder).map((file) => join(folder, file));
  const texts = new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
  for (const { from, to } of replacements) {
    const found = [...texts].filter(([, text]) => text.includes(from));
    const [path, text] = found[0] ?? ['', ''];
    const count = found.length === 1 ? text.split(from).length - 1 : found.length;
    if (count !== 1) {
      throw new Error(
        `simulate/ablations.ts replaces '${from}' in scaler/policy, where it is found ${count} times. It must be found once:` +
          ' write there what the rule looks like now, or remove the entry with the rule.',
      );
    }
    texts.set(
      path,
      text.replace(from, () => to),
    );
  }
  return texts;
}

function withTexts(texts: Map<string, string>): Plugin {
  return {
    name: 'replaced',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = texts.get(path);
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
    },
  };
}
