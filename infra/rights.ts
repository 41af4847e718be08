/** Grants any number of permissions: IAM allows 10,240 characters of inline policies per role, and 6,144 in each managed policy. */
import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct, type IConstruct } from 'constructs';

const LONGEST_WITHIN_A_ROLE = 9000;
const LONGEST_MANAGED = 5900;
/** The longest that a template reference can become: the ARN of a service with its cluster. */
const REFERENCE = 170;

/** An inline policy, or as many managed ones as needed. */
export function grantRights(scope: Construct, role: iam.IRole, statements: iam.PolicyStatement[]): IConstruct {
  const lengths = statements.map((statement) => lengthOf(scope, statement));
  if (lengths.reduce((sum, length) => sum + length, 0) <= LONGEST_WITHIN_A_ROLE)
    return new iam.Policy(scope, 'Rights', { roles: [role], statements });
  const policies = new Construct(scope, 'Rights');
  groups(statements, lengths).forEach(
    (group, index) => new iam.ManagedPolicy(policies, String(index), { roles: [role], statements: group }),
  );
  return policies;
}

function groups(statements: iam.PolicyStatement[], lengths: number[]): iam.PolicyStatement[][] {
  const all: iam.PolicyStatement[][] = [];
  let left = 0;
  for (const [index, statement] of statements.entries()) {
    const length = lengths[index]!;
    if (length > left) {
      all.push([]);
      left = LONGEST_MANAGED;
    }
    all.at(-1)!.push(statement);
    left -= length;
  }
  return all;
}

function lengthOf(scope: Construct, statement: iam.PolicyStatement): number {
  const resolved: unknown = Stack.of(scope).resolve(statement.toStatementJson());
  const text = JSON.stringify(resolved, (_, value: unknown) => (isReference(value) ? '-'.repeat(REFERENCE) : value));
  return text.length;
}

function isReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ['Ref', 'Fn::GetAtt', 'Fn::Join'].some((key) => key in value);
}
