/** docs/how-to/your-own-workers.md: its diff turns a plain worker into the tested one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, root } from '../docs/markdown.ts';
import { projectOf } from './project.ts';

const path = 'docs/how-to/your-own-workers.md';
const { snippets } = parse(path, readFileSync(join(root, path), 'utf8'));
const diff = snippets.find(({ language }) => language === 'diff')!.text;
const side = (sign: '+' | '-') =>
  diff
    .split('\n')
    .filter((line) => line === '' || line[0] === ' ' || line[0] === sign)
    .map((line) => line.slice(1))
    .join('\n');

test('the guide’s changes to a plain worker result in the tested worker', () => {
  const tested = readFileSync(join(import.meta.dirname, 'fixtures/orders/src/worker.ts'), 'utf8');
  expect(side('+').trim()).toBe(tested.trim());
});

test('the guide starts with a worker that uses only the Temporal SDK', () => {
  const project = projectOf('orders');
  try {
    project.write({ 'src/worker.ts': side('-') });
    expect(project.compile('-p', '.', '--noEmit')).toBe('');
    expect(side('-')).not.toContain('elastic');
  } finally {
    project.remove();
  }
});
