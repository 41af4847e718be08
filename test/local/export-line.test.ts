/** What the demo and `elastic-workers dev` print for another terminal. */
import { execFileSync } from 'node:child_process';
import { exportLine } from '../../local/emulator.ts';

test('the line that the demo prints, pasted into a shell, sets every variable that AWS’s tools need', () => {
  const line = exportLine('http://127.0.0.1:1', 'http://127.0.0.1:2');
  const set = execFileSync('sh', ['-c', `${line}; env`], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  expect(
    set
      .split('\n')
      .filter((variable) => variable.startsWith('AWS_'))
      .toSorted(),
  ).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^AWS_ACCESS_KEY_ID=./),
      'AWS_ENDPOINT_URL=http://127.0.0.1:1',
      'AWS_ENDPOINT_URL_ECS=http://127.0.0.1:2',
      'AWS_REGION=us-east-1',
      expect.stringMatching(/^AWS_SECRET_ACCESS_KEY=./),
    ]),
  );
});
