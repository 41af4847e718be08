/** Where this package is. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The nearest folder with the templates: the same from the sources as from what is built of them. */
export function packageDirectory(): string {
  let directory: string = import.meta.dirname;
  while (!existsSync(join(directory, 'templates'))) {
    if (directory === dirname(directory)) throw new Error('the package is not whole: install it again');
    directory = dirname(directory);
  }
  return directory;
}
