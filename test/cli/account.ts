/** The part of an AWS account that deployments need: the CDK's bootstrap, as far as it is checked, and ECS's role. */
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { localClient } from '../../local/observe.ts';
import { iam } from './on-call.ts';

const ACCOUNT = '000000000000';
const CDK_ROLES = ['deploy-role', 'file-publishing-role', 'image-publishing-role'];

export async function bootstrapAsTheCdk(emulatorUrl: string): Promise<void> {
  const Name = '/cdk-bootstrap/hnb659fds/version';
  await new SSMClient(localClient(emulatorUrl)).send(new PutParameterCommand({ Name, Value: '28', Type: 'String' }));
  for (const role of CDK_ROLES) {
    await createRole(emulatorUrl, `cdk-hnb659fds-${role}-${ACCOUNT}-us-east-1`, {
      AWS: `arn:aws:iam::${ACCOUNT}:root`,
    });
  }
}

export function makeServiceLinkedRole(emulatorUrl: string): Promise<void> {
  return createRole(emulatorUrl, 'AWSServiceRoleForECS', { Service: 'ecs.amazonaws.com' });
}

async function createRole(emulatorUrl: string, RoleName: string, Principal: object): Promise<void> {
  const Statement = [{ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' }];
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam(emulatorUrl, 'CreateRole', { RoleName, AssumeRolePolicyDocument });
}
