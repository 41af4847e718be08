import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { createLogger, temporalLogger } from '../../worker/observability/logging.ts';

function logTo(lines: string[]) {
  return createLogger('info', { write: (line: string) => void lines.push(line) });
}

const context = {
  info: {
    activityId: '5',
    activityType: 'executeStrategyDirectly',
    attempt: 2,
    workflowExecution: { workflowId: 'w', runId: 'r' },
    workflowType: 'GenericStrategyWorkflow',
  },
} as Context;

describe('the log', () => {
  it('has the workflow and activity on each line written while an activity runs', () => {
    const lines: string[] = [];
    const { log } = logTo(lines);
    asyncLocalStorage.run(context, () => log.info('inside'));
    log.info('outside');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      message: 'inside',
      activityId: '5',
      attempt: 2,
      workflowId: 'w',
      workflowRunId: 'r',
    });
    expect(JSON.parse(lines[1]!)).not.toHaveProperty('activityId');
  });

  it('has only their own ids on the SDK’s lines, wherever they are written', () => {
    const lines: string[] = [];
    const sdk = temporalLogger(logTo(lines).log);
    asyncLocalStorage.run(context, () => sdk.warn('about another', { workflowId: 'other', taskToken: 'x' }));
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'warn',
      time: expect.any(String),
      message: 'about another',
      workflowId: 'other',
    });
  });

  it('never shows a known secret in a message, a field, an error or a stack, not even in part', () => {
    const lines: string[] = [];
    const { log, hide } = logTo(lines);
    const key = '-----BEGIN KEY-----\nAAAABBBBCCCC\nDDDDEEEE"FFFF\n-----END KEY-----\n';
    hide(['api-key-123', key]);
    log.info('with api-key-123 inside');
    log.info({ header: 'Bearer api-key-123', deep: { list: [key] } }, 'fields');
    log.error({ error: new Error(`refused: api-key-123`, { cause: new Error(key) }) }, 'error');
    log.child({ bound: 'api-key-123' }).info('DDDDEEEE"FFFF');
    const all = lines.join('');
    expect(all).toContain('(hidden)');
    for (const secret of ['api-key-123', 'AAAABBBBCCCC', 'DDDDEEEE']) expect(all).not.toContain(secret);
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  });

  it('hides fields whose names suggest secrets', () => {
    const lines: string[] = [];
    const { log } = logTo(lines);
    log.info({ apiKey: 'sesame', options: { headers: { authorization: 'sesame' } } }, 'fields');
    expect(lines.join('')).not.toContain('sesame');
  });
});
