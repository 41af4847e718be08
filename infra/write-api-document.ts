/** Regenerates docs/api.md. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'prettier';
import { apiDocument, compileWithJsii } from './api-document.ts';

const file = join(import.meta.dirname, '../docs/api.md');
await writeFile(file, await format(apiDocument(await compileWithJsii()), { parser: 'markdown', printWidth: 120 }));
