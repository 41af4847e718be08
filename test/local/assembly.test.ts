/** The folders that replace a CDK app's images. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { imageDirectory } from '../../local/assembly.ts';

const assembly = mkdtempSync(join(tmpdir(), 'assembly-'));
afterAll(() => rmSync(assembly, { recursive: true, force: true }));

const REPOSITORY = 'cdk-hnb659fds-container-assets-000000000000-us-east-1';
const imageOf = (tag: string) => `000000000000.dkr.ecr.us-east-1.amazonaws.com/${REPOSITORY}:${tag}`;

function write(file: string, text = ''): void {
  mkdirSync(dirname(join(assembly, file)), { recursive: true });
  writeFileSync(join(assembly, file), text);
}

function writeManifest(file: string, tag: string, directory: string): void {
  const dockerImages = {
    [tag]: { source: { directory }, destinations: { here: { repositoryName: REPOSITORY, imageTag: tag } } },
  };
  write(file, JSON.stringify({ version: '1', files: {}, dockerImages }));
}

test('an image’s folder is the one in the app’s or a stage’s assembly that has its entry file', () => {
  writeManifest('One.assets.json', 'one', 'asset.one');
  write('asset.one/main.js');
  writeManifest('assembly-Beta/Two.assets.json', 'two', '../asset.two');
  write('asset.two/dist/worker/main.js');
  expect(imageDirectory(assembly, imageOf('one'))).toBe(join(assembly, 'asset.one'));
  expect(imageDirectory(assembly, imageOf('two'))).toBe(join(assembly, 'asset.two/dist/worker'));
});

test('an image that the app does not build, or without an entry file, has no folder', () => {
  writeManifest('Three.assets.json', 'three', 'asset.three');
  write('asset.three/Dockerfile');
  expect(imageDirectory(assembly, imageOf('three'))).toBeUndefined();
  expect(imageDirectory(assembly, 'python:3.12')).toBeUndefined();
  expect(imageDirectory(join(assembly, 'nothing'), imageOf('one'))).toBeUndefined();
});
