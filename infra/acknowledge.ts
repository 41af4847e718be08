/** Acknowledges intended findings of cdk-nag and cfn-lint at the resource, with the reason. */
import { type CfnResource, Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

export function acknowledge(scope: IConstruct, rule: string, reason: string): void {
  Validations.of(scope).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

/** A permission on more than one named resource, acknowledged for exactly this resource. */
export function acknowledgeWildcard(scope: IConstruct, resource: string, reason: string): void {
  acknowledge(scope, `IAM5[Resource::${flat(Stack.of(scope).resolve(resource))}]`, reason);
}

/** A cfn-lint rule. It reads only the template, so the acknowledgement goes into the resource's metadata. */
export function acknowledgeLint({ node: { defaultChild } }: IConstruct, rule: string, reason: string): void {
  (defaultChild as CfnResource).addMetadata('cfn-lint', { config: { ignore_checks: [rule] }, reason });
}

/** In cdk-nag's form of a reference: `<LogicalId>` or `<LogicalId.Attribute>`. */
function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const reference = value as { Ref?: string; 'Fn::GetAtt'?: string[]; 'Fn::Join'?: [string, unknown[]] };
  if (reference['Fn::Join']) return reference['Fn::Join'][1].map(flat).join(reference['Fn::Join'][0]);
  if (reference['Fn::GetAtt']) return `<${reference['Fn::GetAtt'].join('.')}>`;
  if (reference.Ref !== undefined) return `<${reference.Ref}>`;
  return JSON.stringify(value);
}
