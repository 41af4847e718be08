/**
 * The policy of another checkout, or this one's with rules switched off: bundled as it is, with some of its text replaced.
 * So what is shipped needs no switches.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import type { Decide } from './elastic.ts';

export interface Replacement {
  /** In `scaler/policy/`. */
  file: string;
  from: string;
  to: string;
}

const ROOT = join(import.meta.dirname, '..');

/** Throws where a replacement does not fit the source any more. */
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
  const texts = new Map<string, string>();
  for (const { file, from, to } of replacements) {
    const path = join(folder, file);
    const text = texts.get(path) ?? readFileSync(path, 'utf8');
    const count = text.split(from).length - 1;
    if (count !== 1) {
      throw new Error(
        `simulate/ablations.ts replaces '${from}' in scaler/policy/${file}, where it is found ${count} times. It must be found` +
          ' once: write there what the rule looks like now, or remove the entry with the rule.',
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
