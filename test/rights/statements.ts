/** The statements of a template's policies, and which of them the calls needed. */
import { readFileSync } from 'node:fs';
import { requestLog } from '../../local/emulator.ts';

/** A line of the emulator's request log: local/emulator/request_log.py. */
export interface LoggedCall {
  caller: string;
  action: string;
  resource: string;
  context: Record<string, unknown>;
  allowed: boolean;
  /** Each statement that would be enough alone, as `policy#number`. */
  allowedBy: string[];
}

/** Of the emulator that logs to this folder. */
export function loggedCalls(directory: string): LoggedCall[] {
  const lines = readFileSync(requestLog(directory), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as LoggedCall);
}

export interface Statement {
  /** `policy#number`. */
  id: string;
  actions: string[];
}

interface PolicyResource {
  Type: string;
  Properties: { PolicyName: string; PolicyDocument: { Statement: { Action: string | string[] }[] } };
}

export interface Template {
  Resources: Record<string, unknown>;
}

export function statementsIn(template: Template): Statement[] {
  return (Object.values(template.Resources) as PolicyResource[])
    .filter(({ Type }) => Type === 'AWS::IAM::Policy')
    .flatMap(({ Properties: { PolicyName, PolicyDocument } }) =>
      PolicyDocument.Statement.map(({ Action }, number) => ({
        id: `${PolicyName}#${number}`,
        actions: [Action].flat(),
      })),
    );
}

/** Without one of these, no call would have been refused. */
export function needless(statements: Statement[], calls: LoggedCall[]): Statement[] {
  return statements.filter(({ id }) => !calls.some(({ allowedBy }) => allowedBy.length === 1 && allowedBy[0] === id));
}

/** Actions that a statement allows and no call used, as `policy#number action`. */
export function unusedActions(statements: Statement[], calls: LoggedCall[]): string[] {
  return statements.flatMap(({ id, actions }) => {
    const used = new Set(calls.filter(({ allowedBy }) => allowedBy.includes(id)).map(({ action }) => action));
    return actions.filter((action) => !used.has(action)).map((action) => `${id} ${action}`);
  });
}

export function requireNothingRefused(directory: string, isRight: (call: LoggedCall) => boolean = () => false): void {
  const refused = loggedCalls(directory).filter((call) => !call.allowed && !isRight(call));
  if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused, null, 1)}`);
}
