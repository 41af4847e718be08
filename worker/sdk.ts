/**
 * Checks the Temporal SDK in the user's project. There must be one copy of it: an activity's context, a failure's class and the native
 * part are each looked up in the importing module's copy, and two copies do not find each other's.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const PACKAGES = ['activity', 'client', 'common', 'worker', 'workflow'].map((name) => `@temporalio/${name}`);

/** The oldest version that the tests run with, and the first that is too new. The same as the peer dependencies. */
export const SDK_VERSIONS = { from: '1.14.0', below: '2.0.0' };

/**
 * Returns nothing if the entry script and this library see the same SDK. If none is installed, it is bundled with both of them.
 */
export function problemsOfSdk(entry: string | undefined, here: string): string[] {
  const ours = copiesFrom(here);
  const theirs = entry === undefined ? ours : copiesFrom(entry);
  return [...twoCopies(theirs, ours), ...versionsOf({ ...ours, ...theirs })];
}

type Copies = Record<string, { directory: string; version: string }>;

function copiesFrom(file: string): Copies {
  const require = createRequire(realpathSync(file));
  const found = PACKAGES.flatMap((name) => {
    try {
      const packageFile = realpathSync(require.resolve(`${name}/package.json`));
      const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
      return [[name, { directory: dirname(packageFile), version }]];
    } catch {
      return [];
    }
  });
  return Object.fromEntries(found) as Copies;
}

function twoCopies(theirs: Copies, ours: Copies): string[] {
  const lines = Object.entries(theirs).flatMap(([name, { directory, version }]) => {
    const own = ours[name];
    if (own === undefined || own.directory === directory) return [];
    return [
      `${name}: your worker uses ${version} in ${directory}, temporal-elastic-workers uses ${own.version} in ${own.directory}`,
    ];
  });
  if (lines.length === 0) return [];
  return [
    `there are two copies of the Temporal SDK, which do not work together. ${lines.join('; ')}. Install one version for both ` +
      '(npm ls @temporalio/worker shows which packages depend on which), then run npm dedupe.',
  ];
}

function versionsOf(copies: Copies): string[] {
  const all = Object.entries(copies);
  const wrong = all.filter(([, { version }]) => !isWithin(version));
  const unlike = new Set(all.map(([, { version }]) => version)).size > 1;
  const listed = (some: typeof all) => some.map(([name, { version }]) => `${name} ${version}`).join(', ');
  return [
    ...(wrong.length > 0
      ? [
          `the Temporal SDK must be at least ${SDK_VERSIONS.from} and below ${SDK_VERSIONS.below}, found ${listed(wrong)}: install another version.`,
        ]
      : []),
    ...(unlike
      ? [`the packages of the Temporal SDK have different versions: ${listed(all)}. Install the same version of each.`]
      : []),
  ];
}

function isWithin(version: string): boolean {
  return compare(version, SDK_VERSIONS.from) >= 0 && compare(version, SDK_VERSIONS.below) < 0;
}

function compare(some: string, other: string): number {
  const [left, right] = [some, other].map((version) => version.split(/[.-]/).slice(0, 3).map(Number));
  for (const [index, number] of left!.entries()) if (number !== right![index]) return number - right![index]!;
  return 0;
}
