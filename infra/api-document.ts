/**
 * Generates docs/api.md from the docstrings. jsii compiles the construct and describes its API, as it would for a package in
 * Python or Java. A public API that jsii does not allow therefore has no document, and a test fails.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packageFile from '../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');

/** The part of jsii's assembly that is used here. */
interface Assembly {
  types: Record<string, ApiType>;
}

interface ApiType {
  name: string;
  /** True for props. */
  datatype?: boolean;
  docs?: Docs;
  properties?: Property[];
  methods?: { name: string; docs?: Docs; parameters?: Property[]; returns?: { type: TypeReference } }[];
}

interface Docs {
  summary?: string;
  remarks?: string;
  default?: string;
}

interface Property {
  name: string;
  optional?: boolean;
  docs?: Docs;
  type: TypeReference;
}

interface TypeReference {
  fqn?: string;
  primitive?: string;
  collection?: { kind: 'array' | 'map'; elementtype: TypeReference };
  union?: { types: TypeReference[] };
}

/** Throws jsii's message if the API breaks its rules. */
export async function compileWithJsii(): Promise<Assembly> {
  const directory = await mkdtemp(join(tmpdir(), 'elastic-workers-jsii-'));
  try {
    await Promise.all(
      ['infra', 'contract'].map((part) => cp(join(root, part), join(directory, part), { recursive: true })),
    );
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    await writeFile(join(directory, 'package.json'), JSON.stringify(jsiiPackage()));
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    await writeFile(join(directory, 'README.md'), packageFile.description);
    const jsii = join(createRequire(import.meta.url).resolve('jsii/package.json'), '../bin/jsii');
    execFileSync(process.execPath, [jsii, '--silence-warnings', 'reserved-word'], { cwd: directory, encoding: 'utf8' });
    return JSON.parse(await readFile(join(directory, '.jsii'), 'utf8')) as Assembly;
  } catch (error) {
    throw new Error(`jsii does not allow the API:\n${(error as { stdout?: string }).stdout ?? String(error)}`, {
      cause: error,
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Node runs the sources directly, so imports end in .ts, which jsii's own settings do not support. */
const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2024'],
    module: 'node20',
    moduleResolution: 'node16',
    types: ['node'],
    rewriteRelativeImportExtensions: true,
    declaration: true,
    strict: true,
    skipLibCheck: true,
    noEmitOnError: true,
    composite: false,
  },
  files: ['infra/index.ts'],
};

function jsiiPackage() {
  const { name, version, license, description, devDependencies } = packageFile;
  const peers = { 'aws-cdk-lib': devDependencies['aws-cdk-lib'], constructs: devDependencies.constructs };
  return {
    name,
    version,
    license,
    description,
    type: 'module',
    author: { name },
    repository: { url: `https://example.com/${name}.git` },
    main: 'infra/index.js',
    types: 'infra/index.d.ts',
    peerDependencies: peers,
    devDependencies: peers,
    dependencies: { zod: devDependencies.zod, croner: devDependencies.croner },
    bundledDependencies: ['zod', 'croner'],
    jsii: { targets: {}, tsconfig: 'tsconfig.json', validateTsconfig: 'off' },
  };
}

const ORDER = ['ElasticWorkers', 'ElasticWorkersProps', 'TemporalProps', 'WorkerPoolProps'];

export function apiDocument({ types }: Assembly): string {
  const place = ({ name }: ApiType) => (ORDER.indexOf(name) + ORDER.length + 1) % (ORDER.length + 1);
  const sorted = Object.values(types).toSorted((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
  const parts = [
    '# API',
    'Generated from the docstrings by `node infra/write-api-document.ts`.',
    ...sorted.map(sectionOf),
  ];
  return `${parts.join('\n\n')}\n`;
}

function sectionOf({ name, datatype = false, docs, properties = [], methods = [] }: ApiType): string {
  const rows = properties
    .toSorted((a, b) => Number(a.optional ?? false) - Number(b.optional ?? false))
    .map((property) => rowOf(property, datatype));
  const head = datatype
    ? ['| name | type | default | |', '| --- | --- | --- | --- |']
    : ['| name | type | |', '| --- | --- | --- |'];
  const list = methods.map(({ name: method, parameters = [], returns, docs: ofMethod }) => {
    const given = parameters.map((parameter) => `${parameter.name}${parameter.optional ? '?' : ''}`).join(', ');
    return `- \`${method}(${given})\`: ${typeOf(returns?.type)}. ${textOf(ofMethod)}`.trimEnd();
  });
  return [`## ${name}`, textOf(docs), [...head, ...rows].join('\n'), list.join('\n')]
    .filter((part) => part !== '')
    .join('\n\n');
}

function rowOf({ name, type, optional, docs }: Property, datatype: boolean): string {
  const otherwise = optional ? (docs?.default ?? '').replace(/^- /, '') : 'required';
  return `| ${[`\`${name}\``, typeOf(type), ...(datatype ? [otherwise] : []), textOf(docs)].join(' | ')} |`;
}

function textOf({ summary = '', remarks = '' }: Docs = {}): string {
  return `${summary} ${remarks}`.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim();
}

function typeOf(type: TypeReference = { primitive: 'nothing' }): string {
  if (type.collection) {
    const element = typeOf(type.collection.elementtype);
    return type.collection.kind === 'array' ? `list of ${element}` : `map of ${element}`;
  }
  if (type.union) return type.union.types.map((each) => typeOf(each)).join(' or ');
  return type.primitive ?? (type.fqn ?? '').split('.').slice(-2).join('.').replace(`${packageFile.name}.`, '');
}
