/** The statements of a template's policies, and which of them the calls that were made needed. */

/** A line of the emulator's request log: local/emulator/request_log.py. */
export interface LoggedCall {
  caller: string;
  action: string;
  resource: string;
  context: Record<string, unknown>;
  /** Each statement that would do by itself, as `policy#number`. */
  allowedBy: string[];
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

export function statementsIn(template: { Resources: Record<string, unknown> }): Statement[] {
  return (Object.values(template.Resources) as PolicyResource[])
    .filter(({ Type }) => Type === 'AWS::IAM::Policy')
    .flatMap(({ Properties: { PolicyName, PolicyDocument } }) =>
      PolicyDocument.Statement.map(({ Action }, number) => ({
        id: `${PolicyName}#${number}`,
        actions: [Action].flat(),
      })),
    );
}

/** Without one of these, no call that was made would be refused. */
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

export function refused(calls: LoggedCall[]): LoggedCall[] {
  return calls.filter(({ allowedBy }) => allowedBy.length === 0);
}
