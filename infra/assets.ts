/** The package's own assets, built beforehand: synth needs no build and no Docker. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as lambda from 'aws-cdk-lib/aws-lambda';

export const DOCKERFILE = 'worker/Dockerfile';
const SIDECAR_DOCKERFILE = 'sidecar/Dockerfile';

export function scalerCode(): lambda.Code {
  return lambda.Code.fromAsset(join(packageDirectory(), 'dist/scaler'));
}

/** Built by Docker when the app is deployed. `directory`: another worker's files, laid out like this package's. */
export function workerImage(
  cpuArchitecture?: ecs.CpuArchitecture,
  directory: string = packageDirectory(),
): ecs.ContainerImage {
  return imageOf(DOCKERFILE, 'dist/worker', cpuArchitecture, directory);
}

/** Built by Docker when the app is deployed. */
export function sidecarImage(cpuArchitecture?: ecs.CpuArchitecture): ecs.ContainerImage {
  return imageOf(SIDECAR_DOCKERFILE, 'dist/sidecar', cpuArchitecture, packageDirectory());
}

function imageOf(
  file: string,
  content: string,
  cpuArchitecture: ecs.CpuArchitecture | undefined,
  directory: string,
): ecs.ContainerImage {
  return ecs.ContainerImage.fromAsset(directory, {
    file,
    // Native libraries of other systems are only for workers that run without an image.
    exclude: ['*', `!${content}`, `${content}/releases/*darwin*`, `${content}/releases/*windows*`, `!${file}`],
    platform: cpuArchitecture === ecs.CpuArchitecture.ARM64 ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
  });
}

/** The nearest folder with the Dockerfile: the same from the sources as from the compiled files. */
export function packageDirectory(): string {
  let directory: string = import.meta.dirname;
  while (!existsSync(join(directory, DOCKERFILE))) directory = dirname(directory);
  return directory;
}
