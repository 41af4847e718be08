/**
 * Images that a CDK app builds from folders, for local Fargate, which needs no container engine: the files for the image are in the
 * app's cloud assembly, and are run from there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const manifestSchema = z.object({
  dockerImages: z.record(
    z.string(),
    z.object({
      source: z.object({ directory: z.string().optional(), dockerFile: z.string().optional() }),
      destinations: z.record(z.string(), z.object({ repositoryName: z.string(), imageTag: z.string() })),
    }),
  ),
});

/** What an image of this package holds, in the folder that it is built from. */
const ENTRY_FILE = 'main.js';
const CONTENT_FOLDERS = ['.', 'dist/worker', 'dist/sidecar'];

/** The folder that stands for an image, by the image's URI; undefined if the assembly does not build it, or it cannot be run this way. */
export function imageDirectory(assembly: string, image: string): string | undefined {
  const source = imageSource(assembly, image);
  return source && contentOf(source.directory);
}

/** What an image is built from. */
export interface ImageSource {
  directory: string;
  /** Within the directory (default: `Dockerfile`). */
  dockerFile: string | undefined;
}

/** Undefined for an image that the assembly does not build. */
export function imageSource(assembly: string, image: string): ImageSource | undefined {
  for (const directory of assembliesIn(assembly)) {
    for (const file of readdirSync(directory).filter((name) => name.endsWith('.assets.json'))) {
      const { dockerImages } = manifestSchema.parse(JSON.parse(readFileSync(join(directory, file), 'utf8')));
      const found = Object.values(dockerImages).find(({ destinations }) =>
        Object.values(destinations).some((to) => image.endsWith(`/${to.repositoryName}:${to.imageTag}`)),
      );
      const { source } = found ?? {};
      if (source?.directory !== undefined)
        return { directory: join(directory, source.directory), dockerFile: source.dockerFile };
    }
  }
  return undefined;
}

/** The assembly itself, and those of the app's stages. */
function assembliesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const stages = readdirSync(directory, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name.startsWith('assembly-'),
  );
  return [directory, ...stages.flatMap(({ name }) => assembliesIn(join(directory, name)))];
}

function contentOf(source: string): string | undefined {
  return CONTENT_FOLDERS.map((folder) => join(source, folder)).find((folder) => existsSync(join(folder, ENTRY_FILE)));
}
