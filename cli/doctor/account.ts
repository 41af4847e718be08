/** Checks what any deployment needs in the account: credentials, the CDK's bootstrap, ECS's role, the Fargate quota. */
import { existsSync, readFileSync } from 'node:fs';
import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { CLIENT_SETTINGS, reasonOf } from '../../deployed/stacks.ts';
import { ok, refused, wrong, type Check } from './check.ts';

/** Clients for what is only checked before a deployment. */
export class Account {
  readonly iam = new IAMClient(CLIENT_SETTINGS);
  readonly quotas = new ServiceQuotasClient(CLIENT_SETTINGS);
  readonly secrets = new SecretsManagerClient(CLIENT_SETTINGS);
  readonly ssm = new SSMClient(CLIENT_SETTINGS);
  readonly sts = new STSClient(CLIENT_SETTINGS);
}

/** Whose credentials these are, and where. */
interface Caller {
  partition: string;
  account: string;
  region: string;
}

/** Credentials are checked first; if they are not valid, that is the only check. */
export async function examineAccount(account: Account): Promise<Check[]> {
  const { check, caller } = await checkCredentials(account);
  if (caller === undefined) return [check];
  const [bootstrap, role] = await Promise.all([
    examineBootstrap(account, caller, qualifierIn('cdk.json')),
    checkServiceLinkedRole(account),
  ]);
  return [check, ...bootstrap, role];
}

async function checkCredentials({ sts }: Account): Promise<{ check: Check; caller?: Caller }> {
  try {
    const region = await sts.config.region();
    const { Account: account = '', Arn = '' } = await sts.send(new GetCallerIdentityCommand({}));
    const check = ok('AWS credentials', `account ${account}, region ${region}, as ${Arn}`);
    return { check, caller: { partition: Arn.split(':')[1] ?? 'aws', account, region } };
  } catch (error) {
    const matters = 'nothing can be deployed, and nothing else in the account can be checked';
    const mend = 'sign in (aws sso login), or choose the account and region with AWS_PROFILE and AWS_REGION';
    return { check: wrong('AWS credentials', reasonOf(error), { matters, mend }) };
  }
}

const DEFAULT_QUALIFIER = 'hnb659fds';

/** The qualifier of the project in this folder: an account may be bootstrapped with several. */
export function qualifierIn(file: string): string {
  if (!existsSync(file)) return DEFAULT_QUALIFIER;
  const { context = {} } = JSON.parse(readFileSync(file, 'utf8')) as { context?: Record<string, unknown> };
  return String(context['@aws-cdk/core:bootstrapQualifier'] ?? DEFAULT_QUALIFIER);
}

async function examineBootstrap(account: Account, caller: Caller, qualifier: string): Promise<Check[]> {
  const Name = `/cdk-bootstrap/${qualifier}/version`;
  try {
    const { Parameter } = await account.ssm.send(new GetParameterCommand({ Name }));
    const check = ok('CDK bootstrap', `version ${Parameter?.Value}, qualifier ${qualifier}`);
    return [check, await checkRoles(account, caller, qualifier)];
  } catch (error) {
    const reason = reasonOf(error);
    if (!reason.startsWith('ParameterNotFound'))
      return [refused('CDK bootstrap', reason, `ssm:GetParameter on ${Name}`)];
    const matters = 'the CDK has no place for its assets and no role to deploy with';
    const mend = `npx cdk bootstrap aws://${caller.account}/${caller.region}`;
    return [wrong('CDK bootstrap', `there is no parameter ${Name}`, { matters, mend })];
  }
}

const CDK_ROLES = ['deploy-role', 'file-publishing-role', 'image-publishing-role'];
/** The shortest session that STS grants. */
const SHORTEST_SESSION_SECONDS = 900;

/** Assumes them as the CDK does, which is the only reliable check. */
async function checkRoles({ sts }: Account, caller: Caller, qualifier: string): Promise<Check> {
  const { partition, account, region } = caller;
  const assumed = CDK_ROLES.map(async (role) => {
    const RoleArn = `arn:${partition}:iam::${account}:role/cdk-${qualifier}-${role}-${account}-${region}`;
    const request = { RoleArn, RoleSessionName: 'elastic-workers-doctor', DurationSeconds: SHORTEST_SESSION_SECONDS };
    return sts.send(new AssumeRoleCommand(request)).then(
      () => undefined,
      (error: unknown) => `${role}: ${reasonOf(error)}`,
    );
  });
  const refusals = (await Promise.all(assumed)).filter((reason) => reason !== undefined);
  if (refusals.length === 0) return ok('deployment roles', `the CDK's ${CDK_ROLES.join(', ')} can be assumed`);
  return wrong('deployment roles', refusals.join('; '), {
    matters: 'the CDK falls back to your own permissions, and fails where they are not enough',
    mend: `allow sts:AssumeRole on arn:${partition}:iam::${account}:role/cdk-${qualifier}-*; if there is no such role, run npx cdk bootstrap again`,
  });
}

const ECS_ROLE = 'AWSServiceRoleForECS';

async function checkServiceLinkedRole({ iam }: Account): Promise<Check> {
  try {
    await iam.send(new GetRoleCommand({ RoleName: ECS_ROLE }));
    return ok('ECS service-linked role', `${ECS_ROLE} exists`);
  } catch (error) {
    const reason = reasonOf(error);
    if (!reason.startsWith('NoSuchEntity')) return refused('ECS service-linked role', reason, 'iam:GetRole');
    return wrong('ECS service-linked role', `there is no role ${ECS_ROLE}`, {
      matters: 'an account that has never used ECS lacks it, and creating the first service then fails',
      mend: 'aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com',
    });
  }
}

/** "Fargate On-Demand vCPU resource count"; the quota of Spot is the same unless one of them was raised. */
const VCPU_QUOTA = { ServiceCode: 'fargate', QuotaCode: 'L-3032A538' };

/** `vcpus`: how many will be needed, if known. */
export async function checkFargateQuota({ quotas }: Account, vcpus = 0): Promise<Check> {
  try {
    const { Quota } = await quotas.send(new GetServiceQuotaCommand(VCPU_QUOTA));
    const limit = Quota?.Value ?? 0;
    const says = `${limit} concurrent Fargate vCPUs in this account and region`;
    if (vcpus <= limit) return ok('Fargate quota', vcpus === 0 ? says : `${says}; at most ${vcpus} are needed`);
    return wrong('Fargate quota', `${says}; all tasks together need ${vcpus}`, {
      matters:
        'tasks beyond the quota do not start: a pool stays smaller than it should be, and a deployment may not get its new tasks',
      mend: 'request an increase: aws service-quotas request-service-quota-increase --service-code fargate --quota-code L-3032A538 --desired-value …; or lower maxTasks',
    });
  } catch (error) {
    return refused('Fargate quota', reasonOf(error), 'servicequotas:GetServiceQuota');
  }
}
