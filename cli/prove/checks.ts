/** Checks that must pass before a proof begins; otherwise nothing is deployed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { PROOF_POOL, PROOF_STACK, type ProofSettings } from '../../contract/proof.ts';
import { Account, checkFargateQuota, examineAccount } from '../doctor/account.ts';
import { ok, refused, wrong, type Check } from '../doctor/check.ts';
import { examineReach } from '../doctor/server.ts';
import type { Shell } from '../shell.ts';
import { CLIENT_SETTINGS, reasonOf } from '../../deployed/stacks.ts';
import { placing } from '../../deployed/temporal-places.ts';
import { cdkVersions } from './cdk.ts';
import { readStack } from './site.ts';

/** During a deployment a second fleet runs beside the first. */
const VCPUS = 2 * PROOF_POOL.maxTasks * PROOF_POOL.vcpus;

export async function examineBeforeProof({ env, now }: Shell, settings: ProofSettings): Promise<Check[]> {
  const account = new Account();
  const { placed, readSecret } = placing(env, account);
  const looks = [
    examineAccount(account),
    // The address from here may differ, but the namespace is the workers'.
    examineReach({ ...placed(settings.temporal), namespace: settings.temporal.namespace }, readSecret, now()),
    checkCdk(),
    checkContainerEngine(env),
  ];
  const checks = (await Promise.all(looks)).flat();
  if (checks[0]?.ok !== true) return checks;
  return [...checks, ...(await Promise.all([checkFargateQuota(account, VCPUS), checkStack()]))];
}

function checkCdk(): Check {
  try {
    const { cli, library } = cdkVersions();
    return ok('CDK command line', `aws-cdk ${cli} and aws-cdk-lib ${library} from this folder's project`);
  } catch (error) {
    return wrong('CDK command line', reasonOf(error).split('\n')[0]!, {
      matters: 'the stack is deployed with the CDK of the project in this folder',
      mend: 'in the folder of a CDK app, or in an empty one: npm install --save-dev aws-cdk aws-cdk-lib constructs temporal-elastic-workers',
    });
  }
}

const ENGINE_WITHIN_MS = 20_000;

/** Chooses the engine as the CDK does. */
async function checkContainerEngine({ CDK_DOCKER: engine = 'docker' }: Shell['env']): Promise<Check> {
  try {
    await promisify(execFile)(engine, ['info'], { timeout: ENGINE_WITHIN_MS });
    return ok('container engine', `${engine} answers`);
  } catch (error) {
    return wrong('container engine', reasonOf(error).split('\n')[0]!, {
      matters: "the CDK builds the worker's image with it",
      mend: 'start Docker, or choose another engine: CDK_DOCKER=podman',
    });
  }
}

async function checkStack(): Promise<Check> {
  try {
    const stack = await readStack(new CloudFormationClient(CLIENT_SETTINGS));
    if (stack === undefined) return ok('proof stack', `there is no stack ${PROOF_STACK} yet`);
    return wrong('proof stack', `the stack ${PROOF_STACK} already exists and is ${stack.StackStatus}`, {
      matters: 'a proof deploys and destroys this stack, and touches no other',
      mend: `wait for the other proof to end; if it was kept or interrupted: aws cloudformation delete-stack --stack-name ${PROOF_STACK}`,
    });
  } catch (error) {
    return refused('proof stack', reasonOf(error), 'cloudformation:DescribeStacks');
  }
}
