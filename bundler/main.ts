/** Bundles an entry for a program that cannot await: `node main.js '{ "entry": … }'` prints the problems as JSON. */
import { join } from 'node:path';
import { bundleEntry, type EntryOptions } from './entry.ts';

const options = JSON.parse(process.argv[2]!) as Omit<EntryOptions, 'library'>;
const library = join(import.meta.dirname, '../library/esm');
process.stdout.write(JSON.stringify(await bundleEntry({ ...options, library })));
