/** Text and lines have enough contrast in both themes: the style sheet's colors, measured by WCAG. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const css = readFileSync(join(import.meta.dirname, '../../console/page/console.css'), 'utf8');
const colors = new Map(
  [...css.matchAll(/--(\w+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name = '', ...themes]) => [name, themes]),
);
const TEXTS = ['text', 'faint', 'link', 'good', 'bad'];
const LINES = ['blue', 'orange', 'green', 'violet', 'red'];

function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

test.each([
  ['light', 0],
  ['dark', 1],
])('in the %s theme, text has a contrast of at least 4.5 and lines of at least 3', (_, theme) => {
  expect([...colors.keys()].toSorted()).toEqual([...TEXTS, ...LINES, 'ground', 'card', 'line'].toSorted());
  for (const [names, least] of [
    [TEXTS, 4.5],
    [LINES, 3],
  ] as const) {
    const faint = names.flatMap((name) =>
      ['ground', 'card']
        .map((ground) => ({ name, ground, by: contrast(colors.get(name)![theme]!, colors.get(ground)![theme]!) }))
        .filter(({ by }) => by < least),
    );
    expect(faint).toEqual([]);
  }
});
