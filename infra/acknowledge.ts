/** What cdk-nag finds and is meant to be so, said beside the resource, with the reason. */
import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

export function acknowledge(scope: IConstruct, rule: string, reason: string): void {
  Validations.of(scope).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

/** A right on more than one named resource: acknowledged for exactly this resource. */
export function acknowledgeWildcard(scope: IConstruct, resource: string, reason: string): void {
  acknowledge(scope, `IAM5[Resource::${flat(Stack.of(scope).resolve(resource))}]`, reason);
}

/** As cdk-nag writes a reference: `<LogicalId>` or `<LogicalId.Attribute>`. */
function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const reference = value as { Ref?: string; 'Fn::GetAtt'?: string[]; 'Fn::Join'?: [string, unknown[]] };
  if (reference['Fn::Join']) return reference['Fn::Join'][1].map(flat).join(reference['Fn::Join'][0]);
  if (reference['Fn::GetAtt']) return `<${reference['Fn::GetAtt'].join('.')}>`;
  if (reference.Ref !== undefined) return `<${reference.Ref}>`;
  return JSON.stringify(value);
}
